/* 64-bit hashing of bytes, for keys in memory and on disk (stable across machines of one
 * byte order), and a map from strings to numbers. */
#ifndef ESK_BASE_HASH_H
#define ESK_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESK_HASH_SEED 0xcbf29ce484222325u

/* Continues `hash` (ESK_HASH_SEED at first) over `size` bytes. Not cryptographic. */
uint64_t esk_hash(uint64_t hash, const void *data, size_t size);
uint64_t esk_hash_text(uint64_t hash, const char *text); /* with its NUL */

/* Strings to uint32_t; keys are borrowed and must outlive the map. Zeroed memory is an
 * empty map. Not thread-safe. */
struct esk_map {
    struct esk_map_slot *slots; /* owned */
    size_t capacity, count;
};

void esk_map_finish(struct esk_map *map);
bool esk_map_put(struct esk_map *map, const char *key,
                 uint32_t value); /* false: memory */
bool esk_map_get(const struct esk_map *map, const char *key, uint32_t *value);

#endif
