/* What the families of random rows share: numbers, shapes, text. A family says one node.
 * In: a stream of numbers. Out: text. Must not know sessions or devices. */
#ifndef ESKER_TESTS_DRAW_PARTS_H
#define ESKER_TESTS_DRAW_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_RANK = 6, MOST_ELEMENTS = 12000 };

struct draw {
    uint64_t state;
    char *text;
    size_t size, used;
};

struct dims {
    int rank, d[MOST_RANK];
};

int below(struct draw *d, int n); /* [0, n) */
int from_to(struct draw *d, int low, int high);
bool one_in(struct draw *d, int n);
void say(struct draw *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One of `n` texts. */
const char *pick(struct draw *d, const char *const *list, size_t n);
#define ONE(d, list) pick(d, list, sizeof(list) / sizeof(*(list)))
#define PICK(d, ...)                            \
    pick(d, (const char *const[]){__VA_ARGS__}, \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Mostly small, sometimes 0, sometimes up to 70. */
int extent(struct draw *d);
struct dims dims_of(struct draw *d, int low, int high);     /* of ranks low to high */
struct dims some_dims(struct draw *d, int low, int high);   /* no 0 */
struct dims narrower(struct draw *d, const struct dims *s); /* broadcasts to `s` */
int64_t elements(const struct dims *s);
void shape(struct draw *d, const char *type, const struct dims *s); /* "type[dims]" */
void items(struct draw *d, int n, const int *values);               /* "1,2,3" */
/* A tail that a kernel may take into its epilogue, sometimes. */
void tail(struct draw *d, bool is_float);

extern const char *const draw_floats[4], *const draw_numbers[10], *const draw_any[9];

typedef void draw_family(struct draw *d);
/* The families of draw_more.c and draw_fused.c. */
extern draw_family *const draw_more[];
extern const int draw_more_count;
extern draw_family *const draw_fused[];
extern const int draw_fused_count;

#endif
