/* The table of options. In: strings; out: numbers and texts. Must not know sessions. */
#include "run/options.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum type { TYPE_BOOL, TYPE_INT, TYPE_ENUM, TYPE_TEXT };
enum scope { SCOPE_DEVICE, SCOPE_SESSION, SCOPE_NONE };

static const struct row {
    const char *key;
    enum type type;
    const char *values, *fallback;
    enum scope scope;
    const char *doc;
} rows[ESK_OPTION_COUNT] = {
#define ROW(id, key, type, values, fallback, scope, doc) \
    [ESK_OPTION_##id] = {key, TYPE_##type, values, fallback, SCOPE_##scope, doc},
    ESK_OPTION_LIST(ROW)
#undef ROW
};

static const esk_option_info infos[ESK_OPTION_COUNT] = {
#define KIND_BOOL     "bool"
#define KIND_INT      "int"
#define KIND_ENUM     "enum"
#define KIND_TEXT     "string"
#define REACH_DEVICE  "device"
#define REACH_SESSION "session"
#define REACH_NONE    "accepted"
#define ROW(id, key, type, values, fallback, scope, doc) \
    [ESK_OPTION_##id] = {key, KIND_##type, values, fallback, REACH_##scope, doc},
    ESK_OPTION_LIST(ROW)
#undef ROW
};

const esk_option_info *esk_option_at(size_t index) {
    return index < ESK_OPTION_COUNT ? &infos[index] : NULL;
}

/* The index of `value` in "a|b|c", or -1. */
static int index_of(const char *values, const char *value) {
    size_t length = strlen(value);
    for (int i = 0;; i++) {
        size_t n = strcspn(values, "|");
        if (n == length && strncmp(values, value, n) == 0)
            return i;
        values += n;
        if (!*values++)
            return -1;
    }
}

static bool parse(const struct row *row, const char *value, int64_t *number) {
    long long parsed, low = 0, high = 1;
    switch (row->type) {
    case TYPE_BOOL:
        if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
            *number = value[0] == 't';
            return true;
        }
        break;
    case TYPE_INT:
        if (sscanf(row->values, "%lld..%lld", &low, &high) != 2)
            return false;
        break;
    case TYPE_ENUM:
        *number = index_of(row->values, value);
        return *number >= 0;
    case TYPE_TEXT:
        return true;
    }
    if (!esk_text_to_int(value, &parsed) || parsed < low || parsed > high)
        return false;
    *number = parsed;
    return true;
}

void esk_settings_init(struct esk_settings *settings) {
    *settings = (struct esk_settings){0};
    for (int i = 0; i < ESK_OPTION_COUNT; i++)
        parse(&rows[i], rows[i].fallback, &settings->number[i]);
}

void esk_settings_finish(struct esk_settings *settings) {
    for (int i = 0; i < ESK_OPTION_COUNT; i++)
        esk_free(settings->text[i]);
    *settings = (struct esk_settings){0};
}

bool esk_settings_copy(struct esk_settings *to, const struct esk_settings *from) {
    *to = *from;
    bool good = true;
    for (int i = 0; i < ESK_OPTION_COUNT; i++) {
        to->text[i] = from->text[i] ? esk_strdup(from->text[i]) : NULL;
        good &= !from->text[i] || to->text[i];
    }
    return good;
}

/* How far what was given is from a word; the beginning of one is that word. */
static size_t distance(const char *given, const char *word) {
    size_t length = strlen(given);
    return length && strncasecmp(given, word, length) == 0
               ? 0
               : esk_text_distance(given, word);
}

static const char *nearest_key(const char *key) {
    const char *best = rows[0].key;
    for (int i = 1; i < ESK_OPTION_COUNT; i++)
        if (distance(key, rows[i].key) < distance(key, best))
            best = rows[i].key;
    return best;
}

/* Copies the valid value that is nearest to `value`, if one is near: of a range its end,
 * of words the one that is written alike. */
static void nearest_value(const struct row *row, const char *value, char *best,
                          size_t size) {
    bool flag = row->type == TYPE_BOOL;
    long long number, low = 0, high = 1;
    size_t least = flag ? 3 : SIZE_MAX; /* "yes" is neither */
    *best = 0;
    if (row->type != TYPE_ENUM && esk_text_to_int(value, &number)) {
        sscanf(row->values, "%lld..%lld", &low, &high);
        snprintf(best, size, "%lld", number < low ? low : high);
        return;
    }
    if (row->type == TYPE_INT)
        return;
    for (const char *at = flag ? "true|false" : row->values; *at;) {
        size_t n = strcspn(at, "|");
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        if (distance(value, word) < least) {
            least = distance(value, word);
            snprintf(best, size, "%s", word);
        }
        at += n + (at[n] == '|');
    }
}

esk_status esk_settings_set(struct esk_settings *settings, const char *key,
                            const char *value, esk_error *error) {
    static const char prefix[] = "ep.webgpuexecutionprovider.";
    if (!key || !value)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "an option's key or value is NULL");
    if (strncmp(key, prefix, sizeof prefix - 1) == 0)
        key += sizeof prefix - 1;
    int i = 0;
    while (i < ESK_OPTION_COUNT && strcmp(rows[i].key, key) != 0)
        i++;
    if (i == ESK_OPTION_COUNT)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "unknown option '%s'; the nearest is '%s'", key,
                        nearest_key(key));
    if (rows[i].type == TYPE_TEXT) {
        char *copy = esk_strdup(value);
        if (!copy)
            return esk_fail_memory(error, "an option");
        esk_free(settings->text[i]);
        settings->text[i] = copy;
    } else if (!parse(&rows[i], value, &settings->number[i])) {
        char best[64];
        nearest_value(&rows[i], value, best, sizeof best);
        return esk_fail(error, ESK_INVALID_ARGUMENT, "option '%s': '%s' is %s %s%s%s%s",
                        key, value, rows[i].type == TYPE_INT ? "not in" : "none of",
                        rows[i].values, *best ? "; the nearest is '" : "", best,
                        *best ? "'" : "");
    }
    settings->given[i] = true;
    return ESK_OK;
}

esk_status esk_settings_check(const struct esk_settings *settings, esk_error *error) {
    if (settings->number[ESK_OPTION_EGL_CONTEXT] &&
        !settings->number[ESK_OPTION_EGL_DISPLAY])
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "option 'eglContext' is given without 'eglDisplay', the display that "
            "it belongs to");
    return ESK_OK;
}

void esk_settings_warn(const struct esk_settings *settings,
                       const struct esk_logger *log) {
    for (int i = 0; i < ESK_OPTION_COUNT; i++)
        if (settings->given[i] && rows[i].scope == SCOPE_NONE)
            esk_log(log, ESK_LOG_WARNING, "option '%s' has no meaning here (%s)",
                    rows[i].key, rows[i].doc);
}

struct esk_limits esk_settings_limits(const struct esk_settings *settings,
                                      const struct esk_limits *device) {
    enum { AUTO, NHWC, NCHW };
    struct esk_limits limits = *device;
    if (settings->number[ESK_OPTION_LAYOUT] != AUTO)
        limits.planes = settings->number[ESK_OPTION_LAYOUT] == NCHW;
    return limits;
}

bool esk_settings_validate(const struct esk_settings *settings) {
    return settings->number[ESK_OPTION_VALIDATION] == 4;
}

void esk_settings_device(const struct esk_settings *settings,
                         struct esk_device_options *options) {
    const int64_t *n = settings->number;
    *options = (struct esk_device_options){
        .device_id = (int)n[ESK_OPTION_DEVICE_ID],
        .allow_software = n[ESK_OPTION_ALLOW_SOFTWARE],
        .robust = n[ESK_OPTION_ROBUST] || esk_settings_validate(settings),
        .debug = esk_settings_validate(settings),
        .prefer_low_power = n[ESK_OPTION_POWER] == 1,
        .clamp = n[ESK_OPTION_CLAMP],
        .read_path = (int)n[ESK_OPTION_READ_PATH] - 1,
        .max_groups = (uint32_t)n[ESK_OPTION_MAX_GROUPS],
        .max_binding = (uint64_t)n[ESK_OPTION_MAX_BINDING],
        .fence_timeout_ms = (uint32_t)n[ESK_OPTION_FENCE_TIMEOUT],
        .max_pending = (uint32_t)n[ESK_OPTION_PENDING],
        .cache_dir = settings->text[ESK_OPTION_CACHE_DIR],
        .winograd = (enum esk_when)n[ESK_OPTION_WINOGRAD],
        .shared_tiles = (enum esk_when)n[ESK_OPTION_SHARED_TILES],
        .poison = n[ESK_OPTION_POISON],
        .display = (void *)(uintptr_t)n[ESK_OPTION_EGL_DISPLAY],
        .share_context = (void *)(uintptr_t)n[ESK_OPTION_EGL_CONTEXT],
        .cache_storage = (enum esk_cache_mode)n[ESK_OPTION_CACHE_STORAGE],
        .cache_uniform = (enum esk_cache_mode)n[ESK_OPTION_CACHE_UNIFORM],
        .cache_default = (enum esk_cache_mode)n[ESK_OPTION_CACHE_DEFAULT],
        .cache_query = (enum esk_cache_mode)n[ESK_OPTION_CACHE_QUERY],
        .threads = (enum esk_threads)n[ESK_OPTION_THREADS],
        .allow_setenv = n[ESK_OPTION_ALLOW_SETENV],
    };
}

static bool same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool esk_settings_same_device(const struct esk_settings *a, const struct esk_settings *b,
                              const char **what) {
    for (int i = 0; i < ESK_OPTION_COUNT; i++)
        if (rows[i].scope == SCOPE_DEVICE && i != ESK_OPTION_PRESERVE_DEVICE &&
            (a->number[i] != b->number[i] || !same_text(a->text[i], b->text[i]))) {
            *what = rows[i].key;
            return false;
        }
    return true;
}
