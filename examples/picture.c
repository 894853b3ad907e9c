/* Pictures for the examples; libpng's short API. */
#include "picture.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool picture_read(const char *path, struct picture *picture) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    uint8_t *rgba = NULL;
    bool good = png_image_begin_read_from_file(&png, path);
    png.format = PNG_FORMAT_RGBA;
    good = good && png.width <= 16384 && png.height <= 16384 &&
           (rgba = malloc(PNG_IMAGE_SIZE(png))) &&
           png_image_finish_read(&png, NULL, rgba, 0, NULL);
    if (!good) {
        fprintf(stderr, "%s: %s\n", path, *png.message ? png.message : "too large");
        png_image_free(&png);
        free(rgba);
        return false;
    }
    *picture = (struct picture){(int)png.width, (int)png.height, rgba};
    return true;
}

bool picture_write(const char *path, const struct picture *picture) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)picture->width,
                     .height = (png_uint_32)picture->height,
                     .format = PNG_FORMAT_RGBA};
    if (png_image_write_to_file(&png, path, 0, picture->rgba, 0, NULL))
        return true;
    fprintf(stderr, "%s: %s\n", path, png.message);
    return false;
}

void picture_keep_middle(struct picture *picture, double share) {
    int shorter = picture->width < picture->height ? picture->width : picture->height;
    int side = (int)(share * shorter + 0.5), row = picture->width;
    side = side < 1 ? 1 : side;
    size_t left = (size_t)(picture->width - side) / 2,
           top = (size_t)(picture->height - side) / 2;
    for (size_t y = 0; y < (size_t)side; y++)
        memmove(picture->rgba + 4 * y * (size_t)side,
                picture->rgba + 4 * ((top + y) * (size_t)row + left), 4 * (size_t)side);
    picture->width = picture->height = side;
}

void picture_finish(struct picture *picture) {
    free(picture->rgba);
    *picture = (struct picture){0};
}

static int clamp(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

float picture_sample(const float *plane, int width, int height, float x, float y) {
    float left = floorf(x - 0.5f), top = floorf(y - 0.5f);
    float fx = x - 0.5f - left, fy = y - 0.5f - top;
    int x0 = clamp((int)left, width - 1), x1 = clamp((int)left + 1, width - 1);
    const float *above = plane + (size_t)clamp((int)top, height - 1) * (size_t)width;
    const float *below = plane + (size_t)clamp((int)top + 1, height - 1) * (size_t)width;
    return (1 - fy) * (above[x0] + fx * (above[x1] - above[x0])) +
           fy * (below[x0] + fx * (below[x1] - below[x0]));
}

/* The mean of a colour over a pixel of the smaller picture, or between the larger one's.
 */
static float colour(const float *plane, const struct picture *p, int x, int y, int width,
                    int height) {
    float dx = (float)p->width / (float)width, dy = (float)p->height / (float)height,
          sum = 0;
    int n = clamp((int)ceilf(fmaxf(dx, dy) - 0.01f), 16);
    n = n < 1 ? 1 : n;
    for (int k = 0; k < n * n; k++)
        sum += picture_sample(plane, p->width, p->height,
                              ((float)x + ((float)(k % n) + 0.5f) / (float)n) * dx,
                              ((float)y + ((float)(k / n) + 0.5f) / (float)n) * dy);
    return sum / (float)(n * n);
}

esk_value *picture_to_value(const struct picture *picture, const esk_value_info *input,
                            int size, const float *mean, const float *deviation) {
    size_t pixels = (size_t)picture->width * (size_t)picture->height;
    esk_error error = ESK_ERROR_INIT;
    esk_value *value = NULL;
    int64_t dims[4];
    bool last = input->rank == 4 && input->dims[3] == 3;
    float *plane = malloc(pixels * sizeof *plane);
    if (input->rank != 4 || input->dtype != ESK_FLOAT || (!last && input->dims[1] != 3)) {
        fprintf(stderr, "input '%s' is no float [N,3,H,W] or [N,H,W,3]\n", input->name);
        free(plane);
        return NULL;
    }
    for (int a = 0; a < 4; a++)
        dims[a] = input->dims[a] >= 0 ? input->dims[a] : a ? size : 1;
    if (!plane || esk_value_create(ESK_FLOAT, 4, dims, &value, &error) != ESK_OK) {
        fprintf(stderr, "%s\n", plane ? esk_error_message(&error) : "out of memory");
        esk_error_clear(&error);
        free(plane);
        return NULL;
    }
    int height = (int)dims[last ? 1 : 2], width = (int)dims[last ? 2 : 3];
    float *to = esk_value_data(value);
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < pixels; i++)
            plane[i] = (float)picture->rgba[4 * i + (size_t)c] / 255;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                float v = colour(plane, picture, x, y, width, height);
                size_t at = (size_t)y * (size_t)width + (size_t)x;
                at =
                    last ? 3 * at + (size_t)c : (size_t)c * (size_t)(height * width) + at;
                to[at] = (v - (mean ? mean[c] : 0)) / (deviation ? deviation[c] : 1);
            }
    }
    free(plane);
    return value;
}
