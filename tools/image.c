/* Pictures as input tensors.
 * In: bytes of a PNG or JPEG and what the input looks like. Out: a value. Must not know
 * sessions.
 */
#include "image.h"

#include "element.h"
#include "jpeg.h"
#include "tensor_io.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

static bool channels_fit(int64_t size) {
    return size == 1 || size == 3 || size == 4;
}

bool image_layout(const esk_value_info *info, struct image_layout *layout,
                  struct fault *fault) {
    char text[256];
    int rank = info->rank, first = rank - 3, last = rank - 1; /* where channels may be */

    *layout = (struct image_layout){-1, -1, -1, -1, 1};
    dims_print(rank, info->dims, info->dim_names, text, sizeof(text));
    if (rank < 2 || rank > 4)
        return fault_set(fault, "input '%s' %s is no picture: its rank is not 2, 3 or 4",
                         info->name, text);
    if (rank == 4) {
        layout->batch = 0;
        if (info->dims[0] > 1)
            return fault_set(fault, "input '%s' %s takes more than one picture",
                             info->name, text);
    }
    if (rank == 2) {
        layout->height = 0;
        layout->width = 1;
        return true;
    }
    if (channels_fit(info->dims[first]))
        layout->channel = first;
    else if (channels_fit(info->dims[last]))
        layout->channel = last;
    else if (info->dims[first] < 0)
        layout->channel = first; /* channels first is ONNX's habit */
    else
        return fault_set(fault,
                         "input '%s' %s is no picture: no dimension of 1, 3 or 4 "
                         "channels",
                         info->name, text);
    if (info->dims[layout->channel] < 0)
        layout->channels = 3;
    else
        layout->channels = (int)info->dims[layout->channel];
    layout->height = layout->channel == first ? rank - 2 : first;
    layout->width = layout->height + 1;
    return true;
}

void image_resize(const uint8_t *from, int from_width, int from_height, float *to,
                  int to_width, int to_height, int channels) {
    for (int y = 0; y < to_height; y++) {
        float sy = ((float)y + 0.5f) * (float)from_height / (float)to_height - 0.5f;
        int y0 = (int)floorf(fmaxf(sy, 0)), y1 = y0 + 1 < from_height ? y0 + 1 : y0;
        float fy = fmaxf(sy, 0) - (float)y0;

        for (int x = 0; x < to_width; x++) {
            float sx = ((float)x + 0.5f) * (float)from_width / (float)to_width - 0.5f;
            int x0 = (int)floorf(fmaxf(sx, 0)), x1 = x0 + 1 < from_width ? x0 + 1 : x0;
            float fx = fmaxf(sx, 0) - (float)x0;

            for (int c = 0; c < channels; c++) {
#define PIXEL(y, x)                                                                    \
    ((float)from[((size_t)(y) * (size_t)from_width + (size_t)(x)) * (size_t)channels + \
                 (size_t)c])
                float top = PIXEL(y0, x0) * (1 - fx) + PIXEL(y0, x1) * fx;
                float bottom = PIXEL(y1, x0) * (1 - fx) + PIXEL(y1, x1) * fx;
#undef PIXEL

                *to++ = top * (1 - fy) + bottom * fy;
            }
        }
    }
}

/* Puts packed pixels of 0..255 into the tensor's order. */
static bool store(const float *pixels, const struct image_layout *layout,
                  esk_value *value) {
    esk_dtype dtype = esk_value_dtype(value);
    const int64_t *dims = esk_value_dims(value);
    size_t area = (size_t)dims[layout->height] * (size_t)dims[layout->width];
    size_t channels = (size_t)layout->channels;
    bool planes = layout->channel >= 0 && layout->channel < layout->height;
    double scale = element_class(dtype) == ELEMENT_REAL ? 1.0 / 255 : 1;

    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < channels; c++)
            if (!element_store(dtype, esk_value_data(value),
                               planes ? c * area + i : i * channels + c,
                               pixels[i * channels + c] * scale))
                return false;
    return true;
}

/* The picture as packed bytes of `channels` a pixel; free with free(). */
static uint8_t *read_png(const void *bytes, size_t size, int channels, int *width,
                         int *height, struct fault *fault) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *pixels = NULL;

    if (!png_image_begin_read_from_memory(&image, bytes, size)) {
        fault_set(fault, "%s", image.message);
        return NULL;
    }
    image.format = channels == 1   ? PNG_FORMAT_GRAY
                   : channels == 3 ? PNG_FORMAT_RGB
                                   : PNG_FORMAT_RGBA;
    if (image.width <= 32768 && image.height <= 32768)
        pixels = malloc(PNG_IMAGE_SIZE(image));
    if (!pixels) {
        fault_set(fault, "a picture of %ux%u pixels is too large", image.width,
                  image.height);
        png_image_free(&image);
        return NULL;
    }
    /* what is transparent shows white when the input has no alpha */
    if (!png_image_finish_read(&image, &(png_color){255, 255, 255}, pixels, 0, NULL)) {
        fault_set(fault, "%s", image.message);
        free(pixels);
        return NULL;
    }
    *width = (int)image.width;
    *height = (int)image.height;
    return pixels;
}

bool image_decode(const void *bytes, size_t size, const esk_value_info *info,
                  esk_value **value, struct fault *fault) {
    struct image_layout layout;
    int64_t dims[ESK_MAX_RANK];
    int width, height;
    uint8_t *pixels;
    float *resized = NULL;
    esk_value *made = NULL;
    esk_error error = ESK_ERROR_INIT;

    if (!image_layout(info, &layout, fault))
        return false;
    pixels = (jpeg_is(bytes, size) ? jpeg_read : read_png)(bytes, size, layout.channels,
                                                           &width, &height, fault);
    if (!pixels)
        return false;
    if (layout.batch >= 0)
        dims[layout.batch] = 1;
    if (layout.channel >= 0)
        dims[layout.channel] = layout.channels;
    dims[layout.height] =
        info->dims[layout.height] < 0 ? height : info->dims[layout.height];
    dims[layout.width] = info->dims[layout.width] < 0 ? width : info->dims[layout.width];
    if (dims[layout.height] > 32768 || dims[layout.width] > 32768) {
        fault_set(fault, "input '%s' is larger than 32768 pixels", info->name);
    } else if (esk_value_create(info->dtype, info->rank, dims, &made, &error) != ESK_OK) {
        fault_take(fault, NULL, &error);
    } else {
        int to_height = (int)dims[layout.height], to_width = (int)dims[layout.width];

        resized = malloc(sizeof(float) * ((size_t)esk_value_count(made) + 1));
        if (!resized) {
            fault_set(fault, "out of memory");
        } else {
            image_resize(pixels, width, height, resized, to_width, to_height,
                         layout.channels);
            if (store(resized, &layout, made)) {
                *value = made;
                free(resized);
                free(pixels);
                return true;
            }
            fault_set(fault, "input '%s': type %s takes no picture", info->name,
                      esk_dtype_name(info->dtype));
        }
    }
    esk_value_destroy(made);
    free(resized);
    free(pixels);
    return false;
}
