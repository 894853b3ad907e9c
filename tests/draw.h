/* Random rows for the operator runner. In: a seed. Out: the text of an inline case (see
 * case.h) with one operator, sometimes with an elementwise tail. The same seed draws the
 * same row on every machine. Must not know sessions or devices. */
#ifndef ESKER_TESTS_DRAW_H
#define ESKER_TESTS_DRAW_H

#include <stddef.h>
#include <stdint.h>

/* Writes a row without the word "case" into `text`. */
void draw_row(uint64_t seed, char *text, size_t size);

#endif
