/* Reads the text in a PNG with PP-OCR on OpenGL ES compute: one line of output for each
 * line of text, with its confidence; the picture again with the boxes drawn. */
#include "ocr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_SURE 0.5f /* readings below it are no text */

static void print_log(void *user, esk_log_level level, const char *text) {
    (void)user, (void)level;
    fprintf(stderr, "%s\n", text);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Says on which device the sessions run. */
static esk_status print_device(esk_env *env, const char *provider, int device_id,
                               esk_error *error) {
    esk_device_list *list = NULL;
    esk_status status = esk_device_list_create(env, &list, NULL, error);
    for (size_t i = 0; status == ESK_OK && i < esk_device_list_count(list); i++) {
        const esk_device_info *d = esk_device_list_get(list, i);
        if (d->device_id == device_id && strcmp(d->provider, provider) == 0)
            fprintf(stderr, "%s: %s%s%s\n", provider, d->renderer,
                    d->version[0] != 0 ? ", " : "", d->version);
    }
    esk_device_list_destroy(list);
    return status;
}

/* Reads all boxes of the picture, prints and draws them. */
static esk_status read_picture(esk_session *det, esk_session *cls, esk_session *rec,
                               const ocr_keys *keys, ocr_picture *picture, bool verbose,
                               esk_error *error) {
    ocr_box *boxes = NULL;
    size_t count = 0, lines = 0;
    double start = now();
    esk_status status = ocr_detect(det, picture, &boxes, &count, error);
    double found = now();
    for (size_t i = 0; status == ESK_OK && i < count; i++) {
        status = ocr_recognize(rec, cls, keys, picture, &boxes[i], error);
        if (status == ESK_OK && boxes[i].confidence >= LEAST_SURE)
            printf("%.3f  %s\n", (double)boxes[i].confidence, boxes[i].text);
    }
    double done = now();
    for (size_t i = 0; i < count; i++) { /* draws when no box is read from it any more */
        const ocr_point *p = boxes[i].corner;
        if (boxes[i].confidence >= LEAST_SURE) {
            ocr_picture_draw(picture, p);
            lines++;
        }
        if (verbose)
            fprintf(stderr, "(%.0f, %.0f) (%.0f, %.0f) (%.0f, %.0f) (%.0f, %.0f)\n",
                    (double)p[0].x, (double)p[0].y, (double)p[1].x, (double)p[1].y,
                    (double)p[2].x, (double)p[2].y, (double)p[3].x, (double)p[3].y);
        free(boxes[i].text);
    }
    free(boxes);
    if (verbose && status == ESK_OK)
        fprintf(stderr, "%zu boxes in %.2f s, read in %.2f s, %zu lines of text\n", count,
                found - start, done - found, lines);
    return status;
}

int main(int argc, char **argv) {
    esk_error error = ESK_ERROR_INIT;
    esk_env *env = NULL;
    esk_session *det = NULL, *rec = NULL, *cls = NULL;
    ocr_arguments a = {0};
    ocr_keys keys = {0};
    ocr_picture picture = {0};
    esk_status status = ocr_arguments_init(&a, argc, argv, &error);
    if (status == ESK_OK && a.help) {
        fputs(ocr_usage, stdout);
        ocr_arguments_finish(&a);
        return 0;
    }
    if (status == ESK_OK)
        status = ocr_picture_read(a.picture, &picture);
    if (status == ESK_OK)
        status = esk_env_create(
            esk_env_options(.log = print_log,
                            .log_level = a.verbose ? ESK_LOG_INFO : ESK_LOG_ERROR),
            &env, &error);
    if (status == ESK_OK)
        status = esk_session_create(env, a.det, a.options, &det, &error);
    if (status == ESK_OK)
        status = esk_session_create(env, a.rec, a.options, &rec, &error);
    if (status == ESK_OK && a.cls[0] != 0)
        status = esk_session_create(env, a.cls, a.options, &cls, &error);
    if (status == ESK_OK)
        status = ocr_keys_init(&keys, rec, a.keys);
    if (status == ESK_OK)
        status = print_device(env, a.provider, a.device_id, &error);
    if (status == ESK_OK)
        status = read_picture(det, cls, rec, &keys, &picture, a.verbose, &error);
    if (status == ESK_OK && a.output != NULL)
        status = ocr_picture_write(a.output, &picture);
    if (error.status != ESK_OK) /* else the example itself has said what failed */
        fprintf(stderr, "ocr: %s\n", esk_error_message(&error));
    esk_error_clear(&error);
    ocr_keys_finish(&keys);
    ocr_picture_finish(&picture);
    esk_session_destroy(cls);
    esk_session_destroy(rec);
    esk_session_destroy(det);
    ocr_arguments_finish(&a);
    esk_env_destroy(env);
    return status == ESK_OK ? 0 : 1;
}
