/* Where the library keeps files between runs, and how it writes them. In: names; out:
 * paths and whole files. Must not know what is in them. */
#ifndef ESK_BASE_CACHE_DIR_H
#define ESK_BASE_CACHE_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* `folder` as it is; NULL: $XDG_CACHE_HOME/esker or $HOME/.cache/esker; NULL for "",
 * "none", where there is no home (or it is not there), or no memory. The caller frees it
 * (esk_free). */
char *esk_cache_dir(const char *folder);

/* Makes a folder and those above it, 0700 each. */
bool esk_cache_dir_make(const char *folder);

/* Writes a file that another process sees whole or not at all; the folder must be there.
 * false: errno says why. */
bool esk_cache_dir_write(const char *path, const void *bytes, size_t size);

/* A whole file of at most `most` bytes, a NUL behind it (esk_free); NULL: it cannot be
 * read, or is larger. */
void *esk_cache_dir_read(const char *path, size_t most, size_t *size);

#endif
