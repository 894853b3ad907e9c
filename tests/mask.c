/* A test set's picture as PNG, and what a program made of it against the expected mask:
 * for tests/examples.sh and fetched.sh. In: "png INPUT.pb OUT.png" ([1,H,W,3] floats
 * 0..1), "turn IN.png OUT.png" (a quarter to the right), "alpha OUT.png X Y LEAST MOST"
 * (of one pixel), or "compare OUT.png MASK.pb" ([1,H,W,1]). Out: 1 when more than a pixel
 * of 500 has a transparency that is off by more than 8 of 255 (the picture has 8 bits a
 * colour, the input more). */
#include "esker/tensor.h"

#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static esk_value *read_tensor(const char *path) {
    static unsigned char bytes[4 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    esk_value *value = NULL;

    if (file)
        fclose(file);
    if (esk_value_from_onnx(bytes, size, &value, NULL, NULL) != ESK_OK ||
        esk_value_rank(value) != 4 || esk_value_dtype(value) != ESK_FLOAT) {
        fprintf(stderr, "%s is no picture\n", path);
        exit(1);
    }
    return value;
}

static int write_png(const esk_value *value, const char *path) {
    const float *from = esk_value_const_data(value);
    size_t n = (size_t)esk_value_count(value);
    unsigned char *rgb = malloc(n);
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)esk_value_dims(value)[2],
                     .height = (png_uint_32)esk_value_dims(value)[1],
                     .format = PNG_FORMAT_RGB};
    int good;

    for (size_t i = 0; i < n; i++)
        rgb[i] = (unsigned char)(from[i] * 255 + 0.5f);
    good = png_image_write_to_file(&png, path, 0, rgb, 0, NULL);
    free(rgb);
    return good ? 0 : (fprintf(stderr, "%s: %s\n", path, png.message), 1);
}

/* The pixels, rgba; *png says how many. Ends the program when there are none. */
static unsigned char *read_png(const char *path, png_image *png) {
    unsigned char *rgba;

    *png = (png_image){.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(png, path)) {
        fprintf(stderr, "%s: %s\n", path, png->message);
        exit(1);
    }
    png->format = PNG_FORMAT_RGBA;
    rgba = malloc(PNG_IMAGE_SIZE(*png));
    png_image_finish_read(png, NULL, rgba, 0, NULL);
    return rgba;
}

static int compare(const char *path, const esk_value *mask) {
    const float *expected = esk_value_const_data(mask);
    png_image png;
    size_t n = (size_t)esk_value_count(mask), bad = 0;
    unsigned char *rgba = read_png(path, &png);

    if (png.width * png.height != n) {
        fprintf(stderr, "%s: not of the mask's size\n", path);
        free(rgba);
        return 1;
    }
    for (size_t i = 0; i < n; i++) {
        float off = (float)rgba[4 * i + 3] - 255 * expected[i];

        bad += off > 8 || off < -8;
    }
    free(rgba);
    if (bad > n / 500)
        fprintf(stderr, "%s: %zu of %zu pixels are not as the mask says\n", path, bad, n);
    return bad > n / 500;
}

static int turn(const char *path, const char *to) {
    png_image png, out;
    unsigned char *rgba = read_png(path, &png), *turned = malloc(PNG_IMAGE_SIZE(png));
    int good;

    out = (png_image){.version = PNG_IMAGE_VERSION,
                      .width = png.height,
                      .height = png.width,
                      .format = PNG_FORMAT_RGBA};
    for (size_t y = 0; y < png.height; y++)
        for (size_t x = 0; x < png.width; x++)
            memcpy(turned + 4 * (x * out.width + png.height - 1 - y),
                   rgba + 4 * (y * png.width + x), 4);
    good = png_image_write_to_file(&out, to, 0, turned, 0, NULL);
    free(rgba);
    free(turned);
    return good ? 0 : (fprintf(stderr, "%s: %s\n", to, out.message), 1);
}

static int alpha(char **argv) {
    png_image png;
    unsigned char *rgba = read_png(argv[0], &png);
    size_t x = strtoul(argv[1], NULL, 10), y = strtoul(argv[2], NULL, 10);
    int a = x < png.width && y < png.height ? rgba[4 * (y * png.width + x) + 3] : -1;

    free(rgba);
    if (a >= atoi(argv[3]) && a <= atoi(argv[4]))
        return 0;
    return fprintf(stderr, "%s: at (%zu, %zu) of %u x %u alpha is %d, not %s to %s\n",
                   argv[0], x, y, png.width, png.height, a, argv[3], argv[4]),
           1;
}

int main(int argc, char **argv) {
    if (argc == 4 && (!strcmp(argv[1], "png") || !strcmp(argv[1], "compare"))) {
        bool to_png = !strcmp(argv[1], "png");
        esk_value *value = read_tensor(argv[to_png ? 2 : 3]);
        int status = to_png ? write_png(value, argv[3]) : compare(argv[2], value);

        esk_value_destroy(value);
        return status;
    }
    if (argc == 4 && !strcmp(argv[1], "turn"))
        return turn(argv[2], argv[3]);
    if (argc == 7 && !strcmp(argv[1], "alpha"))
        return alpha(argv + 2);
    return fprintf(stderr, "usage: mask png IN.pb OUT.png | compare OUT.png MASK.pb | "
                           "turn IN.png OUT.png | alpha OUT.png X Y LEAST MOST\n"),
           2;
}
