/* Arena, memory hook, checked sizes. */
#include "base/arena.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

Test(arena, gives_zeroed_aligned_memory) {
    struct esk_arena arena = {0};
    for (size_t size = 0; size < 3000; size += 37) {
        unsigned char *memory = esk_arena_alloc(&arena, size);
        cr_assert_not_null(memory);
        cr_assert_eq((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(memory[i], 0);
        memset(memory, 0xff, size);
    }
    unsigned char *large = esk_arena_alloc(&arena, 5 << 20);
    cr_assert_not_null(large);
    cr_assert_eq(large[(5 << 20) - 1], 0);
    esk_arena_finish(&arena);
    esk_arena_finish(&arena); /* again is allowed */
}

Test(arena, copies_text) {
    struct esk_arena arena = {0};
    cr_assert_str_eq(esk_arena_strdup(&arena, "text"), "text");
    cr_assert_str_eq(esk_arena_strndup(&arena, "text", 2), "te");
    cr_assert_str_eq(esk_arena_strndup(&arena, NULL, 0), "");
    cr_assert_str_eq(esk_arena_printf(&arena, "%s_%d", "Conv", 12), "Conv_12");
    esk_arena_finish(&arena);
}

Test(arena, refuses_sizes_that_overflow) {
    struct esk_arena arena = {0};
    cr_assert_null(esk_arena_alloc(&arena, SIZE_MAX - 3));
    cr_assert_null(esk_arena_array(&arena, SIZE_MAX / 2, 3));
    esk_arena_finish(&arena);
}

static bool count_down(void *user, size_t size) {
    (void)size;
    return (*(int *)user)-- > 0;
}

Test(mem, the_hook_makes_allocations_fail) {
    int left = 2;
    esk_mem_set_hook(count_down, &left);
    void *a = esk_malloc(10), *b = esk_calloc(1, 10), *c = esk_malloc(10);
    void *grown = esk_realloc(a, 20);
    esk_mem_set_hook(NULL, NULL);
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    cr_assert_null(c);
    cr_assert_null(grown);
    esk_free(a);
    esk_free(b);
}

Test(mem, grow_keeps_and_zeroes) {
    int *items = NULL;
    size_t capacity = 0;
    cr_assert(esk_grow((void **)&items, &capacity, 3, sizeof *items));
    items[2] = 7;
    cr_assert(esk_grow((void **)&items, &capacity, 100, sizeof *items));
    cr_assert_geq(capacity, 100);
    cr_assert_eq(items[2], 7);
    cr_assert_eq(items[99], 0);
    cr_assert_not(esk_grow((void **)&items, &capacity, SIZE_MAX, sizeof *items));
    cr_assert_eq(items[2], 7);
    esk_free(items);
}

Test(mem, sizes_are_checked) {
    size_t result = 5;
    cr_assert_not(esk_mul_size(SIZE_MAX, 2, &result));
    cr_assert_not(esk_add_size(SIZE_MAX, 1, &result));
    cr_assert(esk_mul_size(6, 7, &result));
    cr_assert_eq(result, 42);
    cr_assert_eq(esk_round_up(17, 12), 24);
}
