/* Binaries of programs on disk. In: keys and bytes; out: files. Must not know GL. */
#include "glcompute/program_cache.h"

#include "base/cache_dir.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "esker/version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_BYTES = 64 << 20, /* of one binary */
    LOOK_BYTES = 4 << 20,  /* written between looks at the folder's size */
    ASIDE_SECONDS = 3600,  /* a file of a writer that died */
    NAME = 32 + 5,         /* hex digits, ".prog" */
};

static const uint64_t seeds[2] = {ESK_HASH_SEED, 0x9e3779b97f4a7c15u};

struct header {
    char magic[8];
    uint64_t key[2];
    uint64_t length, checksum;
    uint32_t format, order; /* of bytes: a folder may travel */
};
static const char magic[8] = "esker-1";
enum { ORDER = 0x01020304 };

void esk_program_cache_init(struct esk_program_cache *cache, const char *folder,
                            const char *driver, const struct esk_logger *logger) {
    *cache = (struct esk_program_cache){.logger = logger,
                                        .most = ESK_PROGRAM_CACHE_BYTES,
                                        .written = LOOK_BYTES,
                                        .asked_for = folder};
    static const int version[] = {ESK_VERSION_MAJOR, ESK_VERSION_MINOR,
                                  ESK_VERSION_PATCH};
    for (int i = 0; i < 2; i++)
        cache->driver[i] =
            esk_hash_text(esk_hash(seeds[i], version, sizeof version), driver);
    char *root = esk_cache_dir(folder);
    struct esk_text path = {0};
    if (root) {
        esk_text_add(&path, "%s/programs", root);
        if (path.failed)
            esk_text_finish(&path);
    }
    cache->folder = path.data;
    esk_free(root);
}

void esk_program_cache_finish(struct esk_program_cache *cache) {
    if (cache->hits + cache->misses)
        esk_log(cache->logger, ESK_LOG_INFO,
                "program cache '%s': %llu programs found, %llu compiled", cache->folder,
                (unsigned long long)cache->hits, (unsigned long long)cache->misses);
    esk_free(cache->folder);
    *cache = (struct esk_program_cache){0};
}

struct esk_program_key esk_program_cache_key(const struct esk_program_cache *cache,
                                             const char *source) {
    return (struct esk_program_key){{esk_hash_text(cache->driver[0], source),
                                     esk_hash_text(cache->driver[1], source)}};
}

/* NULL: no memory. */
static char *path_of(const struct esk_program_cache *cache,
                     const struct esk_program_key *key) {
    struct esk_text path = {0};
    esk_text_add(&path, "%s/%016llx%016llx.prog", cache->folder,
                 (unsigned long long)key->words[0], (unsigned long long)key->words[1]);
    if (path.failed)
        esk_text_finish(&path);
    return path.data;
}

static bool is_whole(const struct header *header, const struct esk_program_key *key,
                     const unsigned char *bytes, size_t size) {
    return memcmp(header->magic, magic, sizeof magic) == 0 && header->order == ORDER &&
           memcmp(header->key, key->words, sizeof header->key) == 0 &&
           header->length == size && header->checksum == esk_hash(seeds[1], bytes, size);
}

void *esk_program_cache_get(struct esk_program_cache *cache,
                            const struct esk_program_key *key, uint32_t *format,
                            size_t *size) {
    char *path = cache->folder ? path_of(cache, key) : NULL;
    struct header header;
    size_t all = 0;
    unsigned char *file =
        path ? esk_cache_dir_read(path, MOST_BYTES + sizeof header, &all) : NULL;
    bool whole = false;
    if (file && all > sizeof header) {
        memcpy(&header, file, sizeof header);
        whole = is_whole(&header, key, file + sizeof header, all - sizeof header);
    }
    if (whole) {
        memmove(file, file + sizeof header, all - sizeof header);
        *format = header.format;
        *size = all - sizeof header;
        cache->hits++;
        utimensat(AT_FDCWD, path, NULL, 0); /* used now; whether it works or not */
    } else {
        if (file)
            unlink(path);
        esk_free(file);
        file = NULL;
        cache->misses += cache->folder != NULL;
    }
    esk_free(path);
    return file;
}

void esk_program_cache_drop(struct esk_program_cache *cache,
                            const struct esk_program_key *key) {
    char *path = cache->folder ? path_of(cache, key) : NULL;
    if (path)
        unlink(path);
    cache->hits--;
    cache->misses++;
    esk_free(path);
}

/* ---- bounded size ---- */

struct entry {
    char name[NAME + 1];
    struct timespec used;
    uint64_t bytes;
};

static int older(const void *a, const void *b) {
    const struct timespec *x = &((const struct entry *)a)->used;
    const struct timespec *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Only what this file writes is counted, and removed: the folder is the user's. */
static void look_through(struct esk_program_cache *cache) {
    DIR *folder = opendir(cache->folder);
    struct entry *entries = NULL;
    size_t count = 0, capacity = 0;
    uint64_t total = 0;
    cache->written = 0;
    for (struct dirent *d; folder && (d = readdir(folder));) {
        struct stat status;
        size_t length = strlen(d->d_name);
        bool ours = strspn(d->d_name, "0123456789abcdef") == 32 &&
                    strncmp(d->d_name + 32, ".prog", 5) == 0;
        if (!ours || fstatat(dirfd(folder), d->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (length != NAME) {
            if (strcmp(d->d_name + length - 4, ".tmp") == 0 &&
                status.st_mtim.tv_sec < time(NULL) - ASIDE_SECONDS)
                unlinkat(dirfd(folder), d->d_name, 0);
            continue;
        }
        if (!esk_grow((void **)&entries, &capacity, count + 1, sizeof *entries))
            break;
        struct entry *entry = &entries[count++];
        memcpy(entry->name, d->d_name, NAME + 1);
        entry->used = status.st_mtim;
        entry->bytes = (uint64_t)status.st_size;
        total += entry->bytes;
    }
    if (total > cache->most) { /* to three quarters: not again at the next program */
        qsort(entries, count, sizeof *entries, older);
        for (size_t i = 0; i < count && total > cache->most / 4 * 3; i++) {
            unlinkat(dirfd(folder), entries[i].name, 0);
            total -= entries[i].bytes;
        }
    }
    if (folder)
        closedir(folder);
    esk_free(entries);
}

void esk_program_cache_put(struct esk_program_cache *cache,
                           const struct esk_program_key *key, uint32_t format,
                           const void *bytes, size_t size) {
    if (!cache->folder || cache->complained || !size || size > MOST_BYTES)
        return;
    struct header header = {
        .key = {key->words[0], key->words[1]},
        .length = size,
        .checksum = esk_hash(seeds[1], bytes, size),
        .format = format,
        .order = ORDER,
    };
    memcpy(header.magic, magic, sizeof magic);
    char *path = path_of(cache, key);
    unsigned char *file = esk_malloc(sizeof header + size);
    bool memory = path && file;
    if (memory) {
        memcpy(file, &header, sizeof header);
        memcpy(file + sizeof header, bytes, size);
    }
    bool done = memory && esk_cache_dir_make(cache->folder) &&
                esk_cache_dir_write(path, file, sizeof header + size);
    if (memory && !done) {
        cache->complained = true; /* and is not asked again */
        esk_log(cache->logger, cache->asked_for ? ESK_LOG_WARNING : ESK_LOG_INFO,
                "program binaries are not kept: folder '%s': %s", cache->folder,
                strerror(errno));
    }
    esk_free(path);
    esk_free(file);
    cache->written += done ? sizeof header + size : 0;
    if (done && cache->written >= LOOK_BYTES)
        look_through(cache);
}
