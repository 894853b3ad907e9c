/* Command lines: a table of options says what a subcommand takes; parsing and --help come
 * from it. In: argv. Out: the caller's variables. Must not know any subcommand. */
#ifndef ESKER_TOOLS_ARGS_H
#define ESKER_TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A list of texts, borrowed from argv. Zeroed memory is an empty one. */
struct arg_list {
    const char **items; /* owned array */
    size_t count;
};

bool arg_list_add(struct arg_list *list, const char *item); /* false: no memory */
void arg_list_finish(struct arg_list *list);

enum arg_kind {
    ARG_FLAG,  /* bool *: set */
    ARG_COUNT, /* int *: raised by each use */
    ARG_TEXT,  /* const char **: the last use wins */
    ARG_INT,   /* int64_t *, within [low, high] */
    ARG_REAL,  /* double *, finite, at least 0 */
    ARG_LIST,  /* struct arg_list *: all uses */
};

/* One option, written "--name value" or "--name=value". */
struct arg_spec {
    const char *name; /* "provider", without dashes */
    enum arg_kind kind;
    void *target;      /* see the kinds */
    const char *value; /* how help calls the value: "N"; NULL for FLAG and COUNT */
    const char *help;  /* may hold newlines */
    int64_t low, high; /* of ARG_INT */
    bool *given;       /* may be NULL; set when the option is used */
};

/* One subcommand, or the tool itself. "--help" is always understood. */
struct arg_table {
    const char *usage; /* "esker run MODEL [options]" */
    const char *about; /* what it does; may hold newlines */
    const struct arg_spec *specs;
    size_t spec_count;
    const char *notes;           /* after the options; may be NULL */
    size_t min_texts, max_texts; /* how many texts that are no options */
    const char *texts;           /* how they are called: "MODEL" */
};

enum arg_result {
    ARGS_RUN,  /* go on */
    ARGS_HELP, /* help was printed on `out`: exit with 0 */
    ARGS_BAD,  /* a message is on `err`: exit with 2 */
};

/* An option of every table: prints its section of the manual page, as --help. */
#define ARGS_MAN "--help-man"

/* Parses argv[1..argc-1]; texts that are no options are added to `texts`. "--" ends the
 * options; "-" is a text. */
enum arg_result args_parse(const struct arg_table *table, int argc, char **argv,
                           struct arg_list *texts, FILE *out, FILE *err);

void args_help(const struct arg_table *table, FILE *out);

/* The whole of `text` as a number. */
bool arg_to_int(const char *text, int64_t *value);
bool arg_to_real(const char *text, double *value);

/* Single-character edits between a and b, case ignored; for "did you mean". */
size_t arg_distance(const char *a, const char *b);

#endif
