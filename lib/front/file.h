/* Files as blobs. */
#ifndef ESK_FRONT_FILE_H
#define ESK_FRONT_FILE_H

#include "ir/graph.h"

/* The whole of a regular file, mapped for reading; the file must not shrink while the
 * blob lives. Errors: IO with the path, OUT_OF_MEMORY. */
esk_status esk_file_map(const char *path, struct esk_blob **blob, esk_error *error);

#endif
