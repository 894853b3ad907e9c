/* What LSTM, GRU and RNN have in common: their attributes as numbers, and how the shapes
 * of inputs and outputs are walked. */
#ifndef ESK_RECIPES_RECURRENT_H
#define ESK_RECIPES_RECURRENT_H

#include "ir/op.h"

enum esk_cell { ESK_CELL_RNN, ESK_CELL_GRU, ESK_CELL_LSTM };

struct esk_activation {
    enum {
        ESK_ACT_RELU,
        ESK_ACT_TANH,
        ESK_ACT_SIGMOID,
        ESK_ACT_AFFINE,
        ESK_ACT_LEAKY_RELU,
        ESK_ACT_THRESHOLDED_RELU,
        ESK_ACT_SCALED_TANH,
        ESK_ACT_HARD_SIGMOID,
        ESK_ACT_ELU,
        ESK_ACT_SOFTSIGN,
        ESK_ACT_SOFTPLUS,
    } kind;
    float alpha, beta;
};

struct esk_recurrent {
    enum esk_cell cell;
    int gates;            /* 1, 3 (z, r, h) or 4 (i, o, f, c) */
    int directions;       /* 1 or 2 */
    bool reverse;         /* the only direction is from the end */
    bool batch_first;     /* layout 1 */
    bool linear, coupled; /* linear_before_reset; input_forget */
    float clip;           /* infinity: none */
    int64_t steps, batch, input, hidden;
    /* elements from one step, batch, direction to the next */
    int64_t x_step, x_batch; /* in rows of X */
    int64_t y_step, y_batch, y_direction;
    int64_t h_batch, h_direction;
    struct esk_activation acts[2][3];
};

/* Reads the node; x and r are the shapes of inputs 0 and 2. */
esk_status esk_recurrent_read(const struct esk_node *node, esk_error *error,
                              enum esk_cell cell, int x_rank, const int64_t *x,
                              int r_rank, const int64_t *r, struct esk_recurrent *a);

/* Recipes: the product of all inputs and W, then groups that walk through time. */
esk_status esk_recurrent_gpu(struct esk_ctx *c, const struct esk_recurrent *a);

#endif
