/* The second lane's thread. In: parts to compile, stages to take part in; out: programs,
 * commands done. Must not know operators, nor how slots get their buffers.
 *
 * Its context is of ES, so that programs, their binaries and the driver's disk cache are
 * the screen's. Mesa's llvmpipe takes AMD_pinned_memory's target there too, without
 * naming the extension; where it is not taken, the proof fails and there is no lane. */
#include "glcompute/lane.h"

#include "base/error.h"
#include "base/mem.h"
#include "glcompute/proof.h"
#include "glcompute/warm.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS ((int64_t)1000000)

enum {
    SETTLE_MS = 50, /* until what the screen compiled is in the driver's disk cache */
    SLOW_MS = 15,   /* from there a program takes less */
    REST = 3, /* after others: so many times as long, for whoever else wants the core */
};

struct esk_gl_part {
    struct esk_gl_part *next;    /* to be compiled */
    struct esk_gl_record record; /* the screen's, but for programs */
    struct esk_gl_buffer **slots;
    uint32_t compiled; /* commands */
    atomic_bool ready;
    bool told;               /* the log */
    int64_t begun, ready_at; /* ns */
};

/* A stage to take part in: at once, or in its middle when the part is ready. */
struct job {
    struct esk_gl_part *part; /* NULL: no stage */
    uint32_t stage;
    struct esk_gl_buffer *const *slots;
    struct esk_gl_buffer *params;
};

struct esk_gl_lane {
    struct esk_egl *egl; /* owned */
    struct esk_gl gl;
    struct esk_gl_memory *screen; /* borrowed: the screen's */
    struct esk_gl_memory memory;  /* of pins */
    /* nobody's: pins are no memory, programs are the screen's */
    struct esk_counters counters;
    struct esk_gl_programs programs;
    struct esk_gl_warm warm;
    const struct esk_logger *logger;
    struct esk_gl_course course;
    pid_t pid; /* a forked child has no thread */
    pthread_t thread;
    struct esk_gl_buffer *proof; /* borrowed from open; NULL once proved */
    pthread_mutex_t lock;        /* of what follows */
    pthread_cond_t called;       /* the thread */
    pthread_cond_t idle;         /* whoever waits for it */
    struct esk_gl_part *queue, *busy;
    int64_t rest_until; /* ns */
    uint32_t hurry;     /* callers that wait for programs: no rests */
    bool quit, settled, inside;
    struct job job;
    struct esk_gl_part *course_part; /* the caller's: of the stage begun last */
    uint64_t taken;                  /* of the last job */
    esk_status status;
    esk_error error;
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 * MS + t.tv_nsec;
}

/* ---- programs ---- */

struct esk_gl_part *esk_gl_lane_prepare(struct esk_gl_lane *lane,
                                        const struct esk_gl_record *record, bool fresh) {
    struct esk_gl_part *part = esk_calloc(1, sizeof *part);
    if (!part)
        return NULL;
    uint32_t n = record->n_commands;
    part->record = *record;
    part->slots = esk_calloc(record->n_slots + 1u, sizeof *part->slots);
    part->record.commands = esk_calloc(n + 1u, sizeof *part->record.commands);
    if (!part->slots || !part->record.commands) {
        esk_free(part->slots);
        esk_free(part->record.commands);
        esk_free(part);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        part->record.commands[i] = record->commands[i];
        part->record.commands[i].program = NULL;
    }
    pthread_mutex_lock(&lane->lock);
    struct esk_gl_part **at = &lane->queue;
    while (*at)
        at = &(*at)->next;
    *at = part;
    part->begun = now_ns();
    int64_t settled = part->begun + (fresh ? SETTLE_MS * MS : 0);
    lane->rest_until = lane->rest_until > settled ? lane->rest_until : settled;
    pthread_cond_signal(&lane->called);
    pthread_mutex_unlock(&lane->lock);
    return part;
}

void esk_gl_lane_settle(struct esk_gl_lane *lane, struct esk_gl_part *part) {
    pthread_mutex_lock(&lane->lock);
    lane->hurry++;
    for (;;) {
        struct esk_gl_part *at = lane->queue;
        while (at && at != part)
            at = at->next;
        if (!at && lane->busy != part)
            break;
        pthread_cond_wait(&lane->idle, &lane->lock);
    }
    lane->hurry--;
    pthread_mutex_unlock(&lane->lock);
}

void esk_gl_lane_unprepare(struct esk_gl_lane *lane, struct esk_gl_part *part) {
    if (!part)
        return;
    if (lane->pid == getpid()) {
        pthread_mutex_lock(&lane->lock);
        for (struct esk_gl_part **at = &lane->queue; *at; at = &(*at)->next)
            if (*at == part) {
                *at = part->next;
                break;
            }
        while (lane->busy == part)
            pthread_cond_wait(&lane->idle, &lane->lock);
        pthread_mutex_unlock(&lane->lock);
    }
    esk_free(part->slots);
    esk_free(part->record.commands);
    esk_free(part);
}

/* The next command's; false: this plan is done without the lane. */
static bool compile_next(struct esk_gl_lane *lane, struct esk_gl_part *part) {
    struct esk_gl_record *record = &part->record;
    if (part->compiled < record->n_commands) {
        struct esk_gl_command *c = &record->commands[part->compiled++];
        const struct esk_kernel *k = record->plan->commands[c->source].kernel;
        if (part->compiled > 1 && c->source == c[-1].source) {
            c->program = c[-1].program;
        } else {
            struct esk_gl_record one = *record;
            one.commands = c;
            one.n_commands = 1;
            if (esk_gl_program_start(&lane->programs, k, &c->reach, &c->program, NULL) !=
                    ESK_OK ||
                esk_gl_program_link(&lane->programs, k, &c->reach, c->program, NULL) !=
                    ESK_OK)
                return false;
            if (!c->program->warm)
                esk_gl_warm_up(&lane->warm, &lane->gl, &one);
        }
    }
    if (part->compiled == record->n_commands) {
        part->ready_at = now_ns();
        atomic_store(&part->ready, true);
    }
    return true;
}

/* One command of the first part in the queue. With the lock, which it gives up meanwhile.
 */
static void compile(struct esk_gl_lane *lane) {
    struct esk_gl_part *part = lane->busy = lane->queue;
    pthread_mutex_unlock(&lane->lock);
    int64_t start = now_ns();
    bool good = compile_next(lane, part);
    int64_t end = now_ns();
    esk_gl_status(&lane->gl, "compiling", NULL);
    pthread_mutex_lock(&lane->lock);
    lane->busy = NULL;
    if (end - start > SLOW_MS * MS && !lane->hurry)
        lane->rest_until = end + REST * (end - start);
    if (lane->queue == part && (!good || atomic_load(&part->ready)))
        lane->queue = part->next;
    pthread_cond_broadcast(&lane->idle);
}

/* ---- stages ---- */

static bool pin(struct esk_gl_lane *lane, struct esk_gl_buffer *buffer, uint32_t views) {
    if (!buffer->memory) /* a caller's */
        return false;
    if (!buffer->pin && esk_gl_buffer_pin(&lane->memory, buffer, NULL) != ESK_OK)
        return false;
    for (int v = 0; v < ESK_GL_VIEWS; v++)
        if (views >> v & 1 &&
            esk_gl_buffer_view(&lane->memory, buffer->pin, v, NULL) != ESK_OK)
            return false;
    return true;
}

/* Pins of buffers that are gone. In a stage, or without the thread: nobody else has the
 * list then. */
static void drop_pins(struct esk_gl_lane *lane) {
    while (lane->screen->unpinned) {
        struct esk_gl_buffer *pin = lane->screen->unpinned;
        lane->screen->unpinned = pin->next;
        pin->next = NULL;
        esk_gl_buffer_destroy(&lane->memory, pin);
    }
}

/* Without the lock: the job is the thread's own copy, for the caller may have ended it.
 */
static void take_part(struct esk_gl_lane *lane, const struct job *job) {
    struct esk_gl_part *part = job->part;
    bool all = pin(lane, job->params, 0);
    for (uint32_t i = 0; all && i < part->record.n_slots; i++) {
        struct esk_gl_buffer *buffer = job->slots[i];
        all = !buffer || pin(lane, buffer, part->record.slots[i].views);
        part->slots[i] = buffer && all ? buffer->pin : NULL;
    }
    drop_pins(lane);
    if (!all)
        return;
    const struct esk_gl_replay replay = {
        .slots = part->slots, .params = job->params->pin->id, .course = &lane->course};
    lane->taken = esk_gl_replay_along(&lane->gl, &part->record, job->stage, &replay);
    lane->status = esk_gl_status(&lane->gl, "the second lane", &lane->error);
}

struct esk_gl_course *esk_gl_lane_begin(struct esk_gl_lane *lane,
                                        struct esk_gl_part *part, uint32_t stage,
                                        struct esk_gl_buffer *const *slots,
                                        struct esk_gl_buffer *params) {
    if (!part || !params)
        return NULL;
    lane->course_part = part;
    esk_gl_course_reset(&lane->course);
    pthread_mutex_lock(&lane->lock);
    lane->job = (struct job){part, stage, slots, params};
    lane->taken = 0;
    lane->status = ESK_OK;
    pthread_cond_signal(&lane->called);
    pthread_mutex_unlock(&lane->lock);
    return &lane->course;
}

esk_status esk_gl_lane_end(struct esk_gl_lane *lane, uint64_t *taken, esk_error *error) {
    esk_gl_course_end(&lane->course);
    pthread_mutex_lock(&lane->lock);
    lane->job.part = NULL;
    while (lane->inside)
        pthread_cond_wait(&lane->idle, &lane->lock);
    esk_status status = lane->status;
    if (status != ESK_OK)
        esk_fail(error, status, "%s", esk_error_message(&lane->error));
    esk_error_clear(&lane->error);
    *taken = lane->taken;
    pthread_mutex_unlock(&lane->lock);
    struct esk_gl_part *part = lane->course_part;
    if (*taken && !part->told) { /* the lane's own thread must not */
        part->told = true;
        esk_log(lane->logger, ESK_LOG_INFO,
                "the second lane has its programs %lld ms after the plan was prepared",
                (long long)((part->ready_at - part->begun) / MS));
    }
    return status;
}

/* ---- the thread ---- */

static bool prove(struct esk_gl_lane *lane) {
    struct esk_gl_buffer *proof = lane->proof;
    if (esk_gl_buffer_pin(&lane->memory, proof, &lane->error) != ESK_OK)
        return false;
    if (!esk_gl_computes_inline(&lane->gl))
        esk_fail(&lane->error, ESK_UNSUPPORTED, "the display has threads already");
    else if (!esk_gl_writes_at_once(&lane->gl, proof->pin, proof->memory))
        esk_fail(&lane->error, ESK_UNSUPPORTED,
                 "a dispatch does not write the screen's memory at once");
    else
        return true;
    return false;
}

/* With the lock, until the lane is to end. */
static void work(struct esk_gl_lane *lane) {
    while (!lane->quit) {
        if (lane->job.part && atomic_load(&lane->job.part->ready)) {
            const struct job job = lane->job;
            lane->inside = true;
            pthread_mutex_unlock(&lane->lock);
            take_part(lane, &job);
            pthread_mutex_lock(&lane->lock);
            lane->inside = false;
            lane->job.part = NULL;
            pthread_cond_broadcast(&lane->idle);
        } else if (lane->queue && now_ns() >= lane->rest_until) {
            compile(lane);
        } else if (lane->queue) {
            int64_t until = lane->rest_until;
            struct timespec t = {.tv_sec = (time_t)(until / (1000 * MS)),
                                 .tv_nsec = (long)(until % (1000 * MS))};
            pthread_cond_timedwait(&lane->called, &lane->lock, &t);
        } else
            pthread_cond_wait(&lane->called, &lane->lock);
    }
}

static void *live(void *user) {
    struct esk_gl_lane *lane = user;
    struct esk_egl_saved saved;
    esk_status status = esk_egl_make_current(lane->egl, &saved, &lane->error);
    bool current = status == ESK_OK;
    if (current && !prove(lane))
        status = ESK_UNSUPPORTED;
    pthread_mutex_lock(&lane->lock);
    lane->status = status;
    lane->settled = true;
    pthread_cond_broadcast(&lane->idle);
    if (status == ESK_OK)
        work(lane);
    pthread_mutex_unlock(&lane->lock);
    if (current)
        esk_egl_restore(lane->egl, &saved, NULL);
    return NULL;
}

/* ---- opening ---- */

/* What the thread needs; false: no memory. */
static bool init(struct esk_gl_lane *lane, const struct esk_gl_programs *programs) {
    pthread_condattr_t clock;
    if (pthread_mutex_init(&lane->lock, NULL))
        return false;
    if (pthread_condattr_init(&clock) ||
        pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) ||
        pthread_cond_init(&lane->called, &clock) ||
        pthread_cond_init(&lane->idle, NULL) ||
        esk_gl_course_init(&lane->course, NULL) != ESK_OK)
        return false; /* on Linux none of them fails, or holds anything */
    pthread_condattr_destroy(&clock);
    char *folder = programs->cache.folder ? esk_strdup(programs->cache.folder) : NULL;
    if (programs->cache.folder && !folder)
        return false;
    lane->programs = (struct esk_gl_programs){
        .gl = &lane->gl,
        .shaders = programs->shaders,
        .counters = &lane->counters,
        .late = true,
        .cache = programs->cache,
        .n_formats = programs->n_formats,
    };
    memcpy(lane->programs.formats, programs->formats, sizeof programs->formats);
    lane->programs.cache.logger = NULL;
    lane->programs.cache.folder = folder;
    return true;
}

/* Calls that free objects of a context that is out of reach. */
static void GL_APIENTRY delete_objects(GLsizei n, const GLuint *ids) {
    (void)n, (void)ids;
}

static void GL_APIENTRY delete_object(GLuint id) {
    (void)id;
}

/* The thread is gone, or was never here. */
static void destroy(struct esk_gl_lane *lane) {
    struct esk_egl_saved saved = {.nested = true};
    struct esk_gl *gl = &lane->gl;
    if (esk_egl_make_current(lane->egl, &saved, NULL) != ESK_OK) {
        gl->DeleteBuffers = gl->DeleteTextures = delete_objects;
        gl->DeleteShader = gl->DeleteProgram = delete_object;
        gl->validate = false;
    }
    drop_pins(lane);
    if (lane->programs.gl)
        esk_gl_programs_finish(&lane->programs);
    if (lane->programs.gl &&
        lane->pid == getpid()) { /* in a child, the thread still waits */
        esk_gl_course_finish(&lane->course);
        pthread_cond_destroy(&lane->called);
        pthread_cond_destroy(&lane->idle);
        pthread_mutex_destroy(&lane->lock);
    }
    esk_egl_restore(lane->egl, &saved, NULL);
    esk_egl_close(lane->egl);
    esk_error_clear(&lane->error);
    esk_free(lane);
}

esk_status esk_gl_lane_open(struct esk_egl *egl, struct esk_gl_memory *memory,
                            const struct esk_gl_programs *programs,
                            const struct esk_logger *logger, struct esk_gl_lane **result,
                            esk_error *error) {
    struct esk_gl_lane *lane = esk_calloc(1, sizeof *lane);
    if (!lane) {
        esk_egl_close(egl);
        return esk_fail_memory(error, "a lane");
    }
    lane->egl = egl;
    lane->gl = *memory->gl;
    lane->screen = memory;
    lane->logger = logger;
    lane->pid = getpid();
    lane->error = (esk_error)ESK_ERROR_INIT;
    lane->memory = (struct esk_gl_memory){
        .gl = &lane->gl, .limits = memory->limits, .counters = &lane->counters};
    lane->warm = (struct esk_gl_warm){.alone = true};
    esk_status status = ESK_OK;
    if (!init(lane, programs))
        status = esk_fail_memory(error, "a lane");
    memory->pinned = true;
    if (status == ESK_OK)
        status = esk_gl_buffer_create(memory, ESK_GL_PROOF_BYTES, GL_DYNAMIC_COPY,
                                      "proof", &lane->proof, error);
    if (status == ESK_OK &&
        !esk_gl_writes_at_once(memory->gl, lane->proof, lane->proof->memory)) {
        esk_gl_buffer_destroy(memory, lane->proof);
        status = esk_fail(error, ESK_UNSUPPORTED,
                          "a dispatch does not write pinned memory at once");
    }
    if (status == ESK_OK && pthread_create(&lane->thread, NULL, live, lane)) {
        esk_gl_buffer_destroy(memory, lane->proof);
        status = esk_fail(error, ESK_OUT_OF_MEMORY, "no thread for a lane");
    }
    if (status != ESK_OK) {
        memory->pinned = false;
        destroy(lane);
        return status;
    }
    pthread_mutex_lock(&lane->lock);
    while (!lane->settled)
        pthread_cond_wait(&lane->idle, &lane->lock);
    status = lane->status;
    pthread_mutex_unlock(&lane->lock);
    if (status != ESK_OK) {
        pthread_join(lane->thread, NULL);
        esk_fail(error, status, "%s", esk_error_message(&lane->error));
    }
    esk_gl_buffer_destroy(memory, lane->proof); /* its pin is the lane's now */
    lane->proof = NULL;
    if (status == ESK_OK) {
        *result = lane;
        return ESK_OK;
    }
    memory->pinned = false;
    destroy(lane);
    return status;
}

void esk_gl_lane_close(struct esk_gl_lane *lane) {
    if (!lane)
        return;
    if (lane->pid == getpid()) {
        pthread_mutex_lock(&lane->lock);
        lane->quit = true;
        pthread_cond_signal(&lane->called);
        pthread_mutex_unlock(&lane->lock);
        pthread_join(lane->thread, NULL);
    }
    destroy(lane);
}
