/* Command lines from a table of options.
 * In: argv. Out: the caller's variables, messages. Must not know any subcommand. */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool arg_list_add(struct arg_list *list, const char *item) {
    const char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

    if (!items)
        return false;
    list->items = items;
    list->items[list->count++] = item;
    return true;
}

void arg_list_finish(struct arg_list *list) {
    free(list->items);
    *list = (struct arg_list){0};
}

bool arg_to_int(const char *text, int64_t *value) {
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (end == text || *end || errno || isspace((unsigned char)*text))
        return false;
    *value = number;
    return true;
}

bool arg_to_real(const char *text, double *value) {
    char *end;
    double number;

    errno = 0;
    number = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || !isfinite(number))
        return false;
    *value = number;
    return true;
}

size_t arg_distance(const char *a, const char *b) {
    enum { MOST = 64 };
    size_t row[MOST + 1], na = strnlen(a, MOST), nb = strnlen(b, MOST);

    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            int ca = tolower((unsigned char)a[i - 1]),
                cb = tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + (ca != cb);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

/* Prints `text` with every line indented. */
static void print_indented(FILE *out, const char *text, int indent, bool first_too) {
    bool pad = first_too;

    while (*text) {
        size_t length = strcspn(text, "\n");

        fprintf(out, "%*s%.*s\n", pad ? indent : 0, "", (int)length, text);
        text += length;
        text += *text == '\n';
        pad = true;
    }
}

void args_help(const struct arg_table *table, FILE *out) {
    enum { COLUMN = 24 };

    fprintf(out, "usage: %s\n\n%s\n", table->usage, table->about);
    if (table->spec_count)
        fprintf(out, "\noptions:\n");
    for (size_t i = 0; i < table->spec_count; i++) {
        const struct arg_spec *spec = &table->specs[i];
        int width = fprintf(out, "  --%s%s%s", spec->name, spec->value ? " " : "",
                            spec->value ? spec->value : "");

        if (width >= COLUMN - 1)
            fprintf(out, "\n%*s", COLUMN, "");
        else
            fprintf(out, "%*s", COLUMN - width, "");
        print_indented(out, spec->help, COLUMN, false);
    }
    fprintf(out, "  --help                this text\n");
    if (table->notes)
        fprintf(out, "\n%s\n", table->notes);
}

/* Text as roff: no escapes, no requests. */
static void print_roff(FILE *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else if ((text[i] == '.' || text[i] == '\'') && (!i || text[i - 1] == '\n'))
            fprintf(out, "\\&%c", text[i]);
        else
            fputc(text[i], out);
    }
}

/* The section of a manual page that says what --help says. */
static void print_man(const struct arg_table *table, FILE *out) {
    fprintf(out, ".SS ");
    print_roff(out, table->usage, strlen(table->usage));
    fputc('\n', out);
    print_roff(out, table->about, strlen(table->about));
    for (size_t i = 0; i < table->spec_count; i++) {
        const struct arg_spec *spec = &table->specs[i];

        fprintf(out, "\n.TP\n.B \\-\\-");
        print_roff(out, spec->name, strlen(spec->name));
        if (spec->value) {
            fprintf(out, " \\fI");
            print_roff(out, spec->value, strlen(spec->value));
            fprintf(out, "\\fR");
        }
        fputc('\n', out);
        print_roff(out, spec->help, strlen(spec->help));
    }
    if (table->notes) {
        fprintf(out, "\n.PP\n.nf\n");
        print_roff(out, table->notes, strlen(table->notes));
        fprintf(out, "\n.fi");
    }
    fputc('\n', out);
}

static const struct arg_spec *find(const struct arg_table *table, const char *name,
                                   size_t length) {
    for (size_t i = 0; i < table->spec_count; i++)
        if (strlen(table->specs[i].name) == length &&
            !strncmp(table->specs[i].name, name, length))
            return &table->specs[i];
    return NULL;
}

static void report_unknown(const struct arg_table *table, const char *name, size_t length,
                           FILE *err) {
    char text[65];
    const char *nearest = "help";
    size_t best;

    snprintf(text, sizeof(text), "%.*s", (int)length, name);
    best = arg_distance(text, nearest);
    for (size_t i = 0; i < table->spec_count; i++) {
        size_t distance = arg_distance(text, table->specs[i].name);

        if (distance < best) {
            best = distance;
            nearest = table->specs[i].name;
        }
    }
    fprintf(err, "esker: unknown option '--%s'; the nearest is '--%s'\n", text, nearest);
}

static bool take(const struct arg_spec *spec, const char *value, FILE *err) {
    int64_t integer;
    double real;

    switch (spec->kind) {
    case ARG_FLAG:
        *(bool *)spec->target = true;
        break;
    case ARG_COUNT:
        ++*(int *)spec->target;
        break;
    case ARG_TEXT:
        *(const char **)spec->target = value;
        break;
    case ARG_INT:
        if (!arg_to_int(value, &integer) || integer < spec->low || integer > spec->high) {
            fprintf(err, "esker: --%s: '%s' is no integer from %lld to %lld\n",
                    spec->name, value, (long long)spec->low, (long long)spec->high);
            return false;
        }
        *(int64_t *)spec->target = integer;
        break;
    case ARG_REAL:
        if (!arg_to_real(value, &real) || real < 0) {
            fprintf(err, "esker: --%s: '%s' is no number from 0\n", spec->name, value);
            return false;
        }
        *(double *)spec->target = real;
        break;
    case ARG_LIST:
        if (!arg_list_add(spec->target, value)) {
            fprintf(err, "esker: out of memory\n");
            return false;
        }
        break;
    }
    if (spec->given)
        *spec->given = true;
    return true;
}

/* Takes the option argv[*at]; moves *at over its value. */
static bool take_option(const struct arg_table *table, int argc, char **argv, int *at,
                        FILE *err) {
    const char *name = argv[*at] + 2, *equal = strchr(name, '=');
    size_t length = equal ? (size_t)(equal - name) : strlen(name);
    const struct arg_spec *spec = find(table, name, length);
    const char *value = equal ? equal + 1 : NULL;

    if (!spec) {
        report_unknown(table, name, length, err);
        return false;
    }
    if (spec->kind == ARG_FLAG || spec->kind == ARG_COUNT) {
        if (value) {
            fprintf(err, "esker: --%s takes no value\n", spec->name);
            return false;
        }
    } else if (!value) {
        if (*at + 1 >= argc) {
            fprintf(err, "esker: --%s needs a value (%s)\n", spec->name, spec->value);
            return false;
        }
        value = argv[++*at];
    }
    return take(spec, value, err);
}

enum arg_result args_parse(const struct arg_table *table, int argc, char **argv,
                           struct arg_list *texts, FILE *out, FILE *err) {
    bool only_texts = false;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];

        if (!only_texts && !strcmp(arg, "--")) {
            only_texts = true;
        } else if (!only_texts && !strcmp(arg, "-o") && find(table, "output", 6)) {
            argv[i] = (char[]){"--output"};
            if (!take_option(table, argc, argv, &i, err))
                return ARGS_BAD;
        } else if (!only_texts && (!strcmp(arg, "--help") || !strcmp(arg, "-h"))) {
            args_help(table, out);
            return ARGS_HELP;
        } else if (!only_texts && !strcmp(arg, ARGS_MAN)) {
            print_man(table, out);
            return ARGS_HELP;
        } else if (!only_texts && !strncmp(arg, "--", 2)) {
            if (!take_option(table, argc, argv, &i, err))
                return ARGS_BAD;
        } else if (!only_texts && arg[0] == '-' && arg[1]) {
            fprintf(err, "esker: unknown option '%s'; options begin with two dashes\n",
                    arg);
            return ARGS_BAD;
        } else if (texts->count >= table->max_texts) {
            fprintf(err, "esker: one argument too many: '%s'\nusage: %s\n", arg,
                    table->usage);
            return ARGS_BAD;
        } else if (!arg_list_add(texts, arg)) {
            fprintf(err, "esker: out of memory\n");
            return ARGS_BAD;
        }
    }
    if (texts->count < table->min_texts) {
        fprintf(err, "esker: %s is missing\nusage: %s\n", table->texts, table->usage);
        return ARGS_BAD;
    }
    return ARGS_RUN;
}
