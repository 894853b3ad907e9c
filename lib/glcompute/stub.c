/* The provider when it is compiled out: no devices, and a reason. */
#include "glcompute/glcompute.h"

#include "base/error.h"

static esk_status list(const struct esk_device_options *options,
                       const struct esk_logger *log, struct esk_device_facts **facts,
                       size_t *count, esk_error *error) {
    (void)options;
    (void)log;
    *facts = NULL;
    *count = 0;
    esk_fail(error, ESK_NO_DEVICE, "this library was built without GLCompute");
    return ESK_OK;
}

static void list_free(struct esk_device_facts *facts, size_t count) {
    (void)facts;
    (void)count;
}

static esk_status open(const struct esk_device_options *options, const struct esk_logger *log,
                       struct esk_device **device, esk_error *error) {
    (void)options;
    (void)log;
    (void)device;
    return esk_fail(error, ESK_NO_DEVICE, "this library was built without GLCompute");
}

/* Nothing opens, so nothing else is called. */
const struct esk_provider esk_glcompute_provider = {
    .name = "GLCompute",
    .list = list,
    .list_free = list_free,
    .open = open,
};
