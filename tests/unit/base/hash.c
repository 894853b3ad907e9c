/* The hash and the map. */
#include "base/hash.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(hash, differs_by_content_length_and_seed) {
    const char bytes[16] = {0};
    uint64_t seen[17];
    for (size_t n = 0; n <= 16; n++) {
        seen[n] = esk_hash(ESK_HASH_SEED, bytes, n);
        for (size_t k = 0; k < n; k++)
            cr_assert_neq(seen[k], seen[n]);
        cr_assert_eq(seen[n], esk_hash(ESK_HASH_SEED, bytes, n));
    }
    cr_assert_neq(esk_hash_text(1, "a"), esk_hash_text(2, "a"));
    cr_assert_neq(esk_hash_text(1, "a"), esk_hash_text(1, "b"));
}

Test(map, finds_what_was_put) {
    struct esk_map map = {0};
    static char keys[1000][16];
    uint32_t value;
    cr_assert_not(esk_map_get(&map, "x", &value));
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(keys[i], sizeof keys[i], "key%u", i);
        cr_assert(esk_map_put(&map, keys[i], i));
    }
    cr_assert(esk_map_put(&map, keys[7], 70));
    cr_assert_eq(map.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert(esk_map_get(&map, keys[i], &value));
        cr_assert_eq(value, i == 7 ? 70 : i);
    }
    cr_assert_not(esk_map_get(&map, "key1000", &value));
    esk_map_finish(&map);
}
