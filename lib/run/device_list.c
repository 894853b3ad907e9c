/* The public list of devices: all providers' facts as strings. */
#include "base/mem.h"
#include "cpu/cpu.h"
#include "esker/provider.h"
#include "glcompute/glcompute.h"
#include "run/env.h"

struct esk_device_list {
    struct esk_arena arena;
    esk_device_info *infos;
    size_t count;
};

static const char *copy(struct esk_device_list *list, const char *text) {
    return esk_arena_strdup(&list->arena, text ? text : "");
}

static bool add(struct esk_device_list *list, const struct esk_device_facts *facts,
                int id) {
    esk_device_info *info = &list->infos[list->count++];
    struct esk_text limits = {0};
    if (facts->has_limits)
        esk_limits_text(&facts->limits, &limits);
    *info = (esk_device_info){
        .provider = copy(list, facts->provider),
        .device_id = id,
        .rung = copy(list, facts->rung),
        .vendor = copy(list, facts->vendor),
        .renderer = copy(list, facts->renderer),
        .version = copy(list, facts->version),
        .driver = copy(list, facts->driver),
        .node = copy(list, facts->node),
        .software = facts->software,
        .unusable = facts->unusable ? copy(list, facts->unusable) : NULL,
        .limits = copy(list, esk_text_str(&limits)),
    };
    bool good = !limits.failed && info->provider && info->rung && info->vendor &&
                info->renderer && info->version && info->driver && info->node &&
                (!facts->unusable || info->unusable) && info->limits;
    esk_text_finish(&limits);
    return good;
}

esk_status esk_device_list_create(esk_env *env, esk_device_list **list, const char **why,
                                  esk_error *error) {
    struct esk_settings settings;
    struct esk_device_options options;
    esk_settings_init(&settings);
    esk_settings_device(&settings, &options);
    struct esk_device_facts *facts = NULL, cpu;
    size_t count = 0;
    char processor[128];
    esk_error reason = ESK_ERROR_INIT;
    esk_status status =
        esk_glcompute_provider.list(&options, &env->logger, &facts, &count, &reason);
    struct esk_device_list *made = esk_calloc(1, sizeof *made);
    bool good = made != NULL && (status == ESK_OK || status != ESK_OUT_OF_MEMORY);
    if (good)
        made->infos = ESK_ARENA_ARRAY(&made->arena, esk_device_info, count + 1);
    good = good && made->infos;
    int id = 0;
    for (size_t i = 0; good && i < count; i++)
        good = add(made, &facts[i], facts[i].unusable ? -1 : id++);
    esk_cpu_facts(&cpu, processor, sizeof processor);
    good = good && add(made, &cpu, 0);
    const char *text = good && (reason.status || reason.text)
                           ? copy(made, esk_error_message(&reason))
                           : "";
    esk_error_clear(&reason);
    if (facts)
        esk_glcompute_provider.list_free(facts, count);
    if (!good) {
        esk_device_list_destroy(made);
        return esk_fail_memory(error, "a list of devices");
    }
    *list = made;
    if (why)
        *why = text;
    return ESK_OK;
}

size_t esk_device_list_count(const esk_device_list *list) {
    return list->count;
}

const esk_device_info *esk_device_list_get(const esk_device_list *list, size_t index) {
    return index < list->count ? &list->infos[index] : NULL;
}

void esk_device_list_destroy(esk_device_list *list) {
    if (!list)
        return;
    esk_arena_finish(&list->arena);
    esk_free(list);
}
