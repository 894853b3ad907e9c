/* Profiles: records of phases, nodes and kernels, and the Chrome trace made of them. In:
 * times; out: records, JSON. Must not know operators by name, GL or EGL. */
#include "run/trace.h"

#include "base/mem.h"
#include "run/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RECORDS = 1000000 }; /* ONNX Runtime's bound too */

struct esk_profile {
    pthread_mutex_t lock;   /* everything below */
    struct esk_arena arena; /* what records point to */
    struct esk_record *records;
    size_t count, capacity;
    uint64_t origin_ns; /* of its creation */
    uint32_t runs;
    bool lost; /* a record, for lack of memory */
    bool full;
};

uint64_t esk_trace_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

esk_status esk_profile_create(esk_profile **profile, esk_error *error) {
    struct esk_profile *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a profile");
    if (pthread_mutex_init(&made->lock, NULL)) {
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    }
    made->origin_ns = esk_trace_now();
    *profile = made;
    return ESK_OK;
}

void esk_profile_destroy(esk_profile *profile) {
    if (!profile)
        return;
    esk_arena_finish(&profile->arena);
    esk_free(profile->records);
    pthread_mutex_destroy(&profile->lock);
    esk_free(profile);
}

size_t esk_profile_count(const esk_profile *profile) {
    return profile->count;
}

const esk_record *esk_profile_get(const esk_profile *profile, size_t index) {
    return index < profile->count ? &profile->records[index] : NULL;
}

uint32_t esk_trace_run(esk_profile *profile) {
    if (!profile)
        return 0;
    pthread_mutex_lock(&profile->lock);
    uint32_t run = ++profile->runs;
    pthread_mutex_unlock(&profile->lock);
    return run;
}

/* ---- records; under the lock ---- */

static const char *keep_text(struct esk_profile *profile, const char *text) {
    const char *kept = text && *text ? esk_arena_strdup(&profile->arena, text) : "";
    profile->lost |= !kept;
    return kept ? kept : "";
}

static const esk_value_info *keep_infos(struct esk_profile *profile,
                                        const struct esk_graph *graph, const esk_id *vars,
                                        uint32_t count, size_t *kept) {
    esk_value_info *infos = ESK_ARENA_ARRAY(&profile->arena, esk_value_info, count);
    *kept = 0;
    for (uint32_t i = 0; infos && i < count; i++) {
        if (vars[i] == ESK_NONE)
            continue;
        const struct esk_var *var = graph->vars[vars[i]];
        int64_t *dims = NULL;
        if (var->rank > 0)
            dims = esk_arena_copy(&profile->arena, var->dim,
                                  (size_t)var->rank * sizeof *dims);
        profile->lost |= var->rank > 0 && !dims;
        infos[(*kept)++] =
            (esk_value_info){.name = keep_text(profile, var->name),
                             .dtype = var->dtype,
                             .rank = dims || var->rank <= 0 ? var->rank : -1,
                             .dims = dims};
    }
    profile->lost |= !infos;
    return infos;
}

/* Adds a record, with copies of its strings; NULL if there is no room. */
static struct esk_record *add_record(struct esk_profile *profile,
                                     const struct esk_record *record) {
    if (profile->count >= MOST_RECORDS) {
        profile->full = true;
        return NULL;
    }
    if (!esk_grow((void **)&profile->records, &profile->capacity, profile->count + 1,
                  sizeof *profile->records)) {
        profile->lost = true;
        return NULL;
    }
    struct esk_record *r = &profile->records[profile->count++];
    *r = *record;
    r->name = keep_text(profile, record->name);
    r->op_type = keep_text(profile, record->op_type);
    r->domain = keep_text(profile, record->domain);
    r->provider = keep_text(profile, record->provider);
    r->recipe = keep_text(profile, record->recipe);
    r->kernel = keep_text(profile, record->kernel);
    r->clock = keep_text(profile, record->clock);
    r->tag = keep_text(profile, record->tag);
    r->thread = gettid();
    return r;
}

static struct esk_record node_record(const struct esk_graph *graph,
                                     const struct esk_node *node) {
    struct esk_record r = {.kind = ESK_RECORD_NODE,
                           .name = node->name,
                           .op_type = node->op_type,
                           .domain = node->domain};
    while (r.node < graph->n_nodes && graph->nodes[r.node] != node)
        r.node++;
    return r;
}

static void add_node(struct esk_profile *profile, const struct esk_graph *graph,
                     const struct esk_node *node, const struct esk_record *record) {
    struct esk_record *r = add_record(profile, record);
    if (!r)
        return;
    r->inputs = keep_infos(profile, graph, node->in, node->n_in, &r->n_inputs);
    r->outputs = keep_infos(profile, graph, node->out, node->n_out, &r->n_outputs);
}

void esk_trace_phase(esk_profile *profile, uint32_t run, const char *tag,
                     const char *name, uint64_t start_ns) {
    if (!profile)
        return;
    uint64_t now = esk_trace_now();
    pthread_mutex_lock(&profile->lock);
    add_record(profile, &(struct esk_record){.kind = ESK_RECORD_SESSION,
                                             .run = run,
                                             .tag = tag,
                                             .name = name,
                                             .clock = "CPU",
                                             .start_ns = start_ns,
                                             .duration_ns = now - start_ns});
    pthread_mutex_unlock(&profile->lock);
}

void esk_trace_host(esk_profile *profile, uint32_t run, const struct esk_graph *graph,
                    const struct esk_node *node, uint64_t start_ns) {
    if (!profile)
        return;
    uint64_t now = esk_trace_now();
    pthread_mutex_lock(&profile->lock);
    struct esk_record r = node_record(graph, node);
    r.run = run;
    r.provider = "CPU";
    r.clock = "CPU";
    r.start_ns = start_ns;
    r.duration_ns = now - start_ns;
    add_node(profile, graph, node, &r);
    pthread_mutex_unlock(&profile->lock);
}

/* ---- commands ---- */

esk_status esk_trace_watch(const struct esk_plan *plan,
                           const struct esk_provider *provider, struct esk_lease *lease,
                           struct esk_times *times, esk_error *error) {
    *times = (struct esk_times){.capacity = plan->n_commands, .clock = ""};
    times->items = esk_calloc(plan->n_commands + 1u, sizeof *times->items);
    if (!times->items)
        return esk_fail_memory(error, "a profile");
    provider->watch(lease, times);
    return ESK_OK;
}

void esk_trace_unwatch(const struct esk_provider *provider, struct esk_lease *lease,
                       struct esk_times *times) {
    if (times->items)
        provider->watch(lease, NULL);
    esk_free(times->items);
    *times = (struct esk_times){0};
}

static double operand_bytes(const struct esk_plan *plan,
                            const struct esk_command *command, uint32_t operand) {
    uint32_t id = command->buffers[operand];
    uint64_t all = ESK_COMMAND_IS_FORM(id) ? plan->forms[ESK_COMMAND_FORM(id)].form.bytes
                   : id < plan->n_buffers  ? plan->buffers[id].bytes
                                           : 0;
    uint64_t skip = command->kernel->operands[operand].offset;
    return all > skip ? (double)(all - skip) : 0;
}

void esk_trace_work(const struct esk_plan *plan, const struct esk_command *command,
                    double *flops, double *bytes) {
    const struct esk_kernel *k = command->kernel;
    double most = 0; /* a kernel that reads all of its operands once */
    for (uint32_t i = 0; i < k->n_operands; i++)
        most += operand_bytes(plan, command, i) *
                (k->operands[i].access == ESK_READ_WRITE ? 2 : 1);
    *flops = k->flops;
    *bytes = k->bytes > 0 && k->bytes < most ? k->bytes : most;
}

static struct esk_record kernel_record(const struct esk_plan *plan,
                                       const struct esk_command_time *time,
                                       const struct esk_record *node) {
    const struct esk_command *command = &plan->commands[time->command];
    const struct esk_kernel *k = command->kernel;
    struct esk_record r = *node;
    r.kind = ESK_RECORD_KERNEL;
    r.kernel = k->template;
    r.dispatches = time->dispatches;
    r.start_ns = time->start_ns;
    r.duration_ns = time->ns;
    if (k->indirect < 0)
        memcpy(r.groups, k->groups, sizeof r.groups);
    esk_trace_work(plan, command, &r.flops, &r.bytes);
    return r;
}

void esk_trace_commands(esk_profile *profile, uint32_t run, const struct esk_plan *plan,
                        const struct esk_provider *provider,
                        const struct esk_times *times, uint32_t first) {
    if (!profile)
        return;
    pthread_mutex_lock(&profile->lock);
    for (uint32_t i = first; i < times->count;) {
        const struct esk_command *command = &plan->commands[times->items[i].command];
        uint32_t id = command->node;
        const struct esk_node *node = id == ESK_NONE ? NULL : plan->graph->nodes[id];
        struct esk_record whole = {.kind = ESK_RECORD_NODE,
                                   .run = run,
                                   .provider = provider->name,
                                   .clock = times->clock,
                                   .node = id,
                                   .start_ns = times->items[i].start_ns};
        /* a kernel between nodes that changes a layout belongs to none */
        whole.name = node ? node->name : command->kernel->label;
        whole.op_type = node ? node->op_type : "(layout)";
        whole.domain = node ? node->domain : "";
        whole.recipe = node ? node->label : "";
        const struct esk_record base = whole;
        for (; i < times->count && plan->commands[times->items[i].command].node == id;
             i++) {
            struct esk_record r = kernel_record(plan, &times->items[i], &base);
            add_record(profile, &r);
            whole.kernels++;
            whole.dispatches += r.dispatches;
            whole.flops += r.flops;
            whole.bytes += r.bytes;
            whole.duration_ns = r.start_ns + r.duration_ns - whole.start_ns;
        }
        if (node)
            add_node(profile, plan->graph, node, &whole);
        else
            add_record(profile, &whole);
    }
    pthread_mutex_unlock(&profile->lock);
}

/* ---- the Chrome trace ---- */

static void add_string(struct esk_text *text, const char *string) {
    esk_text_append(text, "\"", 1);
    for (const char *c = string; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            esk_text_append(text, "\\", 1);
        if (byte < 0x20)
            esk_text_add(text, "\\u%04x", byte);
        else
            esk_text_append(text, c, 1);
    }
    esk_text_append(text, "\"", 1);
}

/* Arguments are strings but for the shapes, as ONNX Runtime writes them. */
static void add_argument(struct esk_text *text, const char *name, const char *value) {
    esk_text_add(text, ",\"%s\":", name);
    add_string(text, value);
}

static void add_shapes(struct esk_text *text, const char *name,
                       const esk_value_info *infos, size_t count) {
    esk_text_add(text, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        esk_text_add(text, "%s{\"%s\":[", i ? "," : "", esk_dtype_name(infos[i].dtype));
        for (int a = 0; a < infos[i].rank; a++)
            esk_text_add(text, "%s%lld", a ? "," : "", (long long)infos[i].dims[a]);
        esk_text_append(text, "]}", 2);
    }
    esk_text_append(text, "]", 1);
}

static double rate(double work, uint64_t ns) {
    return ns ? work / (double)ns : 0;
}

static void add_event(const esk_profile *profile, const struct esk_record *r,
                      struct esk_text *text) {
    static const char *const categories[] = {"Session", "Node", "Kernel"};
    /* times on the device's own clock overlap with what the thread did: a row of their
     * own */
    bool device = r->kind != ESK_RECORD_SESSION && strncmp(r->clock, "GPU", 3) == 0;
    int64_t start = (int64_t)(r->start_ns - profile->origin_ns);
    esk_text_add(text,
                 ",\n{\"cat\":\"%s\",\"pid\":%ld,\"tid\":%lld,\"dur\":%.3f,\"ts\":%.3f,"
                 "\"ph\":\"X\",\"name\":",
                 categories[r->kind], (long)getpid(), device ? 0 : (long long)r->thread,
                 (double)r->duration_ns / 1e3, (double)start / 1e3);
    if (r->kind == ESK_RECORD_NODE) {
        struct esk_text name = {0};
        esk_text_add(&name, "%s_kernel_time", r->name);
        add_string(text, esk_text_str(&name));
        esk_text_finish(&name);
    } else
        add_string(text, r->kind == ESK_RECORD_KERNEL ? r->kernel : r->name);
    esk_text_append(text, ",\"args\":{", 9);
    if (r->kind == ESK_RECORD_SESSION) {
        esk_text_add(text, "\"run\":\"%u\"", r->run);
        if (*r->tag)
            add_argument(text, "run_tag", r->tag);
        esk_text_append(text, "}}", 2);
        return;
    }
    esk_text_add(text, "\"op_name\":");
    add_string(text, r->op_type);
    add_argument(text, "provider", r->provider);
    esk_text_add(text, ",\"node_index\":\"%d\",\"run\":\"%u\"", (int)r->node, r->run);
    if (r->kind == ESK_RECORD_KERNEL)
        add_argument(text, "node", r->name);
    if (*r->domain)
        add_argument(text, "domain", r->domain);
    if (*r->recipe)
        add_argument(text, "recipe", r->recipe);
    add_argument(text, "clock", r->clock);
    if (r->kind == ESK_RECORD_KERNEL)
        esk_text_add(text, ",\"groups\":\"%llu,%llu,%llu\"",
                     (unsigned long long)r->groups[0], (unsigned long long)r->groups[1],
                     (unsigned long long)r->groups[2]);
    if (r->dispatches)
        esk_text_add(text,
                     ",\"dispatches\":\"%u\",\"flops\":\"%.0f\",\"bytes\":\"%.0f\","
                     "\"gflops\":\"%.2f\",\"gbytes_per_s\":\"%.2f\"",
                     r->dispatches, r->flops, r->bytes, rate(r->flops, r->duration_ns),
                     rate(r->bytes, r->duration_ns));
    if (r->kind == ESK_RECORD_NODE) {
        add_shapes(text, "input_type_shape", r->inputs, r->n_inputs);
        add_shapes(text, "output_type_shape", r->outputs, r->n_outputs);
    }
    esk_text_append(text, "}}", 2);
}

static void add_name(struct esk_text *text, const char *kind, long long thread,
                     const char *name) {
    esk_text_add(
        text,
        "%s{\"cat\":\"__metadata\",\"ph\":\"M\",\"pid\":%ld,\"tid\":%lld,\"ts\":0,"
        "\"name\":\"%s\",\"args\":{\"name\":",
        text->length > 2 ? ",\n" : "", (long)getpid(), thread, kind);
    add_string(text, name);
    esk_text_append(text, "}}", 2);
}

esk_status esk_profile_write(const esk_profile *profile, const char *path,
                             esk_error *error) {
    struct esk_text text = {0};
    esk_status status = ESK_OK;
    esk_text_append(&text, "[\n", 2);
    add_name(&text, "process_name", 0, "esker");
    add_name(&text, "thread_name", 0, "device");
    for (size_t i = 0; i < profile->count; i++)
        add_event(profile, &profile->records[i], &text);
    esk_text_append(&text, "\n]\n", 3);
    if (text.failed || profile->lost)
        status = esk_fail_memory(error, "a trace");
    FILE *file = status == ESK_OK ? fopen(path, "wb") : NULL;
    if (status == ESK_OK) {
        bool written = file && fwrite(text.data, 1, text.length, file) == text.length;
        int code = errno;
        if (file && fclose(file) != 0 && written) {
            written = false;
            code = errno;
        }
        if (!written)
            status = esk_fail(error, ESK_IO, "trace '%s': %s", path, strerror(code));
    }
    esk_text_finish(&text);
    return status;
}

/* ---- sessions that profile ---- */

static esk_status end_profiling(esk_session *session, struct esk_text *path,
                                esk_error *error) {
    if (!session->profile || !atomic_exchange(&session->profiling, false))
        return esk_fail(
            error, ESK_NOT_FOUND,
            "the session does not profile: enableProfiling is 0, or its profile "
            "was ended");
    const char *prefix = session->settings.text[ESK_OPTION_PROFILE_PREFIX];
    time_t now = time(NULL);
    struct tm date;
    char stamp[32] = "";
    if (localtime_r(&now, &date))
        strftime(stamp, sizeof stamp, "%Y-%m-%d_%H-%M-%S", &date);
    for (int i = 0; i < 1000; i++) { /* sessions that end within one second */
        esk_text_clear(path);
        esk_text_add(path, "%s_%s", prefix && *prefix ? prefix : "esker_profile", stamp);
        if (i)
            esk_text_add(path, "_%d", i);
        esk_text_add(path, ".json");
        if (access(esk_text_str(path), F_OK) != 0)
            break;
    }
    if (path->failed)
        return esk_fail_memory(error, "a trace's name");
    return esk_profile_write(session->profile, path->data, error);
}

esk_status esk_session_end_profiling(esk_session *session, char **path,
                                     esk_error *error) {
    struct esk_text text = {0};
    esk_status status = end_profiling(session, &text, error);
    if (status == ESK_OK)
        *path = text.data;
    else
        esk_text_finish(&text);
    return status;
}

void esk_session_write_profile(esk_session *session) {
    struct esk_text path = {0};
    esk_error error = ESK_ERROR_INIT;
    if (!session->profile || !atomic_load(&session->profiling) || !session->exec)
        return;
    if (end_profiling(session, &path, &error) == ESK_OK)
        esk_log(&session->env->logger, ESK_LOG_INFO, "the profile is in '%s'",
                esk_text_str(&path));
    else
        esk_log(&session->env->logger, ESK_LOG_ERROR, "%s", esk_error_message(&error));
    esk_error_clear(&error);
    esk_text_finish(&path);
}
