/* Binaries of programs on disk. In: a folder, what identifies the driver, source texts;
 * out: bytes. Must not know GL beyond the number of a binary's format. Whatever goes
 * wrong is a miss, never an error; a folder that cannot be used is one log line.
 *
 * One file a program, named by a 128-bit hash of driver, library version and source:
 * magic, key, format, length, checksum, bytes. Files are written aside and renamed, so
 * processes may share a folder; the least recently used ones go when all together pass
 * ESK_PROGRAM_CACHE_BYTES. */
#ifndef ESK_GLCOMPUTE_PROGRAM_CACHE_H
#define ESK_GLCOMPUTE_PROGRAM_CACHE_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESK_PROGRAM_CACHE_BYTES (64 << 20)

/* Under its device's lock. Zeroed memory is a cache that is off. */
struct esk_program_cache {
    char *folder;                    /* owned; NULL: off */
    const struct esk_logger *logger; /* borrowed; may be NULL */
    uint64_t driver[2];              /* hash of the driver's strings and our version */
    uint64_t most, written;          /* bytes; since the folder was last looked through */
    bool complained, asked_for;      /* the folder was named by an option */
    uint64_t hits, misses;
};

struct esk_program_key {
    uint64_t words[2];
};

/* `folder`: NULL: $XDG_CACHE_HOME/esker or ~/.cache/esker; "" or "none": off. It is made
 * when something is first written. */
void esk_program_cache_init(struct esk_program_cache *cache, const char *folder,
                            const char *driver, const struct esk_logger *logger);
void esk_program_cache_finish(struct esk_program_cache *cache);

struct esk_program_key esk_program_cache_key(const struct esk_program_cache *cache,
                                             const char *source);

/* The bytes (esk_free) of a program and their format; NULL: not there, or not whole. */
void *esk_program_cache_get(struct esk_program_cache *cache,
                            const struct esk_program_key *key, uint32_t *format,
                            size_t *size);
void esk_program_cache_put(struct esk_program_cache *cache,
                           const struct esk_program_key *key, uint32_t format,
                           const void *bytes, size_t size);
/* The driver does not take what `get` gave. */
void esk_program_cache_drop(struct esk_program_cache *cache,
                            const struct esk_program_key *key);

#endif
