/* Pictures: PNG files in and out, resampling into a model's planes, drawing.
 * Knows nothing of text or models. */
#include "ocr.h"

#include <math.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

esk_status ocr_fail(esk_status status, const char *format, ...) {
    va_list arguments;
    fputs("ocr: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

esk_status ocr_picture_read(const char *path, ocr_picture *picture) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&png, path))
        return ocr_fail(ESK_IO, "%s: %s", path, png.message);
    png.format = PNG_FORMAT_RGB;
    uint8_t *rgb =
        png.width <= 16384 && png.height <= 16384 ? malloc(PNG_IMAGE_SIZE(png)) : NULL;
    png_color white = {255, 255, 255}; /* behind transparent pixels */
    if (rgb == NULL || !png_image_finish_read(&png, &white, rgb, 0, NULL)) {
        ocr_fail(ESK_IO, "%s: %s", path,
                 rgb == NULL ? "more than 16384 pixels a side, or no memory"
                             : png.message);
        png_image_free(&png);
        free(rgb);
        return ESK_IO;
    }
    *picture = (ocr_picture){(int)png.width, (int)png.height, rgb};
    return ESK_OK;
}

esk_status ocr_picture_write(const char *path, const ocr_picture *picture) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)picture->width,
                     .height = (png_uint_32)picture->height,
                     .format = PNG_FORMAT_RGB};
    if (!png_image_write_to_file(&png, path, 0, picture->rgb, 0, NULL))
        return ocr_fail(ESK_IO, "%s: %s", path, png.message);
    return ESK_OK;
}

void ocr_picture_finish(ocr_picture *picture) {
    free(picture->rgb);
    *picture = (ocr_picture){0};
}

static void draw_dot(ocr_picture *picture, int x, int y) {
    static const uint8_t red[3] = {230, 30, 30};
    if (x >= 0 && y >= 0 && x < picture->width && y < picture->height)
        memcpy(picture->rgb + 3 * ((size_t)y * picture->width + x), red, 3);
}

void ocr_picture_draw(ocr_picture *picture, const ocr_point corner[4]) {
    for (int i = 0; i < 4; i++) {
        ocr_point a = corner[i], b = corner[(i + 1) % 4];
        int steps = (int)(fmaxf(fabsf(b.x - a.x), fabsf(b.y - a.y)) * 2) + 1;
        for (int k = 0; k <= steps; k++) {
            float t = (float)k / (float)steps;
            int x = (int)floorf(a.x + t * (b.x - a.x));
            int y = (int)floorf(a.y + t * (b.y - a.y));
            for (int d = 0; d < 4; d++) /* two pixels thick */
                draw_dot(picture, x + d % 2, y + d / 2);
        }
    }
}

static int clamp(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

/* Adds the colour at (x, y), bilinear between the centres of pixels, to sum. */
static void add_colour(const ocr_picture *picture, float x, float y, float sum[3]) {
    float left = floorf(x - 0.5f), top = floorf(y - 0.5f);
    float fx = x - 0.5f - left, fy = y - 0.5f - top;
    int x0 = clamp((int)left, picture->width - 1);
    int x1 = clamp((int)left + 1, picture->width - 1);
    int y0 = clamp((int)top, picture->height - 1);
    int y1 = clamp((int)top + 1, picture->height - 1);
    const uint8_t *row0 = picture->rgb + 3 * (size_t)y0 * picture->width;
    const uint8_t *row1 = picture->rgb + 3 * (size_t)y1 * picture->width;
    for (int c = 0; c < 3; c++) {
        float above = row0[3 * x0 + c] + fx * (row0[3 * x1 + c] - row0[3 * x0 + c]);
        float below = row1[3 * x0 + c] + fx * (row1[3 * x1 + c] - row1[3 * x0 + c]);
        sum[c] += above + fy * (below - above);
    }
}

void ocr_picture_sample(const ocr_picture *picture, const ocr_point corner[4], int used,
                        int width, int height, const ocr_norm *norm, float *planes) {
    /* What one step to the right, and one down, means in the picture. */
    ocr_point right = {(corner[1].x - corner[0].x) / (float)used,
                       (corner[1].y - corner[0].y) / (float)used};
    ocr_point down = {(corner[3].x - corner[0].x) / (float)height,
                      (corner[3].y - corner[0].y) / (float)height};
    /* When shrinking, average n × n places, so that thin strokes do not vanish. */
    float shrink = fmaxf(hypotf(right.x, right.y), hypotf(down.x, down.y));
    int n = clamp((int)ceilf(shrink - 0.01f), 16);
    n = n < 1 ? 1 : n;
    size_t plane = (size_t)width * height;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < used; x++) {
            float sum[3] = {0};
            for (int k = 0; k < n * n; k++) {
                float u = (float)x + ((float)(k % n) + 0.5f) / (float)n;
                float v = (float)y + ((float)(k / n) + 0.5f) / (float)n;
                add_colour(picture, corner[0].x + u * right.x + v * down.x,
                           corner[0].y + u * right.y + v * down.y, sum);
            }
            for (int c = 0; c < 3; c++) { /* plane 0 is blue */
                float value = sum[2 - c] / (255.0f * (float)(n * n));
                planes[c * plane + (size_t)y * width + x] =
                    (value - norm->mean[c]) / norm->deviation[c];
            }
        }
    }
}
