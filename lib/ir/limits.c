/* The listing of limits. In: limits; out: text, one fact a line. */
#include "ir/limits.h"

#include "base/text.h"

enum { MIB = 1 << 20 };

static void add_bytes(struct esk_text *text, const char *name, uint64_t bytes) {
    if (bytes && bytes % MIB == 0)
        esk_text_add(text, "%s: %llu MiB\n", name, (unsigned long long)(bytes / MIB));
    else
        esk_text_add(text, "%s: %llu\n", name, (unsigned long long)bytes);
}

void esk_limits_text(const struct esk_limits *limits, struct esk_text *text) {
    const struct esk_limits *l = limits;
    esk_text_add(text, "software: %s\n", l->software ? "yes" : "no");
    esk_text_add(text, "clamped: %s\n", l->clamped ? "yes" : "no");
    esk_text_add(text, "read path: %s\n",
                 l->read_path == ESK_READ_IMAGE ? "image" : "ssbo");
    esk_text_add(text, "max invocations: %u\n", l->max_invocations);
    esk_text_add(text, "max local size: %u %u %u\n", l->max_local[0], l->max_local[1],
                 l->max_local[2]);
    esk_text_add(text, "max groups: %u %u %u\n", l->max_groups[0], l->max_groups[1],
                 l->max_groups[2]);
    esk_text_add(text, "max shared: %u\n", l->max_shared);
    esk_text_add(text, "max ssbos: %u\n", l->max_ssbos);
    esk_text_add(text, "max images: %u\n", l->max_images);
    esk_text_add(text, "max outputs: %u\n", l->max_outputs);
    esk_text_add(text, "max ubo: %u\n", l->max_ubo);
    esk_text_add(text, "ubo align: %u\n", l->ubo_align);
    esk_text_add(text, "ssbo align: %u\n", l->ssbo_align);
    add_bytes(text, "max binding", l->max_binding);
    esk_text_add(text, "max texels: %llu\n", (unsigned long long)l->max_texels);
    add_bytes(text, "max slab", l->max_slab);
    if (l->max_iterations)
        esk_text_add(text, "max iterations: %u\n", l->max_iterations);
    else
        esk_text_add(text, "max iterations: unlimited\n");
    esk_text_add(text, "lanes: %u\n", l->lanes);
    esk_text_add(text, "group 1d: %u\n", l->group_1d);
    if (l->pool_threads)
        esk_text_add(text, "pool threads: %u\n", l->pool_threads);
    esk_text_add(text, "slow shared: %s\n", l->slow_shared ? "yes" : "no");
    esk_text_add(text, "layout: %s\n", l->planes ? "NCHW" : "NHWC");
}
