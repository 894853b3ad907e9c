/* What is in a picture: a classifier that takes pictures as those of ImageNet do
 * (SqueezeNet, MobileNet, ResNet, PP-LCNet …), the five likeliest classes with their
 * labels: of LABELS.txt, a class a line, or those that the model brings along
 * ("character" of its metadata).
 *
 *   classify MODEL.onnx PICTURE.png [LABELS.txt] [GLCompute|CPU] */
#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 5 };

static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

/* Line `number` of the file, or of the text; "class N" without one. */
static const char *label(const char *path, const char *text, int64_t number) {
    static char line[256];
    FILE *file = path ? fopen(path, "r") : NULL;
    bool found = file;
    for (int64_t i = 0; found && i <= number; i++)
        found = fgets(line, sizeof line, file);
    for (int64_t i = 0; !path && text && i < number; i++)
        text = (text = strchr(text, '\n')) ? text + 1 : NULL;
    if (!path && text && *text) {
        snprintf(line, sizeof line, "%s", text);
        found = true;
    }
    line[strcspn(line, "\r\n")] = 0;
    if (!found)
        snprintf(line, sizeof line, "class %lld", (long long)number);
    if (file)
        fclose(file);
    return line;
}

/* Probabilities stay; logits become them. */
static void to_probabilities(float *scores, int64_t n) {
    double sum = 0;
    float most = scores[0];
    bool good = true;
    for (int64_t i = 0; i < n; i++) {
        sum += scores[i];
        good &= scores[i] >= 0;
        most = fmaxf(most, scores[i]);
    }
    if (good && fabs(sum - 1) < 0.01)
        return;
    sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += scores[i] = expf(scores[i] - most);
    for (int64_t i = 0; i < n; i++)
        scores[i] /= (float)sum;
}

int main(int argc, char **argv) {
    static const float mean[] = {0.485f, 0.456f, 0.406f},
                       deviation[] = {0.229f, 0.224f, 0.225f};
    struct picture picture;
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    const esk_value_info *input = NULL;
    esk_value *scores = NULL;
    bool named = argc > 3 &&
                 (!strcmp(argv[argc - 1], "GLCompute") || !strcmp(argv[argc - 1], "CPU"));
    const char *labels = argc - named > 3 ? argv[3] : NULL;
    if (argc < 3)
        return fprintf(stderr, "usage: classify MODEL.onnx PICTURE.png [LABELS.txt] "
                               "[GLCompute|CPU]\n"),
               2;

    check(esk_env_create(NULL, &env, &error));
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(
        options, named ? argv[argc - 1] : "GLCompute", NULL, NULL, 0, &error));
    check(esk_session_create(env, argv[1], options, &session, &error));
    esk_session_options_destroy(options);
    for (size_t i = 0; i < esk_session_input_count(session) && !input; i++)
        if (!esk_session_input(session, i)->has_default) /* the others are weights */
            input = esk_session_input(session, i);

    if (!input || !picture_read(argv[2], &picture))
        return 1;
    picture_keep_middle(&picture,
                        224.0 / 256); /* the shorter side is 256, 224 are seen */
    esk_value *value = picture_to_value(&picture, input, 224, mean, deviation);
    picture_finish(&picture);
    if (!value)
        return 1;
    const char *wanted = esk_session_output(session, 0)->name;
    check(esk_session_run(session, NULL, &input->name, &value, 1, &wanted, &scores, 1,
                          &error));

    const char *inside = esk_session_metadata(session, "character");
    int64_t n = esk_value_count(scores);
    float *of = esk_value_dtype(scores) == ESK_FLOAT ? esk_value_data(scores) : NULL;
    if (!of || !n)
        return fprintf(stderr, "output '%s' is no list of floats\n", wanted), 1;
    to_probabilities(of, n);
    for (int k = 0; k < TOP && k < n; k++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            best = of[i] > of[best] ? i : best;
        printf("%5.1f %%  %s\n", 100 * (double)of[best], label(labels, inside, best));
        of[best] = -1;
    }
    esk_value_destroy(scores);
    esk_value_destroy(value);
    esk_session_destroy(session);
    esk_env_destroy(env);
    return 0;
}
