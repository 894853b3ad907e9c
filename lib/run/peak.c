/* The ceilings of a device: multiply-adds, copies, the price of a dispatch. In: session
 * options; out: figures. Goes the way of any plan: kernels, a plan, a prepared record; so
 * what a model pays is what is measured. Must not know GL. */
#include "base/mem.h"
#include "esker/profile.h"
#include "glcompute/glcompute.h"
#include "run/env.h"
#include "run/session.h"
#include "run/trace.h"

#include <string.h>

enum {
    COPY_BYTES = 32 << 20,
    DISPATCHES = 200, /* of the stage that prices them */
    REPEATS = 6,
    LEAST_NS = 4000000, /* of a command whose rate counts */
};

/* A plan of our own with what runs it. */
struct trial {
    const struct esk_provider *provider;
    struct esk_device *device;
    const struct esk_limits *limits;
    struct esk_plan *plan;
    struct esk_recipe *recipe;
    struct esk_prepared *prepared;
    struct esk_lease *lease;
    double work; /* operations that kernels claim besides their own */
};

static void finish(struct trial *t) {
    if (t->lease)
        t->provider->release(t->lease);
    if (t->prepared)
        t->provider->unprepare(t->prepared);
    esk_plan_destroy(t->plan);
    t->plan = NULL;
    t->prepared = NULL;
    t->lease = NULL;
}

/* An empty plan with one recipe and buffers X and Y of `bytes` each. */
static esk_status start(struct trial *t, size_t bytes, esk_error *error) {
    t->plan = esk_plan_create();
    if (!t->plan)
        return esk_fail_memory(error, "a plan");
    struct esk_ctx ctx = {.recipes = &t->plan->recipes};
    t->recipe = esk_add_recipe(&ctx, "peak");
    struct esk_plan *plan = t->plan;
    plan->buffers = esk_calloc(2, sizeof *plan->buffers);
    plan->slab_bytes = esk_calloc(2, sizeof *plan->slab_bytes);
    plan->stages = esk_calloc(1, sizeof *plan->stages);
    plan->commands = esk_calloc(DISPATCHES, sizeof *plan->commands);
    if (plan->recipes.failed || !plan->buffers || !plan->slab_bytes || !plan->stages ||
        !plan->commands)
        return esk_fail_memory(error, "a plan");
    for (uint32_t i = 0; i < 2; i++) {
        esk_recipe_scratch(t->recipe, bytes, ESK_STORAGE_F32);
        plan->slab_bytes[i] = bytes;
        plan->buffers[i] = (struct esk_buffer){
            .var = ESK_NONE,
            .storage = ESK_STORAGE_F32,
            .dtype = ESK_FLOAT,
            .bytes = bytes,
            .place = {.slot = ESK_SLOT_ACTIVATION, .index = i, .bytes = bytes},
        };
    }
    plan->n_buffers = plan->n_slabs = 2;
    plan->n_stages = 1;
    return ESK_OK;
}

/* `count` commands of the recipe's only kernel, each behind a barrier; made ready. */
static esk_status ready(struct trial *t, uint32_t count, esk_error *error) {
    struct esk_kernel *k = &t->recipe->kernels[0];
    if (t->recipe->n_kernels != 1 || k->defines.failed)
        return esk_fail_memory(error, "a kernel");
    k->label = k->template;
    for (uint32_t i = 0; i < count; i++) {
        struct esk_command *command = &t->plan->commands[i];
        *command = (struct esk_command){.kernel = k, .node = ESK_NONE, .barrier = i > 0};
        for (uint32_t j = 0; j < k->n_operands; j++)
            command->buffers[j] = k->operands[j].id;
    }
    t->plan->n_commands = t->plan->stages[0].n_commands = count;
    ESK_TRY(t->provider->prepare(t->device, t->plan, &t->prepared, error));
    if (t->provider->settle)
        t->provider->settle(t->prepared);
    return t->provider->lease(t->prepared, &t->lease, error);
}

/* The least time of a stage: of its only command, or (`whole`) as the caller sees it. */
static esk_status run(struct trial *t, bool whole, uint32_t repeats, double *ns,
                      esk_error *error) {
    const struct esk_run_call call = {.graph_id = -1};
    *ns = 0;
    for (uint32_t i = 0; i < repeats; i++) {
        struct esk_command_time item = {0};
        struct esk_times times = {.items = &item, .capacity = 1};
        uint64_t begin = esk_trace_now();
        if (!whole)
            t->provider->watch(t->lease, &times);
        esk_status status = t->provider->run_stage(t->lease, 0, NULL, &call, error);
        if (!whole)
            t->provider->watch(t->lease, NULL);
        ESK_TRY(status);
        double took = whole ? (double)(esk_trace_now() - begin) : (double)item.ns;
        if (i && (!*ns || took < *ns)) /* the first one compiles */
            *ns = took;
    }
    return ESK_OK;
}

static struct esk_ref_to buffer(uint32_t id) {
    return (struct esk_ref_to){ESK_REF_SCRATCH, id};
}

/* ---- multiply-adds ---- */

/* One shape of the kernel; *flops of a round of all invocations. */
static esk_status madd_kernel(struct trial *t, int accumulators, int steps, bool wide,
                              int rounds, double *flops, esk_error *error) {
    uint32_t local = t->limits->software ? t->limits->lanes : t->limits->group_1d;
    uint64_t groups = t->limits->software ? 64 : 2048;
    ESK_TRY(start(t, (size_t)(local * groups) * 16, error));
    struct esk_kernel *k = esk_recipe_kernel(t->recipe, "peak_madd");
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, groups, 1, 1);
    esk_kernel_define(k, "ACCUMULATORS", accumulators);
    esk_kernel_define(k, "STEPS", steps);
    esk_kernel_define(k, "WIDE", wide);
    esk_kernel_int(k, "rounds", rounds);
    esk_kernel_ref(k, "Y", t->recipe, buffer(1), ESK_WRITE, ESK_VEC4);
    *flops = 8.0 * accumulators * steps * (double)(local * groups);
    k->flops = *flops * rounds;
    return ready(t, 1, error);
}

/* GFLOP/s of a shape: rounds are doubled until a command takes long enough. */
static esk_status madd_rate(struct trial *t, int accumulators, int steps, bool wide,
                            uint32_t repeats, double *rate, esk_error *error) {
    int most = t->limits->max_iterations ? (int)t->limits->max_iterations - 1 : 1 << 20;
    esk_status status = ESK_OK;
    double ns = 0, flops = 0;
    for (int rounds = 128 / (accumulators * steps) + 1;; rounds *= 4) {
        bool last = rounds * 4 > most;
        status = madd_kernel(t, accumulators, steps, wide, rounds, &flops, error);
        if (status == ESK_OK)
            status = run(t, false, 2, &ns, error);
        if (status == ESK_OK && (ns >= LEAST_NS || last))
            status = run(t, false, repeats, &ns, error);
        finish(t);
        *rate = ns > 0 ? flops * rounds / ns : 0;
        if (status != ESK_OK || ns >= LEAST_NS || last)
            return status;
    }
}

static esk_status measure_madd(struct trial *t, esk_device_peak *peak, esk_error *error) {
    /* few accumulators wait for their own results, many spill: which is best is a
     * property of the compiler as much as of the chip */
    static const struct {
        int accumulators, steps;
        bool wide;
    } shapes[] = {{1, 16, false}, {2, 8, false},  {2, 32, true}, {3, 4, false},
                  {3, 8, false},  {3, 16, false}, {4, 4, false}, {6, 4, false},
                  {8, 16, true},  {16, 8, true},  {32, 4, true}};
    const size_t count = sizeof shapes / sizeof shapes[0];
    size_t best = 0;
    for (size_t i = 0; i <= count; i++) { /* at last the best one again, longer */
        size_t at = i < count ? i : best;
        double rate;
        ESK_TRY(madd_rate(t, shapes[at].accumulators, shapes[at].steps, shapes[at].wide,
                          i < count ? REPEATS : 4 * REPEATS, &rate, error));
        if (rate > peak->gflops) {
            peak->gflops = rate;
            peak->accumulators = shapes[at].accumulators;
            best = at;
        }
    }
    return ESK_OK;
}

/* ---- copies and dispatches ---- */

static esk_status copy_kernel(struct trial *t, size_t bytes, uint32_t count,
                              esk_error *error) {
    ESK_TRY(start(t, bytes, error));
    struct esk_kernel *k = esk_recipe_kernel(t->recipe, "peak_copy");
    uint32_t local = t->limits->group_1d;
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, bytes / (64u * local), 1, 1);
    esk_kernel_ref(k, "X", t->recipe, buffer(0), ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "Y", t->recipe, buffer(1), ESK_WRITE, ESK_VEC4);
    k->bytes = 2.0 * (double)bytes;
    k->flops = t->work;
    return ready(t, count, error);
}

static esk_status measure_copy(struct trial *t, esk_device_peak *peak, esk_error *error) {
    size_t bytes = COPY_BYTES;
    while (bytes > t->limits->max_slab || bytes > t->limits->max_binding)
        bytes /= 2;
    double ns = 0;
    esk_status status = copy_kernel(t, bytes, 1, error);
    if (status == ESK_OK)
        status = run(t, false, REPEATS, &ns, error);
    finish(t);
    peak->gbytes_per_s = ns > 0 ? 2.0 * (double)bytes / ns : 0;
    return status;
}

/* What one more dispatch of a few groups, behind a barrier, costs a stage; *inlined: the
 * calling thread computed it. `work`: what the plan pretends to do, by which a provider
 * that can do both chooses. */
static esk_status dispatch_price(struct trial *t, double work, double *us,
                                 double *stage_us, bool *inlined, esk_error *error) {
    double ns[2] = {0, 0};
    struct esk_counters before, after;
    t->provider->counters(t->device, &before);
    for (int i = 0; i < 2; i++) {
        t->work = work;
        /* a group a thread: one alone gains nothing from a pool */
        size_t bytes = 64u * t->limits->group_1d *
                       (t->limits->pool_threads ? t->limits->pool_threads : 1u);
        esk_status status = copy_kernel(t, bytes, i ? DISPATCHES : 1, error);
        if (status == ESK_OK)
            status = run(t, true, 4 * REPEATS, &ns[i], error);
        finish(t);
        t->work = 0;
        ESK_TRY(status);
    }
    t->provider->counters(t->device, &after);
    *us = (ns[1] - ns[0]) / (DISPATCHES - 1) / 1e3;
    *stage_us = ns[0] / 1e3;
    *inlined = after.inline_dispatches > before.inline_dispatches;
    return ESK_OK;
}

static esk_status measure_dispatch(struct trial *t, esk_device_peak *peak,
                                   esk_error *error) {
    double us, stage_us;
    bool inlined;
    ESK_TRY(
        dispatch_price(t, 1e12, &peak->dispatch_us, &peak->stage_us, &inlined, error));
    ESK_TRY(dispatch_price(t, 0, &us, &stage_us, &inlined, error));
    if (inlined)
        peak->inline_dispatch_us = us;
    return ESK_OK;
}

esk_status esk_device_measure(esk_env *env, const esk_session_options *options,
                              esk_device_peak *peak, esk_error *error) {
    if (!env || !peak || peak->struct_size != sizeof *peak)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "esk_device_measure: env or peak is NULL, or struct_size is not %zu",
            sizeof *peak);
    struct esk_settings plain;
    const struct esk_settings *settings = &plain;
    esk_settings_init(&plain);
    if (options)
        settings = &options->settings;
    struct esk_open_device *open;
    esk_device_peak made = {.struct_size = sizeof made};
    esk_status status =
        esk_env_device(env, &esk_glcompute_provider, settings, &open, error);
    if (status == ESK_OK) {
        struct trial t = {.provider = open->provider, .device = open->device};
        t.limits = &open->provider->facts(open->device)->limits;
        status = measure_madd(&t, &made, error);
        if (status == ESK_OK)
            status = measure_copy(&t, &made, error);
        if (status == ESK_OK)
            status = measure_dispatch(&t, &made, error);
        esk_env_release(env, open);
    }
    esk_settings_finish(&plain);
    if (status == ESK_OK)
        *peak = made;
    return status;
}
