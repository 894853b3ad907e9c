/* What a replay of a captured graph costs: a chain of commands that nothing fuses, on the
 * null driver (tests/nullgl). `replay` is what tests/replay_cost.sh counts instructions
 * in. In: nothing. Out: "COMMANDS commands, REPLAYS replays"; 1 if a replay allocates or
 * plans. */
#include "scene.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>

enum { LINKS = 64, REPLAYS = 20 };

static atomic_size_t allocations;

static bool count_allocation(void *user, size_t size) {
    (void)user, (void)size;
    atomic_fetch_add(&allocations, 1);
    return true;
}

bool replay(esk_session *session, struct op_case *made, esk_value **y, esk_error *error);
__attribute__((noinline)) bool replay(esk_session *session, struct op_case *made,
                                      esk_value **y, esk_error *error) {
    return esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1,
                           NULL, y, 1, error) == ESK_OK;
}

static bool measure(struct scene *s) {
    char text[32 + LINKS * 24];
    size_t at = (size_t)snprintf(text, sizeof(text), "Softmax(float[4,8]) axis=0");
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_session_stats before, after;
    esk_value *y = NULL;
    esk_error error = ESK_ERROR_INIT;
    bool good = true;

    for (int i = 1; i < LINKS; i++)
        at +=
            (size_t)snprintf(text + at, sizeof(text) - at, " | Softmax() axis=%d", i % 2);
    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, &made));
    MUST(scene_session(s, env, made->model, "GLCompute",
                       "strict=1,enableGraphCapture=1,programCacheDir=none", &session));
    if (esk_session_run(session, NULL, made->inputs.names, made->inputs.values, 1, NULL,
                        &y, 1, &error) != ESK_OK)
        return fault_take(s->fault, "capture", &error);
    MUST(scene_keep(s, y, (void (*)(void *))esk_value_destroy));
    MUST(scene_stats(s, session, &before));
    esk_mem_set_hook(count_allocation, NULL);
    for (int i = 0; i < REPLAYS && good; i++)
        good = replay(session, made, &y, &error);
    esk_mem_set_hook(NULL, NULL);
    if (!good)
        return fault_take(s->fault, "replay", &error);
    MUST(scene_stats(s, session, &after));
    CHECK(s, after.commands == LINKS, "%u commands of %d nodes", after.commands, LINKS);
    CHECK(s, after.dispatches - before.dispatches == (uint64_t)LINKS * REPLAYS,
          "%llu dispatches", (unsigned long long)(after.dispatches - before.dispatches));
    CHECK(s, !atomic_load(&allocations), "%zu allocations in %d replays",
          atomic_load(&allocations), REPLAYS);
    CHECK(s,
          after.binds == before.binds &&
              after.commands_recorded == before.commands_recorded &&
              after.buffers_created == before.buffers_created,
          "a replay planned, recorded or made buffers");
    CHECK(s,
          after.uploads - before.uploads == REPLAYS &&
              after.readbacks - before.readbacks == REPLAYS,
          "a replay moved more than its input and its output");
    printf("%d commands, %d replays\n", LINKS, REPLAYS);
    return true;
}

int main(void) {
    struct fault fault = {0};
    struct scene s = {.fault = &fault};
    bool good = measure(&s);

    scene_finish(&s);
    return good ? 0 : fault_report(&fault);
}
