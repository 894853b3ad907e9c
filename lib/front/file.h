/* Files as blobs. */
#ifndef ESK_FRONT_FILE_H
#define ESK_FRONT_FILE_H

#include "ir/graph.h"

/* What tells one state of a file from another. */
struct esk_file_facts {
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds; /* of its last change */
};
/* false: there is no such file. */
bool esk_file_look(const char *path, struct esk_file_facts *facts);
bool esk_file_same(const struct esk_file_facts *a, const struct esk_file_facts *b);

/* The whole of a regular file, mapped for reading; the file must not shrink while the
 * blob lives. Errors: IO with the path, OUT_OF_MEMORY. */
esk_status esk_file_map(const char *path, struct esk_blob **blob,
                        struct esk_file_facts *facts, esk_error *error);

#endif
