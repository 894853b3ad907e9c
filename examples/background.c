/* Cuts a person out of a picture: a segmentation model's mask (one float a pixel, 0 to 1)
 * becomes the picture's transparency.
 *
 *   background MODEL.onnx PICTURE.png OUT.png [GLCompute|CPU [MEAN DEVIATION]]
 *
 * MEAN and DEVIATION: what the model takes colours (0 to 1) less and by; 0 and 1 if not
 * given. */
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>

static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

/* Puts the mask over the picture, as large as that; the share of it that stays. */
static double put_mask(struct picture *picture, const float *mask, int width,
                       int height) {
    double sum = 0;
    for (int y = 0; y < picture->height; y++)
        for (int x = 0; x < picture->width; x++) {
            float keep = picture_sample(
                mask, width, height,
                ((float)x + 0.5f) * (float)width / (float)picture->width,
                ((float)y + 0.5f) * (float)height / (float)picture->height);
            keep = keep < 0 ? 0 : keep > 1 ? 1 : keep;
            uint8_t *alpha =
                picture->rgba + 4 * ((size_t)y * (size_t)picture->width + (size_t)x) + 3;
            *alpha = (uint8_t)((float)*alpha * keep + 0.5f);
            sum += (double)keep;
        }
    return sum / picture->width / picture->height;
}

int main(int argc, char **argv) {
    struct picture picture;
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    esk_value *mask = NULL;
    if (argc < 4)
        return fprintf(stderr, "usage: background MODEL.onnx PICTURE.png OUT.png "
                               "[GLCompute|CPU [MEAN DEVIATION]]\n"),
               2;

    float mean[3] = {0, 0, 0}, deviation[3] = {1, 1, 1};
    for (int c = 0; c < 3 && argc > 6; c++) {
        mean[c] = strtof(argv[5], NULL);
        deviation[c] = strtof(argv[6], NULL);
    }

    check(esk_env_create(NULL, &env, &error));
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(options, argc > 4 ? argv[4] : "GLCompute",
                                              NULL, NULL, 0, &error));
    check(esk_session_create(env, argv[1], options, &session, &error));
    esk_session_options_destroy(options);

    const esk_value_info *input = esk_session_input(session, 0);
    const char *wanted = esk_session_output(session, 0)->name;
    if (!input || !picture_read(argv[2], &picture))
        return 1;
    esk_value *value = picture_to_value(&picture, input, 256, mean, deviation);
    if (!value)
        return 1;
    check(esk_session_run(session, NULL, &input->name, &value, 1, &wanted, &mask, 1,
                          &error));

    /* [1,H,W,1] or [1,1,H,W]: the two sizes that are not 1 */
    const int64_t *dims = esk_value_dims(mask);
    int at = esk_value_rank(mask) == 4 ? dims[3] == 1 ? 1 : 2 : -1;
    if (at < 0 || esk_value_dtype(mask) != ESK_FLOAT ||
        esk_value_count(mask) != dims[at] * dims[at + 1] || !esk_value_count(mask))
        return fprintf(stderr, "output '%s' is no mask [1,H,W,1] or [1,1,H,W]\n", wanted),
               1;
    double kept =
        put_mask(&picture, esk_value_const_data(mask), (int)dims[at + 1], (int)dims[at]);
    bool written = picture_write(argv[3], &picture);
    if (written)
        printf("%.1f %% of the picture stays: %s\n", 100 * kept, argv[3]);
    picture_finish(&picture);
    esk_value_destroy(mask);
    esk_value_destroy(value);
    esk_session_destroy(session);
    esk_env_destroy(env);
    return !written;
}
