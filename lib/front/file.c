/* In: a path; out: a blob over a private read-only mapping. Must not know what is in it.
 */
#include "front/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct esk_file_facts facts_of(const struct stat *s) {
    return (struct esk_file_facts){
        .device = (uint64_t)s->st_dev,
        .inode = (uint64_t)s->st_ino,
        .size = (uint64_t)s->st_size,
        .seconds = s->st_mtim.tv_sec,
        .nanoseconds = s->st_mtim.tv_nsec,
    };
}

bool esk_file_look(const char *path, struct esk_file_facts *facts) {
    struct stat found;
    if (stat(path, &found) != 0)
        return false;
    *facts = facts_of(&found);
    return true;
}

bool esk_file_same(const struct esk_file_facts *a, const struct esk_file_facts *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static void unmap(void *user, void *data, size_t size) {
    (void)user;
    munmap(data, size);
}

static esk_status fail_errno(esk_error *error, const char *path, const char *what) {
    char text[128];
    return esk_fail(error, errno == ENOMEM ? ESK_OUT_OF_MEMORY : ESK_IO, "%s '%s': %s",
                    what, path, strerror_r(errno, text, sizeof text));
}

esk_status esk_file_map(const char *path, struct esk_blob **blob,
                        struct esk_file_facts *result, esk_error *error) {
    /* not blocking: the name may be that of a pipe */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_errno(error, path, "cannot open");
    esk_status status = ESK_OK;
    struct stat facts;
    void *data = MAP_FAILED;
    size_t size = 0;
    if (fstat(file, &facts) != 0)
        status = fail_errno(error, path, "cannot read");
    else if (!S_ISREG(facts.st_mode))
        status = esk_fail(error, ESK_IO, "'%s' is no regular file", path);
    else if ((uintmax_t)facts.st_size > SIZE_MAX / 2)
        status = esk_fail(error, ESK_IO, "'%s' is too large for this machine", path);
    else if (facts.st_size > 0) {
        size = (size_t)facts.st_size;
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED)
            status = fail_errno(error, path, "cannot map");
    }
    close(file);
    if (status)
        return status;
    /* an empty file has nothing to map */
    struct esk_blob *made =
        size ? esk_blob_create(data, size, unmap, NULL) : esk_blob_heap(0);
    if (!made) {
        if (size)
            munmap(data, size);
        return esk_fail_memory(error, "a file");
    }
    *blob = made;
    *result = facts_of(&facts);
    return ESK_OK;
}
