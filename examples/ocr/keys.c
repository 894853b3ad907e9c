/* The characters that the recogniser's classes stand for, from the model's own metadata
 * or from a text file with one character a line. */
#include "ocr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (1u << 20) /* of a file of characters */

/* The whole file as a string; NULL and errno when it cannot be had. */
static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = calloc(1, MOST_BYTES);
    if (text != NULL && fread(text, 1, MOST_BYTES - 1, file) == 0) {
        free(text);
        text = NULL;
        errno = ferror(file) ? EIO : ENODATA;
    }
    fclose(file);
    return text;
}

esk_status ocr_keys_init(ocr_keys *keys, const esk_session *rec, const char *path) {
    const char *own = esk_session_metadata(rec, "character");
    ocr_keys result = {.text = own != NULL ? strdup(own) : read_text(path)};
    if (result.text == NULL)
        return ocr_fail(ESK_IO, "%s: %s (and the model names no characters itself)", path,
                        strerror(errno));
    size_t lines = 1;
    for (const char *c = result.text; *c != 0; c++)
        lines += *c == '\n';
    result.at = malloc(lines * sizeof *result.at);
    if (result.at == NULL) {
        free(result.text);
        return ocr_fail(ESK_OUT_OF_MEMORY, "no memory for %zu characters", lines);
    }
    for (char *line = result.text; *line != 0;) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] != 0);
        line[length] = 0;
        result.at[result.count++] = line;
        result.longest = length > result.longest ? length : result.longest;
        line = next;
    }
    *keys = result;
    return ESK_OK;
}

void ocr_keys_finish(ocr_keys *keys) {
    free(keys->text);
    free(keys->at);
    *keys = (ocr_keys){0};
}
