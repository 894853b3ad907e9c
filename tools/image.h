/* Pictures as input tensors.
 * In: bytes of a PNG or JPEG and what the input looks like. Out: a value. Must not know
 * sessions.
 */
#ifndef ESKER_TOOLS_IMAGE_H
#define ESKER_TOOLS_IMAGE_H

#include "esker/session.h"
#include "fault.h"

/* Where an input keeps its picture; axes are -1 where it has none. */
struct image_layout {
    int batch, channel, height, width; /* axes */
    int channels;                      /* 1, 3 or 4; 3 where the model leaves it free */
};

/* NCHW or NHWC (rank 4), CHW or HWC (rank 3), HW (rank 2); false with a message when the
 * declared dims fit none. */
bool image_layout(const esk_value_info *info, struct image_layout *layout,
                  struct fault *fault);

/* Bilinear, pixel centres at .5, edges repeated; packed rows of `channels` bytes. */
void image_resize(const uint8_t *from, int from_width, int from_height, float *to,
                  int to_width, int to_height, int channels);

bool image_decode(const void *bytes, size_t size, const esk_value_info *info,
                  esk_value **value, struct fault *fault);

#endif
