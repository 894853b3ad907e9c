/* Memory: every allocation of the library passes through here, so that a test can count
 * allocations or make the n-th one fail. Sizes are checked where they enter. */
#ifndef ESK_BASE_MEM_H
#define ESK_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All return NULL when out of memory (or when the test hook says so). */
void *esk_malloc(size_t size);
void *esk_calloc(size_t count, size_t size);
void *esk_realloc(void *memory, size_t size); /* on failure `memory` stays valid */
void esk_free(void *memory);                  /* NULL is allowed */
char *esk_strdup(const char *text);

/* Whole pages of zeros, from the system and back to it: for what is large and lives long.
 * The system makes a page when it is first written (1-2 µs), on the thread that does. No
 * huge pages: in a virtual machine they were 3 times as slow to come where the host had
 * none yet, and no faster later. */
void *esk_pages(size_t bytes);
void esk_pages_free(void *pages, size_t bytes); /* NULL is allowed */

/* The test hook: asked before each allocation; false makes it fail. The only mutable
 * global of the library, NULL outside tests, set before other threads start. */
typedef bool (*esk_mem_hook)(void *user, size_t size);
void esk_mem_set_hook(esk_mem_hook hook, void *user);

/* *product = a * b, *sum = a + b; false on overflow (result untouched). */
bool esk_mul_size(size_t a, size_t b, size_t *product);
bool esk_add_size(size_t a, size_t b, size_t *sum);

/* `value` rounded up to a multiple of `unit` (a power of two is not needed, unit > 0). */
static inline size_t esk_round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

/* Grows the heap array *items (elements of `item_size` bytes) so that it holds at least
 * `count`; doubles, zeroes what is new. false when out of memory (array untouched). */
bool esk_grow(void **items, size_t *capacity, size_t count, size_t item_size);

#endif
