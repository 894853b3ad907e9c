/* An Einsum of two inputs whose labels do not lie as a product's: batches, rows and
 * columns are put there by moves, which are walks, and the product is a MatMul. Element
 * by element it would read both inputs anew for each output. */
#include "ir/pattern.h"
#include "ops/einsum.h"

enum { LEAST_TERMS = 1 << 16 }; /* below it, one kernel beats a product and its moves */

enum kind { BATCH, ROWS, COLUMNS, SUMS, KINDS };

/* Labels of more than one item, sorted by kind; each kind in the order of the equation.
 */
struct product {
    struct esk_einsum e;
    int n[KINDS], label[KINDS][ESK_EINSUM_LABELS];
    int64_t size[KINDS];
};

/* false: no product of matrices, a row or a column at the least. */
static bool sort_labels(struct product *p) {
    for (int k = 0; k < KINDS; k++)
        p->size[k] = 1;
    for (int l = 0; l < p->e.n; l++) {
        bool a = p->e.stride[0][l], b = p->e.stride[1][l], kept = l < p->e.n_out;
        if (p->e.dim[l] == 1)
            continue;
        if (p->e.dim[l] == 0 || (!kept && a != b))
            return false;
        enum kind kind = !kept ? SUMS : a && b ? BATCH : a ? ROWS : COLUMNS;
        p->label[kind][p->n[kind]++] = l;
        p->size[kind] *= p->e.dim[l];
    }
    return p->n[SUMS] && p->n[ROWS] + p->n[COLUMNS] && p->n[BATCH] + 2 <= ESK_MAX_RANK;
}

/* Adds a Transpose, where it changes something, and a Reshape; `last`: that makes the
 * root's output. */
static esk_id move(struct esk_match *m, esk_id x, int rank, const int64_t *perm,
                   int n_dims, const int64_t *dims, bool last) {
    bool moves = false;
    for (int i = 0; i < rank; i++)
        moves |= perm[i] != i;
    if (moves) {
        esk_id to = esk_match_temp(m);
        struct esk_node *node =
            to == ESK_NONE ? NULL : esk_match_add(m, "", "Transpose", 1, &x, to);
        if (!node || !esk_node_set_ints(m->graph, node, "perm", (size_t)rank, perm))
            return ESK_NONE;
        x = to;
    }
    esk_id in[] = {x, esk_match_int_list(m, (uint32_t)n_dims, dims)};
    esk_id to = last ? ESK_NONE : esk_match_temp(m);
    if (in[1] == ESK_NONE || (!last && to == ESK_NONE) ||
        !esk_match_add(m, "", "Reshape", 2, in, to))
        return ESK_NONE;
    return last ? x : to;
}

/* Input i as [batches…, kinds first and second]; ESK_NONE: memory. */
static esk_id arrange(struct esk_match *m, const struct product *p, uint32_t i,
                      enum kind first, enum kind second) {
    const struct esk_var *x = m->graph->vars[m->root->in[i]];
    const enum kind kinds[] = {BATCH, first, second};
    int64_t strides[ESK_MAX_RANK], perm[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    int n = 0, n_dims = 0;
    esk_shape_strides(x->rank, x->dim, strides);
    for (int k = 0; k < x->rank; k++)
        if (x->dim[k] == 1)
            perm[n++] = k;
    for (int j = 0; j < 3; j++)
        for (int l = 0; l < p->n[kinds[j]]; l++)
            for (int k = 0; k < x->rank; k++)
                if (x->dim[k] != 1 && strides[k] == p->e.stride[i][p->label[kinds[j]][l]])
                    perm[n++] = k;
    for (int l = 0; l < p->n[BATCH]; l++)
        dims[n_dims++] = p->e.dim[p->label[BATCH][l]];
    dims[n_dims++] = p->size[first];
    dims[n_dims++] = p->size[second];
    return move(m, m->root->in[i], x->rank, perm, n_dims, dims, false);
}

/* Each axis of the input is a label of its own: no diagonal. */
static bool plain(const struct product *p, uint32_t i, const struct esk_var *x) {
    int64_t count = p->size[BATCH] * p->size[SUMS] * p->size[i ? COLUMNS : ROWS];
    return count == esk_var_count(x);
}

static esk_status product(struct esk_match *m, bool *done) {
    const struct esk_var *a = esk_match_var(m, 'a'), *b = esk_match_var(m, 'b');
    struct product p = {.n = {0}};
    if ((a->dtype != ESK_FLOAT && a->dtype != ESK_FLOAT16) || a->dtype != b->dtype ||
        esk_einsum_read(m->root, NULL, 2, (const int[]){a->rank, b->rank},
                        (const int64_t *const[]){a->dim, b->dim}, &p.e) != ESK_OK ||
        !sort_labels(&p) || !plain(&p, 0, a) || !plain(&p, 1, b) ||
        esk_einsum_is_product(&p.e) ||
        (double)p.size[BATCH] * (double)p.size[ROWS] * (double)p.size[COLUMNS] *
                (double)p.size[SUMS] <
            LEAST_TERMS)
        return ESK_OK;
    /* A's labels stand in front of B's, if the output has them so */
    bool swap = p.n[ROWS] && p.n[COLUMNS] && p.label[COLUMNS][0] < p.label[ROWS][0];
    enum kind rows = swap ? COLUMNS : ROWS, columns = swap ? ROWS : COLUMNS;
    esk_id in[] = {arrange(m, &p, swap, rows, SUMS),
                   arrange(m, &p, !swap, SUMS, columns)};
    esk_id y = esk_match_temp(m), parted = ESK_NONE;
    const enum kind kinds[] = {BATCH, rows, columns};
    int64_t dims[ESK_MAX_RANK], perm[ESK_MAX_RANK];
    int label[ESK_MAX_RANK], n = 0, at = 0;
    if (in[0] == ESK_NONE || in[1] == ESK_NONE || y == ESK_NONE ||
        !esk_match_add(m, "", "MatMul", 2, in, y))
        return esk_fail_memory(m->error, "a product");
    for (int j = 0; j < 3; j++)
        for (int l = 0; l < p.n[kinds[j]]; l++, n++) {
            label[n] = p.label[kinds[j]][l];
            dims[n] = p.e.dim[label[n]];
            perm[n] = n;
        }
    parted = move(m, y, n, perm, n, dims, false);
    for (int l = 0; l < p.e.n_out; l++)
        for (int k = 0; k < n; k++)
            if (label[k] == l)
                perm[at++] = k;
    if (parted == ESK_NONE ||
        move(m, parted, n, perm, p.e.n_out, p.e.dim, true) == ESK_NONE)
        return esk_fail_memory(m->error, "a product");
    *done = true;
    return ESK_OK;
}

const struct esk_pattern esk_patterns_einsum[] = {
    {"fuse_products", "Einsum(a,b)", product},
    {0},
};
