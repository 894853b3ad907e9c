/* A queue of jobs with one thread. A forked child has the queue, but not its thread: what
 * stands in it there is dropped, the next push starts a thread of the child's own. */
#include "run/queue.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct esk_queue {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    struct esk_job *first, **last;
    pthread_t thread;
    _Atomic pid_t
        pid; /* whose thread it is; 0: there is none. Also looked at without the lock */
    bool started, ending;
    void (*after)(void *user); /* set when a job itself ended the queue */
    void *user;
    bool own_end;
};

esk_status esk_queue_create(struct esk_queue **queue, esk_error *error) {
    struct esk_queue *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a queue");
    if (pthread_mutex_init(&made->lock, NULL)) {
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    }
    if (pthread_cond_init(&made->more, NULL)) {
        pthread_mutex_destroy(&made->lock);
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a condition cannot be made");
    }
    made->last = &made->first;
    *queue = made;
    return ESK_OK;
}

/* Under the lock. */
static struct esk_job *take(struct esk_queue *queue) {
    struct esk_job *job = queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first)
            queue->last = &queue->first;
        job->next = NULL;
    }
    return job;
}

static void drop_all(struct esk_queue *queue) {
    struct esk_job *job;
    do {
        pthread_mutex_lock(&queue->lock);
        job = take(queue);
        pthread_mutex_unlock(&queue->lock);
        if (job)
            job->work(job, true);
    } while (job);
}

static void finish(struct esk_queue *queue) {
    pthread_cond_destroy(&queue->more);
    pthread_mutex_destroy(&queue->lock);
    esk_free(queue);
}

/* In a forked child: a queue without a thread. A condition that a thread waits for, which
 * is no more, can be neither used nor destroyed. */
static void take_over(struct esk_queue *queue) {
    pid_t pid = atomic_load(&queue->pid);
    if (!pid || pid == getpid())
        return;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->more, NULL);
    queue->started = false;
    atomic_store(&queue->pid, 0);
    drop_all(queue);
}

static void *work(void *user) {
    struct esk_queue *queue = user;
    pthread_mutex_lock(&queue->lock);
    while (!queue->ending) {
        struct esk_job *job = take(queue);
        if (!job) {
            pthread_cond_wait(&queue->more, &queue->lock);
            continue;
        }
        pthread_mutex_unlock(&queue->lock);
        job->work(job, false);
        pthread_mutex_lock(&queue->lock);
    }
    bool own_end = queue->own_end;
    pthread_mutex_unlock(&queue->lock);
    if (own_end) {
        void (*after)(void *) = queue->after;
        void *after_user = queue->user;
        pthread_detach(queue->thread);
        drop_all(queue);
        finish(queue);
        if (after)
            after(after_user);
    }
    return NULL;
}

esk_status esk_queue_push(struct esk_queue *queue, struct esk_job *job,
                          esk_error *error) {
    esk_status status = ESK_OK;
    take_over(queue);
    pthread_mutex_lock(&queue->lock);
    if (queue->ending)
        status = esk_fail(error, ESK_CANCELLED, "the session is being destroyed");
    else if (!queue->started) {
        atomic_store(&queue->pid, getpid());
        queue->started = !pthread_create(&queue->thread, NULL, work, queue);
        if (!queue->started)
            status =
                esk_fail(error, ESK_INTERNAL, "a thread for the queue cannot be made");
    }
    if (status == ESK_OK) {
        *queue->last = job;
        queue->last = &job->next;
        pthread_cond_signal(&queue->more);
    }
    pthread_mutex_unlock(&queue->lock);
    return status;
}

void esk_queue_destroy(struct esk_queue *queue, void (*after)(void *user), void *user) {
    if (!queue) {
        if (after)
            after(user);
        return;
    }
    take_over(queue);
    pthread_mutex_lock(&queue->lock);
    queue->ending = true;
    if (queue->started && pthread_equal(queue->thread, pthread_self())) {
        queue->own_end = true;
        queue->after = after;
        queue->user = user;
        pthread_mutex_unlock(&queue->lock);
        return;
    }
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
    drop_all(queue);
    if (queue->started)
        pthread_join(queue->thread, NULL);
    finish(queue);
    if (after)
        after(user);
}
