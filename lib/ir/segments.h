/* Tensors larger than one binding: how a kernel reaches them. In: a kernel, limits, where
 * its operands lie; out: the pieces it is cut into, and by how many storage blocks, one
 * segment after the other, a piece reaches each operand. Pure; shared by choose, which
 * asks whether a kernel fits, and the provider, which binds. */
#ifndef ESK_IR_SEGMENTS_H
#define ESK_IR_SEGMENTS_H

#include "ir/kernel.h"

enum { ESK_SEGMENTS = 16 }; /* most storage blocks of an operand */

/* Bytes of a buffer that holds `buffer`; 0: it is not known where, but in one of its own.
 */
struct esk_range {
    uint64_t offset, bytes, buffer;
};

/* All that a program depends on besides its kernel. */
struct esk_reach {
    enum esk_read_path path;
    uint32_t segment;                      /* bytes of a full one; 0: nobody has two */
    uint8_t segments[ESK_KERNEL_OPERANDS]; /* 0 as 1 */
};

struct esk_pieces {
    struct esk_reach reach;
    uint64_t most[3];        /* groups of a piece */
    bool moves;              /* windows differ from piece to piece */
    uint32_t blocks, images; /* of a piece */
    uint32_t largest;        /* the operand of most segments */
};

/* Bytes of one segment: a multiple of 256. */
uint64_t esk_segment_bytes(const struct esk_limits *limits);

/* `ranges`: one an operand; `max_groups`: where dispatches are cut anyway, along axes
 * whose groups are independent. */
void esk_pieces_find(const struct esk_kernel *k, const struct esk_limits *limits,
                     const uint64_t *max_groups, const struct esk_range *ranges,
                     struct esk_pieces *pieces);

/* The bytes of its range that operand `i` needs in the groups [from, from + count). */
struct esk_range esk_piece_window(const struct esk_kernel *k, uint32_t i,
                                  const struct esk_range *range, const uint64_t *from,
                                  const uint64_t *count);

/* Where the first segment of a window begins. */
uint64_t esk_segment_start(const struct esk_limits *limits,
                           const struct esk_range *window);

#endif
