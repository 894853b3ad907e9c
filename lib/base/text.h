/* Text: a growing string, and small helpers on names. */
#ifndef ESK_BASE_TEXT_H
#define ESK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A growing string on the heap. Zeroed memory is an empty one. When memory runs out the
 * text stays as it was and `failed` is set; check once at the end. */
struct esk_text {
    char *data; /* owned, NUL-terminated; NULL while empty: use esk_text_str */
    size_t length, capacity;
    bool failed;
};

void esk_text_finish(struct esk_text *text);
void esk_text_clear(struct esk_text *text); /* empties, keeps the memory */
void esk_text_add(struct esk_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void esk_text_append(struct esk_text *text, const char *data, size_t length);
const char *esk_text_str(const struct esk_text *text); /* never NULL */

/* Appends "[2,3,?]"; a negative dimension prints as '?'. */
void esk_text_dims(struct esk_text *text, int rank, const long long *dims);

/* The number of single-character edits between a and b, case ignored (at most 64
 * characters of each count). For "did you mean". */
size_t esk_text_distance(const char *a, const char *b);

/* The whole of `text` as an integer or a float; false if it is not one. */
bool esk_text_to_int(const char *text, long long *value);
bool esk_text_to_float(const char *text, double *value);

#endif
