/* Pictures for the examples: PNG files in and out, resampled as a model wants them. */
#ifndef PICTURE_H
#define PICTURE_H

#include <esker/esker.h>

#include <stdbool.h>
#include <stdint.h>

struct picture {
    int width, height;
    uint8_t *rgba; /* owned: rows from the top, 4 bytes a pixel */
};

/* Print what is wrong, and are false then. */
bool picture_read(const char *path, struct picture *picture);
bool picture_write(const char *path, const struct picture *picture);
/* Keeps the square in the middle whose side is `share` of the shorter one. */
void picture_keep_middle(struct picture *picture, double share);
void picture_finish(struct picture *picture);

/* The input of a session that takes a picture: [N,3,H,W] or [N,H,W,3] floats, N = 1. Free
 * sizes become `size`. The value holds colours 0..1, less `mean`, by `deviation` (of red,
 * green, blue; NULL: 0 and 1). NULL, with a message, if the input is none of these. */
esk_value *picture_to_value(const struct picture *picture, const esk_value_info *input,
                            int size, const float *mean, const float *deviation);

/* At (x, y) of a plane, bilinear between the centres of pixels, edges repeated. */
float picture_sample(const float *plane, int width, int height, float x, float y);

#endif
