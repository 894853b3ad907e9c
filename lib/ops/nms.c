/* NonMaxSuppression. In: boxes [batches, boxes, 4], scores [batches, classes, boxes] and
 * limits; out: int64 [selected, 3]: batch, class, box. On the host: its size is data. */
#include "ir/op.h"

#include <stdlib.h>

struct box {
    float low[2], high[2];
    float area;
};

static struct box box_of(const float *v, bool center) {
    struct box b;
    for (int k = 0; k < 2; k++) {
        float p = v[k], q = v[k + 2];
        if (center) { /* x, y, width, height */
            b.low[k] = p - q / 2, b.high[k] = p + q / 2;
        } else {
            b.low[k] = p < q ? p : q, b.high[k] = p < q ? q : p;
        }
    }
    b.area = (b.high[0] - b.low[0]) * (b.high[1] - b.low[1]);
    return b;
}

static bool overlaps(const struct box *a, const struct box *b, float limit) {
    float common = 1;
    for (int k = 0; k < 2; k++) {
        float low = a->low[k] > b->low[k] ? a->low[k] : b->low[k];
        float high = a->high[k] < b->high[k] ? a->high[k] : b->high[k];
        if (!(high > low))
            return false;
        common *= high - low;
    }
    float all = a->area + b->area - common;
    return a->area > 0 && b->area > 0 && all > 0 && common / all > limit;
}

static int by_score(const void *a, const void *b, void *user) {
    const float *scores = user;
    int64_t ia = *(const int64_t *)a, ib = *(const int64_t *)b;
    if (scores[ia] != scores[ib])
        return scores[ia] > scores[ib] ? -1 : 1;
    return (ia > ib) - (ia < ib);
}

static const struct esk_tensor *given(const struct esk_cpu *c, uint32_t i) {
    return i < c->n_in && c->in[i] && esk_shape_product(c->in[i]->dim, 0, c->in[i]->rank)
               ? c->in[i]
               : NULL;
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *boxes = c->in[0], *scores = c->in[1];
    if (boxes->dtype != ESK_FLOAT || scores->dtype != ESK_FLOAT || boxes->rank != 3 ||
        scores->rank != 3 || boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] ||
        boxes->dim[1] != scores->dim[2])
        return esk_cpu_fail(c, ESK_INVALID_MODEL, "boxes and scores do not fit");
    int64_t n = boxes->dim[1], classes = scores->dim[1], most = 0, count = 0;
    float iou = 0, least = 0;
    bool center = esk_attr_int(c->node, "center_point_box", 0) != 0;
    if (given(c, 2))
        most = esk_tensor_int(given(c, 2), 0);
    if (given(c, 3))
        iou = (float)esk_tensor_double(given(c, 3), 0);
    if (given(c, 4))
        least = (float)esk_tensor_double(given(c, 4), 0);
    most = most < 0 ? 0 : most > n ? n : most;
    int64_t *order = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)n);
    struct box *all = ESK_ARENA_ARRAY(c->scratch, struct box, (size_t)n);
    struct box *kept = ESK_ARENA_ARRAY(c->scratch, struct box, (size_t)n);
    int64_t *rows = esk_arena_array(
        c->scratch, (size_t)boxes->dim[0] * (size_t)classes * (size_t)most, 24);
    if (!order || !all || !kept || !rows)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t batch = 0; batch < boxes->dim[0]; batch++) {
        const float *from = (const float *)boxes->data + batch * n * 4;
        for (int64_t i = 0; i < n; i++)
            all[i] = box_of(from + i * 4, center);
        for (int64_t class = 0; class < classes; class ++) {
            float *score = (float *)scores->data + (batch * classes + class) * n;
            int64_t m = 0, n_kept = 0;
            for (int64_t i = 0; i < n; i++)
                if (given(c, 4) ? score[i] > least : score[i] == score[i])
                    order[m++] = i;
            qsort_r(order, (size_t)m, sizeof *order, by_score, score);
            for (int64_t i = 0; i < m && n_kept < most; i++) {
                bool keep = true;
                for (int64_t k = 0; k < n_kept && keep; k++)
                    keep = !overlaps(&all[order[i]], &kept[k], iou);
                if (!keep)
                    continue;
                kept[n_kept++] = all[order[i]];
                rows[count * 3] = batch;
                rows[count * 3 + 1] = class;
                rows[count++ * 3 + 2] = order[i];
            }
        }
    }
    ESK_TRY(c->make(c, 0, ESK_INT64, 2, (const int64_t[]){count, 3}));
    int64_t *to = c->out[0] ? c->out[0]->data : NULL;
    for (int64_t i = 0; to && i < count * 3; i++)
        to[i] = rows[i];
    return ESK_OK;
}

const struct esk_op esk_op_NonMaxSuppression = {
    .domain = "",
    .name = "NonMaxSuppression",
    .since = (const uint8_t[]){10, 11, 0},
    .flags = ESK_OP_DATA_SIZED,
    .min_in = 2,
    .max_in = 5,
    .min_out = 1,
    .cpu = cpu,
};
