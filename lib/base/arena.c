/* A list of chunks, each at least twice the one before up to a bound. In: sizes; out:
 * zeroed memory. Must not know what is stored. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK_FIRST = 4096, CHUNK_MOST = 1 << 20, ALIGN = 16 };

struct esk_arena_chunk {
    struct esk_arena_chunk *next;
    size_t size; /* bytes of data */
    _Alignas(16) unsigned char data[];
};

void esk_arena_init(struct esk_arena *arena) {
    *arena = (struct esk_arena){0};
}

void esk_arena_finish(struct esk_arena *arena) {
    struct esk_arena_chunk *chunk = arena->head;
    while (chunk) {
        struct esk_arena_chunk *next = chunk->next;
        esk_free(chunk);
        chunk = next;
    }
    *arena = (struct esk_arena){0};
}

void esk_arena_reset(struct esk_arena *arena) {
    struct esk_arena_chunk *kept = arena->head;
    if (!kept)
        return;
    struct esk_arena rest = {.head = kept->next};
    esk_arena_finish(&rest);
    kept->next = NULL;
    *arena = (struct esk_arena){.head = kept};
}

void *esk_arena_alloc(struct esk_arena *arena, size_t size) {
    size_t wanted;
    if (!esk_add_size(size, ALIGN, &wanted))
        return NULL;
    wanted = wanted / ALIGN * ALIGN;
    if (!arena->head || arena->head->size - arena->used < wanted) {
        size_t bytes = arena->head ? arena->head->size * 2 : CHUNK_FIRST;
        if (bytes > CHUNK_MOST)
            bytes = CHUNK_MOST;
        if (bytes < wanted)
            bytes = wanted;
        size_t whole;
        if (!esk_add_size(bytes, sizeof(struct esk_arena_chunk), &whole))
            return NULL;
        struct esk_arena_chunk *chunk = esk_malloc(whole);
        if (!chunk)
            return NULL;
        chunk->size = bytes;
        chunk->next = arena->head;
        arena->head = chunk;
        arena->used = 0;
    }
    void *memory = arena->head->data + arena->used;
    arena->used += wanted;
    arena->total += wanted;
    return memset(memory, 0, wanted);
}

void *esk_arena_array(struct esk_arena *arena, size_t count, size_t size) {
    size_t bytes;
    return esk_mul_size(count, size, &bytes) ? esk_arena_alloc(arena, bytes) : NULL;
}

void *esk_arena_copy(struct esk_arena *arena, const void *data, size_t size) {
    void *copy = esk_arena_alloc(arena, size);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

char *esk_arena_strdup(struct esk_arena *arena, const char *text) {
    return esk_arena_copy(arena, text, strlen(text) + 1);
}

char *esk_arena_strndup(struct esk_arena *arena, const char *text, size_t length) {
    char *copy = esk_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

char *esk_arena_printf(struct esk_arena *arena, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    char *text = length < 0 ? NULL : esk_arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(list);
    return text;
}
