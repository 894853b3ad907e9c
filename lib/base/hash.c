/* A multiply-and-fold hash over eight bytes at a time, and an open-addressing map. */
#include "base/hash.h"

#include "base/mem.h"

#include <string.h>

struct esk_map_slot {
    const char *key; /* borrowed; NULL: free */
    uint32_t value;
};

static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t esk_hash(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint64_t word;
    hash = mix(hash, size);
    for (; size >= 8; size -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        hash = mix(hash, word);
    }
    word = 0;
    if (size)
        memcpy(&word, bytes, size);
    return mix(hash, word);
}

uint64_t esk_hash_text(uint64_t hash, const char *text) {
    return esk_hash(hash, text, strlen(text) + 1);
}

void esk_map_finish(struct esk_map *map) {
    esk_free(map->slots);
    *map = (struct esk_map){0};
}

static struct esk_map_slot *find(const struct esk_map *map, const char *key) {
    size_t at = esk_hash_text(ESK_HASH_SEED, key) & (map->capacity - 1);
    while (map->slots[at].key && strcmp(map->slots[at].key, key) != 0)
        at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

bool esk_map_put(struct esk_map *map, const char *key, uint32_t value) {
    if (map->count * 4 >= map->capacity * 3) {
        struct esk_map wider = {.capacity = map->capacity ? map->capacity * 2 : 32};
        wider.slots = esk_calloc(wider.capacity, sizeof *wider.slots);
        if (!wider.slots)
            return false;
        for (size_t i = 0; i < map->capacity; i++)
            if (map->slots[i].key)
                *find(&wider, map->slots[i].key) = map->slots[i];
        wider.count = map->count;
        esk_free(map->slots);
        *map = wider;
    }
    struct esk_map_slot *slot = find(map, key);
    if (!slot->key)
        map->count++;
    *slot = (struct esk_map_slot){key, value};
    return true;
}

bool esk_map_get(const struct esk_map *map, const char *key, uint32_t *value) {
    if (!map->count)
        return false;
    const struct esk_map_slot *slot = find(map, key);
    if (!slot->key)
        return false;
    *value = slot->value;
    return true;
}
