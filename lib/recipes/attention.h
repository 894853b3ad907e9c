/* Scaled dot product attention for all operators that have it: on the host over plain
 * arrays, on the device as kernels. What differs between operators is where queries, keys
 * and values lie, and which masks there are. */
#ifndef ESK_RECIPES_ATTENTION_H
#define ESK_RECIPES_ATTENTION_H

#include "ir/op.h"

/* Rows of heads in an input of the node: element d of row s of head h of batch b is
 * offset + b * batch + h * head + s * row + d * col. */
struct esk_heads {
    uint32_t input; /* ESK_NONE: absent */
    int64_t offset, batch, head, row, col;
    bool walked; /* on the device: strides and offset are those of `base`, in `layout` */
    esk_id base;
    enum esk_layout layout;
    uint32_t bias; /* input with a value for each element of a token; ESK_NONE: none */
    int64_t bias_offset;
};

/* A tensor [batch, length, heads * dim]: heads side by side. `width`: of a token. */
struct esk_heads esk_heads_rows(uint32_t input, int64_t length, int64_t width,
                                int64_t dim);
/* A tensor [batch, heads, length, dim]. */
struct esk_heads esk_heads_major(uint32_t input, int64_t heads, int64_t length,
                                 int64_t dim);

enum esk_positions {
    ESK_POSITIONS_CACHE,   /* the caches have a row for each batch and token */
    ESK_POSITIONS_IDS,     /* input [batch, length] */
    ESK_POSITIONS_FIRST,   /* input of one element: of token 0 */
    ESK_POSITIONS_PLUS,    /* token s is at `first` + s */
    ESK_POSITIONS_LENGTHS, /* input [batch]: lengths; the last token is at length + plus -
                              1 */
    ESK_POSITIONS_STREAMS, /* input [3, batch, length]: pair j goes by one of three,
                              esk_stream_of */
};
struct esk_rotary {
    uint32_t cos, sin; /* inputs; rows of `half` values; ESK_NONE: no rotation */
    enum esk_positions positions;
    uint32_t ids;
    int64_t first, plus;
    int64_t rows;  /* of the caches */
    int64_t split; /* rows of the caches for sequences of at most so many tokens, 0: all;
                      for longer ones those behind them */
    int64_t half;  /* the first 2 * half elements of a head are turned */
    bool interleaved;
    bool woven;         /* STREAMS: the sections are woven, not one behind the other */
    int64_t section[3]; /* and how many pairs each has */
    float scale;        /* 1; of what is turned */
};

struct esk_attention {
    int64_t batch, heads, kv_heads, length; /* length: of queries */
    int64_t fresh, past, total; /* new keys, old ones, all that are looked at */
    int64_t dim, v_dim;
    struct esk_heads q, k, v, past_k, past_v; /* past: no bias */
    uint32_t present_k, present_v;            /* outputs; ESK_NONE: none */
    int64_t present;                          /* rows of present keys, at least total */
    int kv_bits; /* how rows of past and present are kept (recipes/kv_cache.h); 0: as they
                    are */
    struct esk_rotary rotary; /* of q and k */
    bool y_major; /* Y is [batch, heads, length, v_dim], else [batch, length, heads *
                     v_dim] */
    float scale, softcap;
    bool causal;    /* query i sees keys up to i + offset */
    int64_t offset; /* without lengths */
    int64_t window; /* keys before the query's place that are seen, with it; 0: all */
    /* input [batch]: lengths[b] + plus keys are there; ESK_NONE: total */
    uint32_t lengths;
    int64_t plus;
    bool lengths_late; /* on the device: the lengths are words that the host writes */
    bool zeros_behind; /* keys and values that lengths say are not there are zeros */
    bool starts;       /* lengths[batch + b]: the first key that is seen */
    bool late;         /* the queries are the last ones of these: offset is their number -
                          length; and new keys are put there */
    uint32_t mask;     /* input of bool or int: 0 adds `fill`; ESK_NONE: none */
    int64_t mask_stride[4], mask_width; /* over batch, heads, queries, keys */
    float fill;                         /* may be -infinity */
    bool fill_sets;   /* the fill stands for the score, before the bias */
    bool mask_turned; /* it is what is not 0 that is filled */
    bool empty_nan;   /* a row that sees no key gives NaN as Softmax does, not zeros; */
    bool nan_zero;    /* and with this a row of which the softmax is NaN gives zeros */
    uint32_t bias;    /* input of floats that are added; ESK_NONE: none */
    int64_t bias_stride[4], bias_width; /* keys from the width on are not seen */
    uint32_t sink;    /* input [heads]: one more score that takes part; ESK_NONE: none */
    bool smooth;      /* without a sink: a score of 0 takes part */
    uint32_t scores;  /* output for a stage of the scores; ESK_NONE: none */
    int stage;        /* 0 products, 1 after softcap, 2 after masks, 3 after softmax */
    bool unseen_zero; /* scores of keys that are not seen are shown as zeros */
};

/* Which of the three positions pair j of a head is turned by. */
int64_t esk_stream_of(const struct esk_rotary *r, int64_t j);

enum { ESK_LATE_LENGTHS = 16 }; /* batches whose lengths may be late words */

/* All inputs and outputs absent, scale 0 (the usual one), no mask. */
struct esk_attention esk_attention_none(void);
/* Strides of a mask that is broadcast to [batch, heads, queries, keys]; the keys' axis
 * may be shorter: *width. false: it does not fit. */
bool esk_attention_mask(const struct esk_attention *a, int rank, const int64_t *dims,
                        int64_t *strides, int64_t *width);

esk_status esk_attention_cpu(struct esk_cpu *c, const struct esk_attention *a);
esk_status esk_attention_gpu(struct esk_ctx *c, const struct esk_attention *a);

/* Rotation alone: from heads of input to output 0, which lies like it (y_major or rows).
 */
esk_status esk_rotary_cpu(struct esk_cpu *c, const struct esk_attention *a);
esk_status esk_rotary_gpu(struct esk_ctx *c, const struct esk_attention *a);

#endif
