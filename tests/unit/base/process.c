/* OpenBLAS' kernels are not behind the CPU where the library may say which. */
#include "base/process.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *wait_there(void *barrier) {
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

/* The runner has threads of its own; a child of it has one. */
static int in_child(int (*what)(void)) {
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(what());
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int count_threads(void) {
    pthread_barrier_t barrier;
    pthread_t thread;
    if (!esk_process_has_one_thread())
        return 1;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, wait_there, &barrier);
    pthread_barrier_wait(&barrier);
    bool alone = esk_process_has_one_thread();
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    return alone ? 2 : 0;
}

Test(process, threads_are_counted) {
    cr_assert_eq(in_child(count_threads), 0);
}

#ifdef __x86_64__
static int kernels(void) {
    unsetenv("OPENBLAS_CORETYPE");
    void *symbol = esk_openblas("openblas_get_corename");
    char *(*name)(void);
    memcpy(&name, &symbol, sizeof name);
    if (getenv("OPENBLAS_CORETYPE"))
        return 1;
    return symbol &&
                   (strcmp(name(), "Prescott") == 0 || strcmp(name(), "Sandybridge") == 0)
               ? 2
               : 0;
}

Test(process, blas_takes_kernels_of_the_cpu) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        cr_skip_test("a CPU without AVX2 and FMA");
    cr_assert_eq(in_child(kernels), 0);
}

Test(process, blas_takes_the_users_kernels) {
    setenv("OPENBLAS_CORETYPE", "Nehalem", 1);
    void *symbol = esk_openblas("openblas_get_corename");
    char *(*name)(void);
    memcpy(&name, &symbol, sizeof name);
    if (!symbol)
        cr_skip_test("no OpenBLAS");
    cr_assert_str_eq(name(), "Nehalem");
}
#endif
