/* Arena: allocate forward, free once. One arena a stage (graph, plan, commands). */
#ifndef ESK_BASE_ARENA_H
#define ESK_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct esk_arena_chunk;

/* Not thread-safe. Zero-initialised memory is an empty arena. */
struct esk_arena {
    struct esk_arena_chunk *head; /* owned; NULL while empty */
    size_t used;                  /* bytes used of the head chunk */
    size_t total;                 /* bytes handed out in all */
};

void esk_arena_init(struct esk_arena *arena);
void esk_arena_finish(struct esk_arena *arena); /* frees all; a zeroed arena is allowed */

/* Empties the arena but keeps its newest, largest chunk: a steady user allocates nothing.
 */
void esk_arena_reset(struct esk_arena *arena);

/* Zeroed memory aligned to 16 bytes, or NULL. A `size` of 0 gives a valid pointer. */
void *esk_arena_alloc(struct esk_arena *arena, size_t size);
/* count * size bytes, zeroed; NULL on overflow too. */
void *esk_arena_array(struct esk_arena *arena, size_t count, size_t size);
void *esk_arena_copy(struct esk_arena *arena, const void *data, size_t size);
char *esk_arena_strdup(struct esk_arena *arena, const char *text);
char *esk_arena_strndup(struct esk_arena *arena, const char *text, size_t length);
char *esk_arena_printf(struct esk_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define ESK_ARENA_NEW(arena, type) ((type *)esk_arena_alloc((arena), sizeof(type)))
#define ESK_ARENA_ARRAY(arena, type, count) \
    ((type *)esk_arena_array((arena), (count), sizeof(type)))

#endif
