/* Files that outlive the process. In: paths and bytes; out: the same. Must not know what
 * they mean. */
#include "base/cache_dir.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char *esk_cache_dir(const char *folder) {
    struct esk_text path = {0};
    if (folder && (!*folder || strcmp(folder, "none") == 0))
        return NULL;
    const char *xdg = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    if (folder)
        esk_text_add(&path, "%s", folder);
    else if (xdg &&
             *xdg == '/') /* a relative one is to be ignored, says its specification */
        esk_text_add(&path, "%s/esker", xdg);
    else if (home && *home == '/' &&
             access(home, F_OK) ==
                 0) /* a service's may not be there; root could make it */
        esk_text_add(&path, "%s/.cache/esker", home);
    if (path.failed)
        esk_text_finish(&path);
    return path.data;
}

bool esk_cache_dir_make(const char *folder) {
    char *copy = esk_strdup(folder);
    if (!copy)
        return false;
    bool made = true;
    for (char *at = copy + 1; made && *copy; at++)
        if (*at == '/' || !*at) {
            char kept = *at;
            *at = 0;
            made = mkdir(copy, 0700) == 0 || errno == EEXIST;
            *at = kept;
            if (!kept)
                break;
        }
    int error = errno;
    struct stat status;
    made = made && stat(folder, &status) == 0 && S_ISDIR(status.st_mode);
    esk_free(copy);
    if (!made)
        errno = error == EEXIST ? ENOTDIR : error;
    return made;
}

static bool write_all(int file, const unsigned char *bytes, size_t size) {
    while (size) {
        ssize_t n = write(file, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

bool esk_cache_dir_write(const char *path, const void *bytes, size_t size) {
    struct esk_text aside = {0};
    struct timespec now;
    int at;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* no two writers have one name: process, thread's stack, time */
    esk_text_add(&aside, "%s.%ld.%lx.%ld.tmp", path, (long)getpid(), (unsigned long)&at,
                 now.tv_nsec);
    if (aside.failed) {
        esk_text_finish(&aside);
        errno = ENOMEM;
        return false;
    }
    int file = open(aside.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool done = file >= 0 && write_all(file, bytes, size);
    int error = errno;
    if (file >= 0 && close(file) != 0 && done) {
        done = false;
        error = errno;
    }
    if (done && rename(aside.data, path) != 0) {
        done = false;
        error = errno;
    }
    if (!done && file >= 0)
        unlink(aside.data);
    esk_text_finish(&aside);
    errno = error;
    return done;
}

void *esk_cache_dir_read(const char *path, size_t most, size_t *size) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (file < 0)
        return NULL;
    unsigned char *bytes = NULL;
    size_t length = 0, got = 0;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= 0 &&
        (uint64_t)status.st_size <= most) {
        length = (size_t)status.st_size;
        bytes = esk_malloc(length + 1);
    }
    while (bytes && got < length) {
        ssize_t n = read(file, bytes + got, length - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    close(file);
    if (!bytes || got < length) {
        esk_free(bytes);
        return NULL;
    }
    bytes[length] = 0;
    *size = length;
    return bytes;
}
