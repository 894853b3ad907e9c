/* Voice activity in a WAV file, frame by frame, with a Silero model (legacy: states h and
 * c; v5: state). The recurrent state stays on the device: a frame's new state is bound as
 * the next frame's.
 *
 *   stream_vad MODEL.onnx FILE.wav [GLCompute|CPU] */
#include <esker/esker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000 };

static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

static unsigned little(const unsigned char *at, int bytes) {
    unsigned value = 0;
    while (bytes--)
        value = value << 8 | at[bytes];
    return value;
}

/* 16-bit PCM of any rate and number of channels, as one channel of RATE samples a second.
 */
static float *read_wav(const char *path, size_t *count) {
    unsigned char head[12], chunk[8], format[16] = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) ||
        memcmp(head + 8, "WAVE", 4)) {
        fprintf(stderr, "%s is no WAV file\n", path);
        exit(1);
    }
    while (fread(chunk, 1, 8, file) == 8) {
        unsigned size = little(chunk + 4, 4);
        if (!memcmp(chunk, "fmt ", 4) && size >= 16 && fread(format, 1, 16, file) == 16)
            size -= 16;
        if (!memcmp(chunk, "data", 4) && little(format, 2) == 1 &&
            little(format + 14, 2) == 16) {
            unsigned channels = little(format + 2, 2), rate = little(format + 4, 4);
            unsigned char *bytes = malloc((size_t)size + 1);
            size_t frames =
                bytes && channels ? fread(bytes, 1, size, file) / 2 / channels : 0;
            size_t n = frames > 1 ? (size_t)((double)(frames - 1) * RATE / rate) : 0;
            float *samples = malloc((n + 1) * sizeof *samples);
            for (size_t i = 0; samples && i < n; i++) {
                double at = (double)i * rate / RATE;
                size_t left = (size_t)at;
                float pair[2] = {0, 0}, part = (float)(at - (double)left);
                for (unsigned c = 0; c < 2 * channels; c++)
                    pair[c / channels] +=
                        (float)(int16_t)little(bytes + (left * channels + c) * 2, 2) /
                        32768.0f / (float)channels;
                samples[i] = pair[0] + (pair[1] - pair[0]) * part;
            }
            free(bytes);
            fclose(file);
            *count = n;
            return samples;
        }
        fseek(file, (long)size + (size & 1), SEEK_CUR);
    }
    fprintf(stderr, "%s holds no 16-bit PCM\n", path);
    exit(1);
}

/* The output that follows a state input: "state" and "stateN", "h" and "hn". */
static const char *sequel(const esk_session *session, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < esk_session_output_count(session); i++) {
        const char *output = esk_session_output(session, i)->name;
        if (!strncmp(output, name, length) && (output[length] | 32) == 'n' &&
            !output[length + 1])
            return output;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return fprintf(stderr, "usage: stream_vad MODEL.onnx FILE.wav [GLCompute|CPU]\n"),
               2;
    size_t samples_count;
    float *samples = read_wav(argv[2], &samples_count);
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    esk_binding *binding;
    check(esk_env_create(NULL, &env, &error));
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(options, argc > 3 ? argv[3] : "GLCompute",
                                              NULL, NULL, 0, &error));
    check(esk_session_create(env, argv[1], options, &session, &error));
    check(esk_binding_create(session, &binding, &error));
    check(esk_binding_output_at(binding, "output", ESK_ON_HOST, &error));

    size_t n_in = esk_session_input_count(session);
    esk_value **held = calloc(n_in + 1, sizeof *held);
    int64_t frame = 512; /* of v5; the legacy model has frames of 96 ms */
    size_t audio = n_in;
    for (size_t i = 0; i < n_in; i++) {
        const esk_value_info *info = esk_session_input(session, i);
        const char *next = sequel(session, info->name);
        if (!strcmp(info->name, "h"))
            frame = 1536;
        if (!strcmp(info->name, "sr")) {
            check(esk_value_create(ESK_INT64, 0, NULL, &held[i], &error));
            *(int64_t *)esk_value_data(held[i]) = RATE;
        } else if (next) { /* a state: zeros at first */
            int64_t dims[ESK_MAX_RANK];
            for (int d = 0; d < info->rank; d++)
                dims[d] = info->dims[d] > 0 ? info->dims[d] : 1;
            check(esk_value_create(ESK_FLOAT, info->rank, dims, &held[i], &error));
            check(esk_binding_output_at(binding, next, ESK_ON_DEVICE, &error));
        } else
            audio = i;
    }
    if (audio == n_in)
        return fprintf(stderr, "%s has no input for audio\n", argv[1]), 1;
    check(esk_value_create(ESK_FLOAT, 2, (int64_t[]){1, frame}, &held[audio], &error));
    for (size_t i = 0; i < n_in; i++)
        check(esk_binding_input(binding, esk_session_input(session, i)->name, held[i],
                                &error));

    int speech = 0, frames = 0;
    for (size_t at = 0; at + (size_t)frame <= samples_count;
         at += (size_t)frame, frames++) {
        memcpy(esk_value_data(held[audio]), samples + at,
               (size_t)frame * sizeof *samples);
        check(esk_session_run_binding(session, NULL, binding, &error));
        float p =
            *(const float *)esk_value_const_data(esk_binding_value(binding, "output"));
        printf("%7.2f s  %.3f  %.*s\n", (double)at / RATE, (double)p, (int)(p * 40),
               "########################################");
        speech += p > 0.5f;
        for (size_t i = 0; i < n_in; i++) {
            const char *name = esk_session_input(session, i)->name;
            const char *next = sequel(session, name);
            if (!next)
                continue;
            esk_value *taken = esk_binding_take(binding, next);
            check(esk_binding_input(binding, name, taken, &error));
            esk_value_destroy(held[i]);
            held[i] = taken;
        }
    }
    printf("speech in %d of %d frames\n", speech, frames);
    esk_binding_destroy(binding);
    for (size_t i = 0; i < n_in; i++)
        esk_value_destroy(held[i]);
    free(held);
    free(samples);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return 0;
}
