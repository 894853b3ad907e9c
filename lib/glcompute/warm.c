/* Compiling and dispatches of no groups, on this thread and on helpers'. In: a record, a
 * GL table, a display; out: programs that the driver has finished. Must not know how
 * slots get their buffers.
 *
 * llvmpipe compiles to machine code in glDispatchCompute, on the calling thread, once a
 * context: 20 ms to 1.7 s a program. Its variants depend on the formats of bound images
 * and on whether their sizes are powers of two, which no buffer of ours has; so one dummy
 * buffer stands for all. Machine code goes to Mesa's disk cache, by a thread of Mesa's;
 * another context of the same process then loads it in about a millisecond. */
#include "glcompute/warm.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DUMMY_BYTES = 65536 + 16, /* no power of two; holds any parameter block */
    MOST_HELPERS = 7,
    SLOW_US = 15000,   /* from the driver's cache a program takes less */
    SETTLE_US = 20000, /* until what a helper made is in the driver's cache */
};

struct item {
    const struct esk_gl_command *command;
    bool broken;           /* it does not link; esk_gl_program_link will say why */
    int64_t done_at, took; /* µs: when a helper had it, what its machine code took */
    int64_t compiled;      /* µs: what its source took */
    bool helped;           /* a helper has it, or has done it; false again when fetched */
    bool fetched;          /* it was a helper's */
};

struct team {
    const struct esk_gl_record *record;
    GLuint buffer, views[ESK_GL_VIEWS]; /* the dummy; shared by all contexts */
    struct item *items;
    uint32_t n_items;
    pthread_mutex_t lock; /* of what follows, and of the items */
    pthread_cond_t changed;
    uint32_t next;    /* items that nobody has: from here on */
    uint32_t helping; /* items that helpers work on */
    uint32_t fetched; /* items that helpers did and this context has */
    bool stop;        /* helpers take no more */
};

struct helper {
    struct team *team;
    const struct esk_egl *first; /* borrowed: whose objects it shares */
    struct esk_egl *egl;         /* owned; NULL: it could not be made */
    struct esk_gl gl;            /* a copy: errors are the helper's own */
    pthread_t thread;
};

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- one program ---- */

static void dispatch_nothing(struct esk_gl *gl, const struct team *team,
                             const struct item *item) {
    const struct esk_gl_command *c = item->command;
    if (item->broken)
        return;
    ESK_GL(gl, UseProgram(c->program->id));
    for (uint32_t i = 0; i < c->n_bindings; i++) {
        const struct esk_gl_binding *b = &team->record->bindings[c->first_binding + i];
        if (b->image)
            ESK_GL(gl, BindImageTexture(b->index, team->views[b->view], 0, GL_FALSE, 0,
                                        GL_READ_ONLY, b->format));
        else
            ESK_GL(gl, BindBufferBase(GL_SHADER_STORAGE_BUFFER, b->index, team->buffer));
    }
    ESK_GL(gl, BindBufferRange(GL_UNIFORM_BUFFER, 0, team->buffer, 0, c->param_bytes));
    ESK_GL(gl, BindBuffer(GL_DISPATCH_INDIRECT_BUFFER, team->buffer));
    ESK_GL(gl, DispatchComputeIndirect(0)); /* of (0, 0, 0): dropped after compiling */
}

static void compile(struct esk_gl *gl, struct item *item) {
    struct esk_gl_program *program = item->command->program;
    GLint linked = 1;
    if (!program->source)
        return;
    int64_t start = now_us();
    esk_gl_program_compile(gl, program);
    ESK_GL(gl, GetProgramiv(program->id, GL_LINK_STATUS, &linked));
    item->broken = !linked;
    item->compiled = now_us() - start;
}

static bool make_dummy(struct esk_gl *gl, struct team *team) {
    static const GLenum formats[ESK_GL_VIEWS] = {
        [ESK_GL_VIEW_VEC4] = GL_RGBA32F, [ESK_GL_VIEW_ELEMENT] = GL_R32F};
    static const uint32_t none[4];
    ESK_GL(gl, GenBuffers(1, &team->buffer));
    ESK_GL(gl, BindBuffer(GL_COPY_WRITE_BUFFER, team->buffer));
    ESK_GL(gl, BufferData(GL_COPY_WRITE_BUFFER, DUMMY_BYTES, NULL, GL_STATIC_DRAW));
    ESK_GL(gl, BufferSubData(GL_COPY_WRITE_BUFFER, 0, sizeof none, none));
    for (int v = 0; v < ESK_GL_VIEWS && gl->TexBuffer; v++) {
        ESK_GL(gl, GenTextures(1, &team->views[v]));
        ESK_GL(gl, BindTexture(GL_TEXTURE_BUFFER_EXT, team->views[v]));
        ESK_GL(gl, TexBuffer(GL_TEXTURE_BUFFER_EXT, formats[v], team->buffer));
    }
    if (gl->TexBuffer)
        ESK_GL(gl, BindTexture(GL_TEXTURE_BUFFER_EXT, 0));
    ESK_GL(gl, Flush()); /* before another context uses them */
    return esk_gl_status(gl, "warming up", NULL) == ESK_OK;
}

static void destroy_dummy(struct esk_gl *gl, struct team *team) {
    for (int v = 0; v < ESK_GL_VIEWS; v++)
        if (team->views[v])
            ESK_GL(gl, DeleteTextures(1, &team->views[v]));
    ESK_GL(gl, DeleteBuffers(1, &team->buffer));
}

/* ---- helpers ---- */

static void *help(void *user) {
    struct helper *helper = user;
    struct team *team = helper->team;
    struct esk_egl_saved saved;
    if (esk_egl_twin(helper->first, &helper->egl, NULL) != ESK_OK ||
        esk_egl_make_current(helper->egl, &saved, NULL) != ESK_OK)
        return NULL;
    pthread_mutex_lock(&team->lock);
    while (!team->stop && team->next < team->n_items) {
        struct item *item = &team->items[team->next++];
        item->helped = true;
        team->helping++;
        pthread_mutex_unlock(&team->lock);
        compile(&helper->gl, item);
        int64_t start = now_us();
        dispatch_nothing(&helper->gl, team, item);
        pthread_mutex_lock(&team->lock);
        item->done_at = now_us();
        item->took = item->done_at - start;
        team->helping--;
        pthread_cond_signal(&team->changed);
    }
    pthread_mutex_unlock(&team->lock);
    esk_egl_restore(helper->egl, &saved, NULL);
    return NULL;
}

static uint32_t start_helpers(const struct esk_gl_warm *warm, const struct esk_gl *gl,
                              struct team *team, struct helper *helpers) {
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof cpus, &cpus) ? 0 : CPU_COUNT(&cpus) - 1;
    int work = (int)(team->n_items - team->next) - 1;
    n = n < work ? n : work;
    n = n < MOST_HELPERS ? n : MOST_HELPERS;
    uint32_t started = 0;
    while ((int)started < n) {
        struct helper *helper = &helpers[started];
        *helper = (struct helper){.team = team, .first = warm->egl, .gl = *gl};
        if (pthread_create(&helper->thread, NULL, help, helper))
            break;
        started++;
    }
    return started;
}

/* What this thread does next; `helped`: it was compiled by a helper before. The first of
 * those goes before others, to see whether it is of use. NULL: all is done. */
static struct item *next_item(struct team *team, bool *helped) {
    struct item *item = NULL;
    pthread_mutex_lock(&team->lock);
    for (;;) {
        for (uint32_t i = 0; i < team->n_items; i++) {
            struct item *other = &team->items[i];
            if (other->helped && other->done_at &&
                (!item || other->done_at < item->done_at))
                item = other;
        }
        bool left = team->next < team->n_items;
        if (item && left && (team->fetched || now_us() < item->done_at + SETTLE_US))
            item = NULL;
        if (item || left || !team->helping)
            break;
        pthread_cond_wait(&team->changed, &team->lock);
    }
    *helped = item;
    if (item) {
        item->helped = false;
        item->fetched = true;
        team->fetched++;
    } else if (team->next < team->n_items)
        item = &team->items[team->next++];
    pthread_mutex_unlock(&team->lock);
    return item;
}

static void sleep_until(int64_t us) {
    int64_t left = us - now_us();
    if (left > 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)(left % 1000000) * 1000}, NULL);
}

/* Returns how many helpers were started: they are to be joined. */
static uint32_t work(struct esk_gl_warm *warm, struct esk_gl *gl, struct team *team,
                     struct helper *helpers) {
    bool helped, can = !warm->alone && warm->egl;
    /* two sources that this program's own cache lacks are as a rule new to the driver's
     */
    uint32_t n_helpers =
        can && team->n_items > 1 && team->items[1].command->program->source
            ? start_helpers(warm, gl, team, helpers)
            : 0;
    for (struct item *item; (item = next_item(team, &helped));) {
        if (helped)
            sleep_until(item->done_at + SETTLE_US);
        else
            compile(gl, item);
        int64_t start = now_us();
        dispatch_nothing(gl, team, item);
        int64_t took = now_us() - start;
        if (!helped)
            item->took = took;
        if (took < SLOW_US)
            continue;
        if (helped && took > item->took / 2) { /* not from a cache */
            pthread_mutex_lock(&team->lock);
            team->stop = true;
            pthread_mutex_unlock(&team->lock);
            warm->alone = true;
        } else if (!helped && !n_helpers && can && !warm->alone)
            n_helpers = start_helpers(warm, gl, team, helpers);
    }
    return n_helpers;
}

/* ---- all ---- */

void esk_gl_warm_init(struct esk_gl_warm *warm, struct esk_egl *egl, struct esk_gl *gl,
                      const struct esk_logger *logger) {
    *warm = (struct esk_gl_warm){.egl = egl, .logger = logger};
    GLint formats = 0; /* Mesa has one where its disk cache is on */
    ESK_GL(gl, GetIntegerv(GL_NUM_PROGRAM_BINARY_FORMATS, &formats));
    warm->alone = formats < 1;
}

/* Those to compile come first, the longest before others: what is begun last is short,
 * and no core waits long for another. */
static int by_weight(const void *a, const void *b) {
    const struct esk_gl_program *x = ((const struct item *)a)->command->program;
    const struct esk_gl_program *y = ((const struct item *)b)->command->program;
    if (!x->source != !y->source)
        return x->source ? -1 : 1;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return 0;
}

static bool take_stock(struct team *team) {
    const struct esk_gl_record *record = team->record;
    for (uint32_t i = 0; i < record->n_commands; i++) {
        const struct esk_gl_command *command = &record->commands[i];
        if (command->program->warm)
            continue;
        if (!team->items &&
            !(team->items = esk_calloc(record->n_commands - i, sizeof *team->items)))
            return false;
        command->program->warm = true;
        team->items[team->n_items++].command = command;
    }
    if (team->n_items)
        qsort(team->items, team->n_items, sizeof *team->items, by_weight);
    return team->n_items;
}

/* "program conv TILE=14 NV=2 …: 5.1 ms to compile, 203.4 ms for machine code" */
static void log_item(const struct esk_logger *logger, const struct item *item) {
    enum { MOST = 400 };
    const char *key = item->command->program->key, *line = strchr(key, '\n');
    struct esk_text defines = {0};
    for (; line && line[1]; line = strchr(line + 1, '\n')) {
        static const char define[] = "#define ";
        const char *name = line + 1;
        if (strncmp(name, define, sizeof define - 1) != 0)
            continue; /* the next line of a long one */
        name += sizeof define - 1;
        size_t length = strcspn(name, " (\n");
        bool value = name[length] == ' ';
        esk_text_add(&defines, " %.*s%s%.*s", (int)length, name, value ? "=" : "",
                     value ? (int)strcspn(name + length + 1, "\n") : 0,
                     name + length + 1);
    }
    esk_log(logger, ESK_LOG_VERBOSE,
            "program %.*s%.*s: %.1f ms to compile, %.1f ms for machine code%s",
            (int)strcspn(key, "+-"), key, MOST, esk_text_str(&defines),
            (double)item->compiled / 1e3, (double)item->took / 1e3,
            item->fetched ? ", by a helper" : "");
    esk_text_finish(&defines);
}

bool esk_gl_warm_up(struct esk_gl_warm *warm, struct esk_gl *gl,
                    const struct esk_gl_record *record) {
    struct team team = {.record = record};
    struct helper helpers[MOST_HELPERS];
    uint32_t n_helpers = 0;
    int64_t start = now_us();
    if (!take_stock(&team) || pthread_mutex_init(&team.lock, NULL)) {
        esk_free(team.items);
        return false;
    }
    if (pthread_cond_init(&team.changed, NULL) == 0) {
        if (make_dummy(gl, &team))
            n_helpers = work(warm, gl, &team, helpers);
        for (uint32_t i = 0; i < n_helpers; i++) {
            pthread_join(helpers[i].thread, NULL);
            esk_egl_close(helpers[i].egl);
        }
        destroy_dummy(gl, &team);
        /* whatever went wrong, a run meets it again and says it */
        esk_gl_status(gl, "warming up", NULL);
        pthread_cond_destroy(&team.changed);
    }
    pthread_mutex_destroy(&team.lock);
    esk_log(warm->logger, ESK_LOG_INFO,
            "%u programs finished by the driver in %lld ms, %u of them by %u helpers%s",
            team.n_items, (long long)(now_us() - start) / 1000, team.fetched, n_helpers,
            warm->alone ? ": its disk cache is of no use" : "");
    bool detail = warm->logger && warm->logger->level <= ESK_LOG_VERBOSE;
    for (uint32_t i = 0; detail && i < team.n_items; i++)
        log_item(warm->logger, &team.items[i]);
    bool slow = false;
    for (uint32_t i = 0; i < team.n_items; i++)
        slow |= team.items[i].took + team.items[i].compiled >= SLOW_US;
    esk_free(team.items);
    return slow;
}
