/* glcompute/program_cache: what is kept comes back whole, or not at all. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/text.h"
#include "glcompute/program_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/esker_cache_XXXXXX";
static char blob[3000];
static int lines;

static void count_lines(void *user, esk_log_level level, const char *text) {
    (void)user, (void)level, (void)text;
    lines++;
}

static const struct esk_logger logger = {count_lines, NULL, ESK_LOG_WARNING};

static struct esk_program_cache open_cache(const char *folder, const char *driver) {
    struct esk_program_cache cache;
    esk_program_cache_init(&cache, folder, driver, &logger);
    return cache;
}

static void setup(void) {
    cr_assert(mkdtemp(root));
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (char)(i * 7);
}

static void teardown(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

/* The path of file `index` of the folder, its number in *count. */
static char *find(int index, int *count) {
    static char path[512];
    char folder[64];
    snprintf(folder, sizeof folder, "%s/programs", root);
    DIR *dir = opendir(folder);
    *count = 0;
    for (struct dirent *d; dir && (d = readdir(dir));)
        if (d->d_name[0] != '.' && (*count)++ == index)
            snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
    if (dir)
        closedir(dir);
    return path;
}

static bool has(struct esk_program_cache *cache, const char *source) {
    struct esk_program_key key = esk_program_cache_key(cache, source);
    uint32_t format = 0;
    size_t size = 0;
    void *bytes = esk_program_cache_get(cache, &key, &format, &size);
    bool found = bytes && format == 42 && size == sizeof blob &&
                 memcmp(bytes, blob, sizeof blob) == 0;
    cr_assert(found || !bytes, "something else came back");
    esk_free(bytes);
    return found;
}

static void put(struct esk_program_cache *cache, const char *source) {
    struct esk_program_key key = esk_program_cache_key(cache, source);
    esk_program_cache_put(cache, &key, 42, blob, sizeof blob);
}

TestSuite(program_cache, .init = setup, .fini = teardown);

Test(program_cache, comes_back_for_the_same_driver_and_source) {
    struct esk_program_cache a = open_cache(root, "driver 1");
    cr_assert_not(has(&a, "source"));
    put(&a, "source");
    esk_program_cache_finish(&a);
    struct esk_program_cache b = open_cache(root, "driver 1");
    cr_assert(has(&b, "source"));
    cr_assert_not(has(&b, "source "));
    cr_assert(b.hits == 1 && b.misses == 1);
    esk_program_cache_finish(&b);
    struct esk_program_cache c = open_cache(root, "driver 2");
    cr_assert_not(has(&c, "source"), "another driver");
    struct esk_program_key key = esk_program_cache_key(&c, "source");
    put(&c, "source");
    esk_program_cache_drop(&c, &key);
    cr_assert_not(has(&c, "source"), "dropped");
    esk_program_cache_finish(&c);
    cr_assert_eq(lines, 0);
}

/* Each byte of the header, and some of the rest, flipped; each length. */
Test(program_cache, damage_is_a_miss) {
    struct esk_program_cache cache = open_cache(root, "driver");
    int count;
    for (int at = 0; at < 60 + 40; at++) {
        put(&cache, "source");
        char *path = find(0, &count);
        cr_assert_eq(count, 1);
        int file = open(path, O_RDWR);
        off_t place = at < 60 ? at : 60 + (at - 60) * 70;
        unsigned char byte;
        cr_assert_eq(pread(file, &byte, 1, place), 1);
        byte ^= 0x10;
        cr_assert_eq(pwrite(file, &byte, 1, place), 1);
        close(file);
        bool format = at >= 40 && at < 44; /* of the driver's own affair: checked by it */
        if (!format)
            cr_assert_not(has(&cache, "source"), "byte %d", at);
        else
            cr_assert_eq(unlink(path), 0);
        find(0, &count);
        cr_assert_eq(count, 0, "what is damaged is removed");
    }
    for (int length = 0; length < 3056; length += 191) {
        put(&cache, "source");
        cr_assert_eq(truncate(find(0, &count), length), 0);
        cr_assert_not(has(&cache, "source"), "%d bytes", length);
    }
    put(&cache, "source");
    FILE *file = fopen(find(0, &count), "a");
    fputc('x', file);
    fclose(file);
    cr_assert_not(has(&cache, "source"), "a byte too many");
    esk_program_cache_finish(&cache);
}

Test(program_cache, off) {
    const char *folders[] = {"", "none"};
    for (int i = 0; i < 2; i++) {
        struct esk_program_cache cache = open_cache(folders[i], "driver");
        put(&cache, "source");
        cr_assert(!cache.folder && !has(&cache, "source"));
        esk_program_cache_finish(&cache);
    }
    setenv("XDG_CACHE_HOME", root, 1);
    struct esk_program_cache cache = open_cache(NULL, "driver");
    char expected[64];
    snprintf(expected, sizeof expected, "%s/esker/programs", root);
    cr_assert_str_eq(cache.folder, expected);
    put(&cache, "source");
    cr_assert(has(&cache, "source"));
    esk_program_cache_finish(&cache);
    /* a home is not made */
    char home[64];
    snprintf(home, sizeof home, "%s/nobody", root);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", home, 1);
    cache = open_cache(NULL, "driver");
    put(&cache, "source");
    cr_assert(!cache.folder && access(home, F_OK) != 0);
    esk_program_cache_finish(&cache);
    setenv("HOME", root, 1);
    cache = open_cache(NULL, "driver");
    snprintf(expected, sizeof expected, "%s/.cache/esker/programs", root);
    cr_assert_str_eq(cache.folder, expected);
    esk_program_cache_finish(&cache);
}

/* Below a file there is no folder: this holds for root too, who may write anywhere. */
Test(program_cache, no_folder_is_one_line) {
    char path[64];
    snprintf(path, sizeof path, "%s/file", root);
    fclose(fopen(path, "w"));
    struct esk_program_cache cache = open_cache(path, "driver");
    for (int i = 0; i < 3; i++) {
        put(&cache, "source");
        cr_assert_not(has(&cache, "source"));
    }
    esk_program_cache_finish(&cache);
    cr_assert_eq(lines, 1);
}

Test(program_cache, bounded) {
    struct esk_program_cache cache = open_cache(root, "driver");
    char name[16];
    int count;
    cache.most = 10 * (sizeof blob + 56);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "s%d", i);
        put(&cache, name);
        usleep(2000);
        if (i == 9) {
            cr_assert(has(&cache, "s0"), "used again: no more the oldest");
            usleep(2000);
        }
    }
    fclose(fopen(strcat(strcpy((char[80]){0}, root), "/programs/notes"), "w"));
    cache.written = ESK_PROGRAM_CACHE_BYTES; /* look now */
    put(&cache, "last");
    find(0, &count);
    cr_assert_eq(count, 8, "seven and a stranger's, not %d", count);
    cr_assert(has(&cache, "last") && has(&cache, "s0") && has(&cache, "s11"));
    cr_assert_not(has(&cache, "s1"));
    esk_program_cache_finish(&cache);
}

Test(program_cache, two_processes) {
    int failed = 0;
    for (int p = 0; p < 2; p++)
        if (!fork()) {
            struct esk_program_cache cache;
            esk_program_cache_init(&cache, root, "driver", NULL);
            int bad = 0;
            for (int i = 0; i < 400; i++) {
                char name[16];
                snprintf(name, sizeof name, "s%d", i % 5);
                struct esk_program_key key = esk_program_cache_key(&cache, name);
                uint32_t format;
                size_t size = 0;
                if (i % 2 == p)
                    esk_program_cache_put(&cache, &key, 42, blob, sizeof blob);
                void *bytes = esk_program_cache_get(&cache, &key, &format, &size);
                /* what is there is whole: a writer is never seen half-way */
                bad += i >= 5 && (!bytes || size != sizeof blob);
                esk_free(bytes);
            }
            _exit(bad || cache.complained);
        }
    for (int p = 0; p < 2; p++) {
        int status;
        wait(&status);
        failed += status != 0;
    }
    cr_assert_eq(failed, 0);
}
