/* Allocation with a test hook, checked size arithmetic. In: sizes; out: memory or NULL.
 * Must not know of errors or logs. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic(esk_mem_hook) mem_hook;
static void *_Atomic mem_hook_user;

void esk_mem_set_hook(esk_mem_hook hook, void *user) {
    atomic_store(&mem_hook_user, user);
    atomic_store(&mem_hook, hook);
}

static bool allowed(size_t size) {
    esk_mem_hook hook = atomic_load_explicit(&mem_hook, memory_order_relaxed);
    return !hook || hook(atomic_load(&mem_hook_user), size);
}

void *esk_malloc(size_t size) {
    return allowed(size) ? malloc(size ? size : 1) : NULL;
}

void *esk_calloc(size_t count, size_t size) {
    size_t bytes;
    if (!esk_mul_size(count, size, &bytes) || !allowed(bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *esk_realloc(void *memory, size_t size) {
    return allowed(size) ? realloc(memory, size ? size : 1) : NULL;
}

void esk_free(void *memory) {
    free(memory);
}

char *esk_strdup(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = esk_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static size_t pages_of(size_t bytes) {
    return esk_round_up(bytes ? bytes : 1, (size_t)sysconf(_SC_PAGESIZE));
}

void *esk_pages(size_t bytes) {
    size_t size = pages_of(bytes);
    if (size < bytes || !allowed(bytes))
        return NULL;
    void *pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void esk_pages_free(void *pages, size_t bytes) {
    if (pages)
        munmap(pages, pages_of(bytes));
}

bool esk_mul_size(size_t a, size_t b, size_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

bool esk_add_size(size_t a, size_t b, size_t *sum) {
    return !__builtin_add_overflow(a, b, sum);
}

bool esk_grow(void **items, size_t *capacity, size_t count, size_t item_size) {
    if (count <= *capacity)
        return true;
    /* few of large items, a line of characters: most arrays never grow again */
    size_t first = item_size == 1 ? 64 : item_size >= 256 ? 2 : 8;
    size_t wanted = *capacity ? *capacity : first, bytes;
    while (wanted < count)
        if (!esk_mul_size(wanted, 2, &wanted))
            return false;
    if (!esk_mul_size(wanted, item_size, &bytes))
        return false;
    char *grown = esk_realloc(*items, bytes);
    if (!grown)
        return false;
    memset(grown + *capacity * item_size, 0, (wanted - *capacity) * item_size);
    *items = grown;
    *capacity = wanted;
    return true;
}
