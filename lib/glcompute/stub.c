/* The provider in a build without GLCompute: no devices, with the reason. In: options;
 * out: errors. Knows nothing of GL. */
#include "glcompute/glcompute.h"

#include "base/error.h"

static const char reason[] = "built without GLCompute";

static esk_status stub_list(const struct esk_device_options *options,
                            const struct esk_logger *log, struct esk_device_facts **list,
                            size_t *count, esk_error *error) {
    (void)options, (void)log;
    *list = NULL;
    *count = 0;
    esk_fail(error, ESK_NO_DEVICE, "%s", reason);
    return ESK_OK; /* an empty list is no error */
}

static void stub_list_free(struct esk_device_facts *list, size_t count) {
    (void)list, (void)count;
}

static esk_status stub_open(const struct esk_device_options *options,
                            const struct esk_logger *log, struct esk_device **device,
                            esk_error *error) {
    (void)options, (void)log, (void)device;
    return esk_fail(error, ESK_NO_DEVICE, "%s", reason);
}

static void stub_close(struct esk_device *device) {
    (void)device;
}

/* Nothing opens, so the rest is never called. */
const struct esk_provider esk_glcompute_provider = {
    .name = "GLCompute",
    .list = stub_list,
    .list_free = stub_list_free,
    .open = stub_open,
    .close = stub_close,
};
