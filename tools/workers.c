/* Worker processes on two pipes each: job numbers down, replies up.
 * In: a count of jobs and functions. Out: replies. Must not know what a job is. */
#include "workers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { END_S = 20 }; /* how long a worker may take to close */

struct worker {
    pid_t pid;    /* 0: none */
    int down, up; /* the parent's ends; -1 when closed */
    bool busy;
    size_t job;
    double deadline;
};

/* What the parent holds while jobs run. */
struct pool {
    const struct workers *spec;
    struct worker *items; /* owned */
    struct pollfd *polls; /* owned, one a worker */
    size_t count, next, finished;
};

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool write_all(int fd, const void *data, size_t size) {
    const char *at = data;

    while (size) {
        ssize_t done = write(fd, at, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        size -= (size_t)done;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t size) {
    char *at = data;

    while (size) {
        ssize_t done = read(fd, at, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        size -= (size_t)done;
    }
    return true;
}

/* The worker: jobs until the pipe ends. exit(), not _exit(), so that leak checkers speak.
 */
static void serve(const struct workers *spec, int down, int up) {
    uint64_t job;
    bool well = true;

    while (well && read_all(down, &job, sizeof(job))) {
        char *reply = spec->work(spec->user, (size_t)job);
        uint32_t length = reply ? (uint32_t)strlen(reply) : 0;

        well = write_all(up, &length, sizeof(length)) && write_all(up, reply, length);
        free(reply);
    }
    if (spec->close)
        spec->close(spec->user);
    exit(well ? 0 : 1);
}

static bool spawn(struct pool *pool, struct worker *worker, struct fault *fault) {
    int down[2], up[2];
    pid_t parent = getpid(), pid;

    if (pipe(down))
        return fault_set(fault, "pipe: %s", strerror(errno));
    if (pipe(up)) {
        close(down[0]);
        close(down[1]);
        return fault_set(fault, "pipe: %s", strerror(errno));
    }
    fflush(NULL); /* or the child prints it again */
    pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        for (size_t i = 0; i < pool->count; i++) /* the others must see their pipes end */
            if (pool->items[i].pid) {
                close(pool->items[i].down);
                close(pool->items[i].up);
            }
        free(pool->items);
        free(pool->polls);
        close(down[1]);
        close(up[0]);
        serve(pool->spec, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    if (pid < 0) {
        close(down[1]);
        close(up[0]);
        return fault_set(fault, "fork: %s", strerror(errno));
    }
    *worker = (struct worker){.pid = pid, .down = down[1], .up = up[0]};
    return true;
}

/* Waits for the end of a worker until `deadline`, then kills it. */
static int reap(struct worker *worker, double deadline) {
    int status = 0;

    while (waitpid(worker->pid, &status, WNOHANG) == 0) {
        if (now() > deadline)
            kill(worker->pid, SIGKILL);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    close(worker->up);
    if (worker->down >= 0)
        close(worker->down);
    worker->pid = 0;
    return status;
}

static void describe_end(int status, char *text, size_t size) {
    if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "the worker exited with status %d", WEXITSTATUS(status));
}

/* The worker is gone or goes: its job is lost. */
static void lose(struct pool *pool, struct worker *worker, bool timeout) {
    char why[128];
    int status;

    if (timeout)
        kill(worker->pid, SIGKILL);
    status = reap(worker, now() + END_S);
    if (timeout)
        snprintf(why, sizeof(why), "time-out: killed after %g s", pool->spec->timeout_s);
    else
        describe_end(status, why, sizeof(why));
    if (worker->busy) {
        pool->spec->done(pool->spec->user, worker->job, NULL, why);
        pool->finished++;
    }
}

/* Gives the next job to a worker, which is made if there is none. */
static bool give(struct pool *pool, struct worker *worker, struct fault *fault) {
    uint64_t job = pool->next;

    if (!worker->pid && !spawn(pool, worker, fault))
        return false;
    worker->busy = true;
    worker->job = pool->next++;
    worker->deadline = now() + pool->spec->timeout_s;
    if (!write_all(worker->down, &job, sizeof(job)))
        lose(pool, worker, false);
    return true;
}

static void take_reply(struct pool *pool, struct worker *worker) {
    uint32_t length;
    char *reply = NULL;

    if (!read_all(worker->up, &length, sizeof(length)) ||
        !(reply = malloc(length + 1u)) || !read_all(worker->up, reply, length)) {
        free(reply);
        lose(pool, worker, false);
        return;
    }
    reply[length] = 0;
    pool->spec->done(pool->spec->user, worker->job, reply, "");
    free(reply);
    worker->busy = false;
    pool->finished++;
}

/* Waits for a reply, an end or a deadline. */
static void attend(struct pool *pool) {
    struct pollfd *polls = pool->polls;
    double nearest = 1e300, time = now();
    double wait;

    for (size_t i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->items[i];
        bool waiting = worker->pid && worker->busy;

        polls[i] = (struct pollfd){.fd = waiting ? worker->up : -1, .events = POLLIN};
        if (waiting && worker->deadline < nearest)
            nearest = worker->deadline;
    }
    wait = (nearest - time) * 1000 + 1;
    poll(polls, pool->count, wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait);
    time = now();
    for (size_t i = 0; i < pool->count; i++) {
        struct worker *worker = &pool->items[i];

        if (polls[i].fd < 0)
            continue;
        if (polls[i].revents)
            take_reply(pool, worker);
        else if (time > worker->deadline)
            lose(pool, worker, true);
    }
}

static bool run_here(const struct workers *spec) {
    for (size_t job = 0; job < spec->jobs; job++) {
        char *reply = spec->work(spec->user, job);

        spec->done(spec->user, job, reply, "no reply");
        free(reply);
    }
    if (spec->close)
        spec->close(spec->user);
    return true;
}

bool workers_run(const struct workers *spec, struct fault *fault) {
    struct pool pool = {.spec = spec, .count = (size_t)spec->processes};
    bool done = true;
    double deadline;

    if (!spec->processes)
        return run_here(spec);
    if (pool.count > spec->jobs)
        pool.count = spec->jobs;
    signal(SIGPIPE, SIG_IGN);
    pool.items = calloc(pool.count + 1, sizeof(*pool.items));
    pool.polls = calloc(pool.count + 1, sizeof(*pool.polls));
    if (!pool.items || !pool.polls)
        done = fault_set(fault, "out of memory");
    while (done && pool.finished < spec->jobs) {
        for (size_t i = 0; done && i < pool.count; i++)
            if ((!pool.items[i].pid || !pool.items[i].busy) && pool.next < spec->jobs)
                done = give(&pool, &pool.items[i], fault);
        if (done)
            attend(&pool);
    }
    for (size_t i = 0; pool.items && i < pool.count; i++)
        if (pool.items[i].pid) { /* its pipe ends: it closes */
            close(pool.items[i].down);
            pool.items[i].down = -1;
        }
    deadline = now() + END_S;
    for (size_t i = 0; pool.items && i < pool.count; i++) {
        char why[128];
        int status;

        if (!pool.items[i].pid)
            continue;
        status = reap(&pool.items[i], deadline);
        describe_end(status, why, sizeof(why));
        if (status && done)
            done = fault_set(fault, "a worker ended badly after its last job: %s", why);
    }
    free(pool.items);
    free(pool.polls);
    return done;
}
