/* JPEG pictures, where the build has libjpeg.
 * In: bytes. Out: packed pixels. Must not know tensors. */
#include "jpeg.h"

#include <stdlib.h>
#include <string.h>

bool jpeg_is(const void *bytes, size_t size) {
    return size > 2 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

#if ESKER_HAVE_JPEG

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h wants it */

#include <jpeglib.h>

/* libjpeg ends the process unless an error jumps away. */
struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf out;
    uint8_t *pixels;
    struct fault *fault;
};

static void on_error(j_common_ptr jpeg) {
    struct reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    fault_set(r->fault, "%s", text);
    longjmp(r->out, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0) /* a warning: the bytes are broken, and what is shown would be gray */
        on_error(jpeg);
}

static bool read_rows(struct reader *r, int channels) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;

    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width > 32768 || jpeg->image_height > 32768)
        return fault_set(r->fault, "a picture of %ux%u pixels is too large",
                         jpeg->image_width, jpeg->image_height);
    if (jpeg->num_components == 4)
        return fault_set(r->fault, "a picture of four inks (CMYK) is not read");
    jpeg->out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    size_t row = (size_t)jpeg->output_width * (size_t)channels;
    r->pixels = malloc(row * jpeg->output_height);
    if (!r->pixels)
        return fault_set(r->fault, "out of memory");
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *to = r->pixels + row * jpeg->output_scanline;

        jpeg_read_scanlines(jpeg, &to, 1);
        /* three bytes to four, from the end */
        for (size_t x = jpeg->output_width; channels == 4 && x-- > 0;) {
            const uint8_t rgb[3] = {to[3 * x], to[3 * x + 1], to[3 * x + 2]};

            memcpy(to + 4 * x, rgb, 3);
            to[4 * x + 3] = 255;
        }
    }
    jpeg_finish_decompress(jpeg);
    return true;
}

/* false after an error, which jumped here. */
static bool read_guarded(struct reader *r, const void *bytes, size_t size, int channels) {
    if (setjmp(r->out))
        return false;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.client_data = r;
    jpeg_mem_src(&r->jpeg, bytes, (unsigned long)size);
    return read_rows(r, channels);
}

uint8_t *jpeg_read(const void *bytes, size_t size, int channels, int *width, int *height,
                   struct fault *fault) {
    struct reader r = {.fault = fault};

    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.jpeg.client_data = &r;
    if (read_guarded(&r, bytes, size, channels)) {
        *width = (int)r.jpeg.output_width;
        *height = (int)r.jpeg.output_height;
    } else {
        free(r.pixels);
        r.pixels = NULL;
    }
    jpeg_destroy_decompress(&r.jpeg);
    return r.pixels;
}

#else

uint8_t *jpeg_read(const void *bytes, size_t size, int channels, int *width, int *height,
                   struct fault *fault) {
    (void)bytes, (void)size, (void)channels, (void)width, (void)height;
    fault_set(fault, "this esker was built without libjpeg");
    return NULL;
}

#endif
