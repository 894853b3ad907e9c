/* In: rows of numbers; out: words, and back. Must not know tensors or operators. */
#include "recipes/kv_cache.h"

#include <math.h>
#include <string.h>

bool esk_kv_fits(int bits, int64_t dim) {
    return bits == 8 ? dim > 0 && dim % 4 == 0 : dim >= 8 && !(dim & (dim - 1));
}

int64_t esk_kv_words(int bits, int64_t dim) {
    return 1 + dim * bits / 32;
}

int64_t esk_kv_width(int bits, int64_t dim, esk_dtype dtype) {
    return bits ? esk_kv_words(bits, dim) * 4 / (dtype == ESK_FLOAT16 ? 2 : 4) : dim;
}

/* Level n of 16. A polynomial is what shaders compute fastest; its error for normally
 * distributed values, 0.00952 of the variance, is 0.2 % above the least there is. */
static double level(int n) {
    double u = n - 7.5;
    return u * (0.26265455 + u * u * (1.2919235e-4 + u * u * 2.958207e-5));
}

static int nearest_level(double x) {
    int n = 8;
    while (n < 15 && fabs(x) >= (level(n) + level(n + 1)) / 2)
        n++;
    return x < 0 ? 15 - n : n;
}

static void turn(int64_t dim, double *row) {
    for (int64_t half = 1; half < dim; half *= 2)
        for (int64_t i = 0; i < dim; i++)
            if (!(i & half)) {
                double a = row[i], b = row[i + half];
                row[i] = a + b, row[i + half] = a - b;
            }
    for (int64_t i = 0; i < dim; i++)
        row[i] /= sqrt((double)dim);
}

void esk_kv_keep(int bits, int64_t dim, double *row, uint32_t *kept) {
    double most = 0, squares = 0;
    for (int64_t i = 0; i < dim; i++) {
        squares += row[i] * row[i];
        if (fabs(row[i]) > most || isnan(row[i]))
            most = fabs(row[i]);
    }
    float scale = (float)(bits == 8 ? most / 127 : sqrt(squares / (double)dim));
    memset(kept, 0, (size_t)esk_kv_words(bits, dim) * sizeof *kept);
    memcpy(kept, &scale, sizeof scale);
    if (!(scale > 0) || isinf(scale)) /* zeros; or what is no number in any case */
        return;
    if (bits == 4)
        turn(dim, row);
    for (int64_t i = 0; i < dim; i++) {
        double x = row[i] / (double)scale;
        uint32_t code = bits == 8
                            ? (uint32_t)(int)nearbyint(fmin(fmax(x, -127), 127)) & 255
                            : (uint32_t)nearest_level(x);
        kept[1 + i * bits / 32] |= code << (i * bits % 32);
    }
}

void esk_kv_open(int bits, int64_t dim, const uint32_t *kept, double *row) {
    float scale;
    memcpy(&scale, kept, sizeof scale);
    for (int64_t i = 0; i < dim; i++) {
        uint32_t code = kept[1 + i * bits / 32] >> (i * bits % 32);
        row[i] = (double)scale *
                 (bits == 8 ? (double)(int8_t)(code & 255) : level((int)(code & 15)));
    }
    if (bits == 4)
        turn(dim, row);
}
