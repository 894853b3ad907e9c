/* The table of options: what each takes, what it is without a word, where it is written
 * down. */
#include "run/options.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static esk_status set(const char *key, const char *value, struct esk_settings *settings) {
    esk_settings_init(settings);
    return esk_settings_set(settings, key, value, NULL);
}

static bool takes(const char *key, const char *value) {
    struct esk_settings settings;
    esk_status status = set(key, value, &settings);
    int index = 0;
    while (esk_option_at((size_t)index) &&
           strcmp(esk_option_at((size_t)index)->key, key) != 0)
        index++;
    cr_assert_eq(settings.given[index], status == ESK_OK, "%s=%s", key, value);
    esk_settings_finish(&settings);
    return status == ESK_OK;
}

/* Keys of ONNX Runtime 1.30's WebGPU provider, and what they are here. */
static const struct {
    const char *key, *fallback;
} webgpu[] = {
    {"preferredLayout", "auto"}, /* theirs NHWC, which auto is where it measures faster */
    {"enableGraphCapture", "0"},
    {"sessionBufferPoolGenerations", ""},
    {"enableInt64", "1"}, /* theirs 0, since they compute on 32 bits */
    {"multiRotaryCacheConcatOffset", "0"},
    {"kvCacheQuantizationBits", "0"},
    {"dawnProcTable", ""},
    {"webgpuInstance", ""},
    {"webgpuDevice", ""},
    {"dawnBackendType", ""},
    {"powerPreference", "high-performance"},
    {"deviceId", "0"},
    {"storageBufferCacheMode", "bucket"},
    {"uniformBufferCacheMode", "simple"},
    {"queryResolveBufferCacheMode", "disabled"},
    {"defaultBufferCacheMode", "simple"}, /* theirs disabled */
    {"validationMode", "basic"},
    {"enableRobustness", "0"},
    {"forceCpuNodeNames", ""},
    {"enablePIXCapture", ""},
    {"preserveDevice", "0"},
    {"maxStorageBufferBindingSize", "0"},
    {"maxNumPendingDispatches", "16"},
    {"enableMatmulFp32Accumulation", ""},
};

Test(options, of_the_webgpu_provider) {
    for (size_t i = 0; i < sizeof webgpu / sizeof *webgpu; i++) {
        size_t at = 0;
        while (esk_option_at(at) && strcmp(esk_option_at(at)->key, webgpu[i].key) != 0)
            at++;
        const esk_option_info *row = esk_option_at(at);
        cr_assert_not_null(row, "%s", webgpu[i].key);
        cr_assert_str_eq(row->fallback, webgpu[i].fallback, "%s", webgpu[i].key);
        char key[128];
        struct esk_settings settings;
        snprintf(key, sizeof key, "ep.webgpuexecutionprovider.%s", webgpu[i].key);
        cr_assert_eq(set(key, *row->fallback ? row->fallback : "1", &settings), ESK_OK,
                     "%s", key);
        cr_assert(settings.given[at], "%s", key);
        esk_settings_finish(&settings);
    }
}

/* The default as text is the default. */
Test(options, defaults) {
    struct esk_settings settings;
    esk_settings_init(&settings);
    for (size_t i = 0; i < ESK_OPTION_COUNT; i++) {
        const esk_option_info *row = esk_option_at(i);
        struct esk_settings again;
        cr_assert_not(settings.given[i] || settings.text[i], "%s", row->key);
        cr_assert_eq(set(row->key, row->fallback, &again), ESK_OK, "%s", row->key);
        cr_assert_eq(again.number[i], settings.number[i], "%s", row->key);
        esk_settings_finish(&again);
    }
    cr_assert_null(esk_option_at(ESK_OPTION_COUNT));
    esk_settings_finish(&settings);
}

Test(options, ranges) {
    for (size_t i = 0; i < ESK_OPTION_COUNT; i++) {
        const esk_option_info *row = esk_option_at(i);
        char text[64];
        long long low, high;
        cr_assert(strlen(row->doc) > 6, "%s", row->key);
        if (strcmp(row->type, "string") == 0) {
            cr_assert(takes(row->key, "any \n text"), "%s", row->key);
            continue;
        }
        cr_assert_not(takes(row->key, ""), "%s", row->key);
        cr_assert_not(takes(row->key, "none_such"), "%s", row->key);
        cr_assert_not(takes(row->key, "1x"), "%s", row->key);
        if (strcmp(row->type, "bool") == 0) {
            cr_assert(takes(row->key, "0") && takes(row->key, "1") &&
                          takes(row->key, "true") && takes(row->key, "false"),
                      "%s", row->key);
            cr_assert_not(takes(row->key, "2") || takes(row->key, "-1") ||
                              takes(row->key, "yes"),
                          "%s", row->key);
        } else if (strcmp(row->type, "int") == 0) {
            cr_assert_eq(sscanf(row->values, "%lld..%lld", &low, &high), 2, "%s",
                         row->values);
            const long long inside[] = {low, high}, outside[] = {low - 1, high};
            for (int k = 0; k < 2; k++) {
                snprintf(text, sizeof text, "%lld", inside[k]);
                cr_assert(takes(row->key, text), "%s=%s", row->key, text);
                snprintf(text, sizeof text, "%lld%s", outside[k], k ? "0" : "");
                cr_assert_not(takes(row->key, text), "%s=%s", row->key, text);
            }
        } else
            for (const char *at = row->values; *at;
                 at += strcspn(at, "|") + !!strchr(at, '|')) {
                snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "|"), at);
                cr_assert(takes(row->key, text), "%s=%s", row->key, text);
                text[strlen(text) - 1] = '?';
                cr_assert_not(takes(row->key, text), "%s=%s", row->key, text);
            }
    }
}

Test(options, nearest) {
    static const struct {
        const char *key, *value, *nearest;
    } rows[] = {
        {"storageBufferCache", "simple", "'storageBufferCacheMode'"},
        {"ep.webgpuexecutionprovider.enableGraphCaptur", "1", "'enableGraphCapture'"},
        {"deviceld", "1", "'deviceId'"},
        {"validationMode", "Basic", "'basic'"},
        {"queryResolveBufferCacheMode", "lazy", "'lazyRelease'"},
        {"deviceId", "999", "is not in 0..255; the nearest is '255'"},
        {"fenceTimeoutMs", "0", "'1'"},
        {"maxGroups", "-1", "'0'"},
        {"enableInt64", "2", "is none of 0,1; the nearest is '1'"},
        {"enableInt64", "-1", "'0'"},
        {"enableInt64", "False", "'false'"},
    };
    static const struct {
        const char *key, *value;
    } far[] = {{"enableInt64", "yes"}, {"deviceId", "first"}, {"deviceId", ""}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) { /* none is near */
        struct esk_settings settings;
        esk_error error = ESK_ERROR_INIT;
        esk_settings_init(&settings);
        cr_assert_eq(esk_settings_set(&settings, far[i].key, far[i].value, &error),
                     ESK_INVALID_ARGUMENT);
        cr_assert_not(strstr(esk_error_message(&error), "nearest"), "%s",
                      esk_error_message(&error));
        esk_error_clear(&error);
        esk_settings_finish(&settings);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct esk_settings settings;
        esk_error error = ESK_ERROR_INIT;
        esk_settings_init(&settings);
        cr_assert_eq(esk_settings_set(&settings, rows[i].key, rows[i].value, &error),
                     ESK_INVALID_ARGUMENT);
        cr_assert(strstr(esk_error_message(&error), "the nearest is "), "%s",
                  esk_error_message(&error));
        cr_assert(strstr(esk_error_message(&error), rows[i].nearest), "%s",
                  esk_error_message(&error));
        cr_assert_eq(esk_settings_set(&settings, NULL, "1", &error),
                     ESK_INVALID_ARGUMENT);
        cr_assert_eq(esk_settings_set(&settings, "deviceId", NULL, &error),
                     ESK_INVALID_ARGUMENT);
        esk_error_clear(&error);
        esk_settings_finish(&settings);
    }
}

Test(options, contradictions) {
    struct esk_settings settings;
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(set("eglContext", "4711", &settings), ESK_OK);
    cr_assert_eq(esk_settings_check(&settings, &error), ESK_INVALID_ARGUMENT);
    cr_assert(strstr(esk_error_message(&error), "eglDisplay"));
    cr_assert_eq(esk_settings_set(&settings, "eglDisplay", "42", &error), ESK_OK);
    cr_assert_eq(esk_settings_check(&settings, &error), ESK_OK);
    esk_error_clear(&error);
    esk_settings_finish(&settings);
}

/* A row for each in the table of those who come from ONNX Runtime. */
Test(options, are_in_the_porting_table) {
    FILE *file = fopen(GOLDEN_DIR "/../../docs/porting.md", "rb");
    cr_assert_not_null(file);
    static char text[1 << 16];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (size_t i = 0; i < ESK_OPTION_COUNT; i++) {
        char word[80];
        snprintf(word, sizeof word, "`%s`", esk_option_at(i)->key);
        cr_assert(strstr(text, word), "no %s in docs/porting.md", word);
    }
}
