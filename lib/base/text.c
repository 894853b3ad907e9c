/* Growing strings on the heap. In: pieces; out: one NUL-terminated string. */
#include "base/text.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void esk_text_finish(struct esk_text *text) {
    esk_free(text->data);
    *text = (struct esk_text){0};
}

void esk_text_clear(struct esk_text *text) {
    text->length = 0;
    text->failed = false;
    if (text->data)
        text->data[0] = 0;
}

static bool reserve(struct esk_text *text, size_t more) {
    size_t wanted;
    if (!text->failed && esk_add_size(text->length, more, &wanted) &&
        esk_add_size(wanted, 1, &wanted) &&
        esk_grow((void **)&text->data, &text->capacity, wanted, 1))
        return true;
    text->failed = true;
    return false;
}

void esk_text_append(struct esk_text *text, const char *data, size_t length) {
    if (!reserve(text, length))
        return;
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

void esk_text_add(struct esk_text *text, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(list);
}

const char *esk_text_str(const struct esk_text *text) {
    return text->data ? text->data : "";
}

void esk_text_dims(struct esk_text *text, int rank, const long long *dims) {
    esk_text_append(text, "[", 1);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            esk_text_add(text, "%s?", i ? "," : "");
        else
            esk_text_add(text, "%s%lld", i ? "," : "", dims[i]);
    esk_text_append(text, "]", 1);
}

size_t esk_text_distance(const char *a, const char *b) {
    enum { MOST = 64 };
    size_t la = strnlen(a, MOST), lb = strnlen(b, MOST), row[MOST + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            bool same =
                tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + !same;
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

bool esk_text_to_int(const char *text, long long *value) {
    char *end;
    errno = 0;
    long long result = strtoll(text, &end, 0);
    if (end == text || *end || errno)
        return false;
    *value = result;
    return true;
}

bool esk_text_to_float(const char *text, double *value) {
    char *end;
    double result = strtod(text, &end);
    if (end == text || *end)
        return false;
    *value = result;
    return true;
}
