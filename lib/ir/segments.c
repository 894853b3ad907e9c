/* In: a kernel, limits, ranges of buffers; out: pieces and segments. Pure. */
#include "ir/segments.h"

#include <string.h>

enum { ALIGN = 256 }; /* of any device's storage ranges: the most that ES 3.1 allows */

uint64_t esk_segment_bytes(const struct esk_limits *limits) {
    const uint64_t most = 1u << 30; /* shaders count in int32 */
    uint64_t bytes = limits->max_binding < most ? limits->max_binding : most;
    return bytes < ALIGN ? ALIGN : bytes / ALIGN * ALIGN;
}

uint64_t esk_segment_start(const struct esk_limits *limits,
                           const struct esk_range *window) {
    uint64_t align = limits->ssbo_align > 16 ? limits->ssbo_align : 16;
    return window->offset / align * align;
}

struct esk_range esk_piece_window(const struct esk_kernel *k, uint32_t i,
                                  const struct esk_range *range, const uint64_t *from,
                                  const uint64_t *count) {
    const struct esk_operand *o = &k->operands[i];
    uint64_t begin = 0, length = o->reach;
    if (!o->reach || k->indirect >= 0)
        return *range;
    for (int a = 0; a < 3; a++) {
        begin += from[a] * o->step[a];
        length += (count[a] ? count[a] - 1 : 0) * o->step[a];
    }
    if (begin > range->bytes)
        begin = range->bytes;
    if (length > range->bytes - begin)
        length = range->bytes - begin;
    return (struct esk_range){range->offset + begin, length, range->buffer};
}

/* The axis along which the window of operand `i` is longest and can be cut; 3: none. */
static int longest_axis(const struct esk_kernel *k, uint32_t i, const uint64_t *most) {
    int best = 3;
    for (int a = 0; a < 3; a++) {
        uint64_t step = k->operands[i].step[a];
        if (k->split_axes >> a & 1 && step && most[a] > 1 &&
            (best == 3 ||
             (most[a] - 1) * step > (most[best] - 1) * k->operands[i].step[best]))
            best = a;
    }
    return best;
}

static bool reads_images(const struct esk_kernel *k, const struct esk_limits *limits,
                         const struct esk_range *ranges) {
    if (limits->read_path != ESK_READ_IMAGE)
        return false;
    for (uint32_t i = 0; i < k->n_operands; i++) {
        const struct esk_operand *o = &k->operands[i];
        bool vec4 = o->view == ESK_VEC4 || o->storage == ESK_STORAGE_I64X2;
        uint64_t most = limits->max_texels * (vec4 ? 16 : 4);
        if (limits->max_view && limits->max_view < most)
            most = limits->max_view;
        if (o->access == ESK_READ && ranges[i].offset + ranges[i].bytes > most)
            return false;
    }
    return true;
}

static uint32_t segments_of(const struct esk_kernel *k, uint32_t i,
                            const struct esk_limits *limits,
                            const struct esk_range *range, const uint64_t *most) {
    static const uint64_t first[3];
    const uint64_t segment = esk_segment_bytes(limits);
    struct esk_range window = *range;
    if (range->buffer && range->buffer <= limits->max_binding)
        return 1;
    if (window.bytes > segment)
        window = esk_piece_window(k, i, range, first, most);
    /* a piece may begin anywhere between two places of alignment */
    uint64_t skip = window.bytes < range->bytes
                        ? ALIGN
                        : window.offset - esk_segment_start(limits, &window);
    if (window.bytes + skip <= limits->max_binding)
        return 1;
    uint64_t n = (window.bytes + skip - 1) / segment + 1;
    return n > UINT8_MAX ? UINT8_MAX : (uint32_t)n;
}

void esk_pieces_find(const struct esk_kernel *k, const struct esk_limits *limits,
                     const uint64_t *max_groups, const struct esk_range *ranges,
                     struct esk_pieces *pieces) {
    static const uint64_t first[3];
    const uint64_t segment = esk_segment_bytes(limits);
    bool images = reads_images(k, limits, ranges);
    *pieces = (struct esk_pieces){.reach.path = images ? ESK_READ_IMAGE : ESK_READ_SSBO};
    for (int a = 0; a < 3; a++)
        pieces->most[a] = k->groups[a] < max_groups[a] ? k->groups[a] : max_groups[a];
    for (uint32_t i = 0; i < k->n_operands; i++) {
        if (images && k->operands[i].access == ESK_READ)
            continue;
        if (ranges[i].bytes <= segment || !k->operands[i].reach || k->indirect >= 0)
            continue;
        pieces->moves = true;
        while (true) {
            struct esk_range window =
                esk_piece_window(k, i, &ranges[i], first, pieces->most);
            int axis = longest_axis(k, i, pieces->most);
            if (window.bytes + ALIGN <= segment || axis == 3)
                break;
            pieces->most[axis] = (pieces->most[axis] + 1) / 2;
        }
    }
    uint32_t most = 0;
    for (uint32_t i = 0; i < k->n_operands; i++) {
        if (images && k->operands[i].access == ESK_READ) {
            pieces->images++;
            continue;
        }
        uint32_t count = segments_of(k, i, limits, &ranges[i], pieces->most);
        pieces->reach.segments[i] = (uint8_t)count;
        pieces->blocks += count;
        if (count > 1)
            pieces->reach.segment = (uint32_t)segment;
        if (count > most) {
            most = count;
            pieces->largest = i;
        }
    }
}
