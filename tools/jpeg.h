/* JPEG pictures, where the build has libjpeg.
 * In: bytes. Out: packed pixels. Must not know tensors. */
#ifndef ESKER_TOOLS_JPEG_H
#define ESKER_TOOLS_JPEG_H

#include "fault.h"

#include <stddef.h>
#include <stdint.h>

bool jpeg_is(const void *bytes, size_t size);

/* Packed bytes of `channels` (1, 3 or 4: alpha is 255) a pixel; free with free(). NULL
 * with a message: no JPEG, broken, larger than 32768 pixels, four inks, or no libjpeg. */
uint8_t *jpeg_read(const void *bytes, size_t size, int channels, int *width, int *height,
                   struct fault *fault);

#endif
