/* Rows of keys and values kept quantised (option kvCacheQuantizationBits): of each head
 * and position a float scale, then its elements, 8 or 4 bits each, the first in the low
 * bits of a word; the caches' tensors keep their type, which means nothing then. 8 bits:
 * x is scale * int8. 4 bits: the row, turned by the orthonormal Hadamard matrix, which
 * spreads outliers and leaves products of two turned rows as they were, is scale * one of
 * 16 levels, those of least error for normally distributed values. glsl/kv_keep.glsl and
 * kv_open.glsl do the same. */
#ifndef ESK_RECIPES_KV_CACHE_H
#define ESK_RECIPES_KV_CACHE_H

#include "ir/tensor.h"

/* 4 bits: powers of two from 8 on; 8 bits: multiples of 4. */
bool esk_kv_fits(int bits, int64_t dim);
int64_t esk_kv_words(int bits, int64_t dim); /* of a row */
/* A row in elements of the caches' type; `dim` where bits are 0. */
int64_t esk_kv_width(int bits, int64_t dim, esk_dtype dtype);

/* `row` is lost. */
void esk_kv_keep(int bits, int64_t dim, double *row, uint32_t *kept);
void esk_kv_open(int bits, int64_t dim, const uint32_t *kept, double *row);

#endif
