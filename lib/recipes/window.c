/* In: attributes of a node, sizes; out: struct esk_window. Must not know operators. */
#include "recipes/window.h"

#include <inttypes.h>
#include <string.h>

static esk_status bad(const struct esk_node *node, esk_error *error, const char *what,
                      int axis, int64_t value) {
    return esk_fail(error, ESK_INVALID_MODEL,
                    "%s '%s': %s of spatial axis %d is %" PRId64, node->op_type,
                    node->name, what, axis, value);
}

/* A list attribute of `count` items in [low, INT32_MAX], or `fallback` for each. */
static esk_status list(const struct esk_node *node, esk_error *error, const char *name,
                       int count, int64_t low, int64_t fallback, int64_t *values) {
    size_t n = esk_attr_ints(node, name, values, (size_t)count);
    if (n == 0) {
        for (int i = 0; i < count; i++)
            values[i] = fallback;
        return ESK_OK;
    }
    if (n != (size_t)count)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "%s '%s': attribute '%s' has %zu items, %d are needed",
                        node->op_type, node->name, name, n, count);
    for (int i = 0; i < count; i++)
        if (values[i] < low || values[i] > INT32_MAX)
            return bad(node, error, name, i, values[i]);
    return ESK_OK;
}

enum auto_pad { NOTSET, VALID, SAME_UPPER, SAME_LOWER };

static esk_status common(const struct esk_node *node, esk_error *error, int dims,
                         const int64_t *in, const int64_t *kernel, struct esk_window *w,
                         enum auto_pad *mode) {
    *w = (struct esk_window){.dims = dims};
    if (dims < 1 || dims > ESK_WINDOW_DIMS)
        return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': rank %d, it must be 3 to %d",
                        node->op_type, node->name, dims + 2, ESK_MAX_RANK);
    if (!esk_node_attr(node, "kernel_shape") && !kernel)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "%s '%s': attribute 'kernel_shape' missing", node->op_type,
                        node->name);
    int64_t pads[2 * ESK_WINDOW_DIMS];
    ESK_TRY(list(node, error, "kernel_shape", dims, 1, -1, w->kernel));
    ESK_TRY(list(node, error, "strides", dims, 1, 1, w->stride));
    ESK_TRY(list(node, error, "dilations", dims, 1, 1, w->dilation));
    ESK_TRY(list(node, error, "pads", 2 * dims, INT32_MIN, 0, pads));
    for (int i = 0; i < dims; i++) {
        w->in[i] = in[i];
        if (in[i] > INT32_MAX)
            return bad(node, error, "size", i, in[i]);
        if (kernel) {
            if (w->kernel[i] < 0)
                w->kernel[i] = kernel[i];
            if (w->kernel[i] != kernel[i])
                return esk_fail(error, ESK_INVALID_MODEL,
                                "%s '%s': kernel_shape[%d] is %" PRId64
                                " but the weights have %" PRId64,
                                node->op_type, node->name, i, w->kernel[i], kernel[i]);
        }
        if (w->kernel[i] < 1 || w->kernel[i] > INT32_MAX)
            return bad(node, error, "kernel", i, w->kernel[i]);
        w->begin[i] = pads[i];
        w->end[i] = pads[dims + i];
    }
    const char *text = esk_attr_string(node, "auto_pad", "NOTSET");
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *mode = (enum auto_pad)i;
            if (i != NOTSET)
                memset(w->begin, 0, sizeof w->begin), memset(w->end, 0, sizeof w->end);
            return ESK_OK;
        }
    return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': auto_pad '%s' is unknown",
                    node->op_type, node->name, text);
}

static void share(struct esk_window *w, int i, int64_t total, enum auto_pad mode) {
    w->begin[i] = mode == SAME_LOWER ? total - total / 2 : total / 2;
    w->end[i] = total - w->begin[i];
}

esk_status esk_window_read(const struct esk_node *node, esk_error *error, int dims,
                           const int64_t *in, const int64_t *kernel,
                           struct esk_window *w) {
    enum auto_pad mode = NOTSET;
    ESK_TRY(common(node, error, dims, in, kernel, w, &mode));
    bool ceil = esk_attr_int(node, "ceil_mode", 0) != 0;
    for (int i = 0; i < dims; i++) {
        int64_t extent = w->dilation[i] * (w->kernel[i] - 1) + 1, stride = w->stride[i];
        if (mode == SAME_UPPER || mode == SAME_LOWER) {
            w->out[i] = (in[i] + stride - 1) / stride;
            int64_t total = (w->out[i] - 1) * stride + extent - in[i];
            share(w, i, total > 0 ? total : 0, mode);
            continue;
        }
        int64_t room = in[i] + w->begin[i] + w->end[i] - extent;
        /* ONNX Runtime's pools take a window that is larger than all there is, once */
        bool part = !kernel && room > -stride;
        if (room < 0 && !part)
            return esk_fail(error, ESK_INVALID_MODEL,
                            "%s '%s': kernel of extent %" PRId64 " over spatial axis %d, "
                            "which has %" PRId64 " with its pads",
                            node->op_type, node->name, extent, i, room + extent);
        w->out[i] = room < 0 ? 1 : (room + (ceil ? stride - 1 : 0)) / stride + 1;
        /* no window starts in the pads at the end */
        if (ceil && (w->out[i] - 1) * stride >= in[i] + w->begin[i])
            w->out[i]--;
    }
    return ESK_OK;
}

esk_status esk_window_transposed(const struct esk_node *node, esk_error *error, int dims,
                                 const int64_t *in, const int64_t *kernel,
                                 struct esk_window *w) {
    enum auto_pad mode = NOTSET;
    ESK_TRY(common(node, error, dims, in, kernel, w, &mode));
    int64_t more[ESK_WINDOW_DIMS], shape[ESK_MAX_RANK];
    ESK_TRY(list(node, error, "output_padding", dims, 0, 0, more));
    size_t n_shape = esk_attr_ints(node, "output_shape", shape, ESK_MAX_RANK);
    if (n_shape && n_shape != (size_t)dims && n_shape != (size_t)dims + 2)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "%s '%s': output_shape has %zu items, %d are needed",
                        node->op_type, node->name, n_shape, dims);
    for (int i = 0; i < dims; i++) {
        int64_t extent = w->dilation[i] * (w->kernel[i] - 1) + 1;
        int64_t full = (in[i] - 1) * w->stride[i] + more[i] + extent;
        if (n_shape) {
            w->out[i] = shape[n_shape - (size_t)dims + (size_t)i];
            if (w->out[i] < 0 || w->out[i] > INT32_MAX)
                return bad(node, error, "output_shape", i, w->out[i]);
        } else if (mode == SAME_UPPER || mode == SAME_LOWER) {
            w->out[i] = in[i] * w->stride[i];
        } else {
            w->out[i] = full - w->begin[i] - w->end[i];
            if (w->out[i] < 0)
                return bad(node, error, "output size", i, w->out[i]);
            continue;
        }
        int64_t total = full - w->out[i];
        share(w, i, total > 0 ? total : 0, mode == SAME_UPPER ? SAME_UPPER : SAME_LOWER);
    }
    return ESK_OK;
}

static int64_t product(const int64_t *values, int n) {
    int64_t p = 1;
    for (int i = 0; i < n; i++)
        p *= values[i];
    return p;
}

int64_t esk_window_taps(const struct esk_window *w) {
    return product(w->kernel, w->dims);
}
int64_t esk_window_in(const struct esk_window *w) {
    return product(w->in, w->dims);
}
int64_t esk_window_out(const struct esk_window *w) {
    return product(w->out, w->dims);
}

struct esk_window esk_window_three(const struct esk_window *w) {
    struct esk_window r = {.dims = 3};
    for (int i = 0; i < 3; i++) {
        int from = i - 3 + w->dims;
        bool has = from >= 0;
        r.in[i] = has ? w->in[from] : 1;
        r.out[i] = has ? w->out[from] : 1;
        r.kernel[i] = has ? w->kernel[from] : 1;
        r.stride[i] = has ? w->stride[from] : 1;
        r.dilation[i] = has ? w->dilation[from] : 1;
        r.begin[i] = has ? w->begin[from] : 0;
        r.end[i] = has ? w->end[from] : 0;
    }
    return r;
}
