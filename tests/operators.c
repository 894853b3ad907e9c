/* Writes docs/operators.md: what operators there are and what each can do. In: the
 * operators' records, their sources (reasons for which `gpu` refuses a case) and the rows
 * of tests/ops.txt (types that are tested on the device). Out: the table on standard
 * output.
 *
 *   operators SOURCE_DIR */
#include "ir/op.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name, *file;
};

/* From ops.def: the record's name (com.microsoft's begin with ms_) and its file. */
static const struct row files[] = {
#define ESK_OP(name, file) {#name, #file},
#include "../lib/ops/ops.def"
#undef ESK_OP
};

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0, capacity = 0;

    if (!file) {
        fprintf(stderr, "operators: %s cannot be opened\n", path);
        exit(1);
    }
    for (;;) {
        if (size + 4097 > capacity && !(text = realloc(text, capacity = size * 2 + 8192)))
            exit(1);
        size_t n = fread(text + size, 1, 4096, file);
        size += n;
        if (!n)
            break;
    }
    text[size] = 0;
    fclose(file);
    return text;
}

static const char *file_of(const struct esk_op *op) {
    char name[96];

    snprintf(name, sizeof(name), "%s%s", strcmp(op->domain, "com.microsoft") ? "" : "ms_",
             op->name);
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (!strcmp(files[i].name, name))
            return files[i].file;
    return NULL;
}

/* `test_reduce_sum_x` has the name of ReduceSum: the same letters, underscores apart. */
static bool names(const char *test, const char *op) {
    for (; *op; test++) {
        if (*test == '_')
            continue;
        if (*test != tolower((unsigned char)*op++))
            return false;
    }
    return true;
}

/* Of rows that run strict on the device: the types of the operator's first argument, each
 * once; without such a row whether a node test has its name. */
static void print_types(const struct esk_op *op, const char *rows) {
    char seen[512] = " ", start[96];
    bool node = false;

    snprintf(start, sizeof(start), " %s(", op->name);
    for (const char *next; *rows; rows = next) {
        char line[2048], word[40];
        size_t length = strcspn(rows, "\n");

        next = rows + length + (rows[length] != 0);
        snprintf(line, sizeof(line), "%.*s", (int)length, rows);
        if (strstr(line, " fallback") || strstr(line, " cpu"))
            continue;
        node |= !*op->domain && !strncmp(line, "node test_", 10) &&
                names(line + 10, op->name);
        if (strncmp(line, "case ", 5))
            continue;
        for (const char *at = strstr(line, start); at; at = strstr(at + 1, start)) {
            const char *type = at + strlen(start);
            size_t n = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789");

            if (!n || n > 20 || type[n] != '[')
                continue;
            snprintf(word, sizeof(word), " %.*s ", (int)n, type);
            if (strstr(seen, word) || strlen(seen) + n + 2 > sizeof(seen))
                continue;
            printf("%s%.*s", seen[1] ? ", " : "", (int)n, type);
            strncat(seen, word + 1, sizeof(seen) - strlen(seen) - 1);
        }
    }
    if (!seen[1] && node)
        printf("node tests");
}

/* The texts of esk_unsupported calls in the operator's file. */
static void print_reasons(const char *folder, const char *name) {
    char path[4096], seen[4096] = "";
    int count = 0;

    snprintf(path, sizeof(path), "%s/lib/ops/%s.c", folder, name);
    char *text = read_text(path);
    for (char *at = strstr(text, "esk_unsupported("); at;
         at = strstr(at + 1, "esk_unsupported(")) {
        char *from = strchr(at, '"'), *end = from ? strchr(from + 1, '"') : NULL;
        char reason[160];

        if (!end || end - from > 150 || strstr(from, ";") < end)
            continue;
        snprintf(reason, sizeof(reason), "%.*s;", (int)(end - from - 1), from + 1);
        if (strstr(seen, reason) || strlen(seen) + strlen(reason) + 1 > sizeof(seen))
            continue;
        strcat(seen, reason);
        printf("%s", count++ ? "; " : "");
        for (const char *c = reason; c[1]; c++) { /* a value is shown as … */
            if (*c != '%') {
                putchar(*c);
                continue;
            }
            c += strcspn(c, "dsufgx;");
            printf("…");
            if (*c == ';') /* the conversion is a macro's: the text ends here */
                break;
        }
    }
    free(text);
}

static void print_op(const struct esk_op *op, const char *folder, const char *rows) {
    const char *file = file_of(op);

    printf("| %s%s%s | ", *op->domain ? op->domain : "", *op->domain ? "." : "",
           op->name);
    for (const uint8_t *v = op->since; *v; v++)
        printf("%s%u", v > op->since ? ", " : "", *v);
    printf(" | %s | ", op->cpu ? "yes" : op->control ? "control flow" : "rewritten");
    if (op->flags & ESK_OP_DATA_SIZED)
        printf("on the host: the size depends on data");
    else if (op->control)
        printf("bodies like any graph");
    else if (op->gpu)
        printf("yes%s%s", op->flags & ESK_OP_EPILOGUE ? ", takes an epilogue" : "",
               op->elementwise ? ", joins others" : "");
    else
        printf("%s", op->cpu ? "no" : "rewritten");
    printf(" | ");
    print_types(op, rows);
    printf(" | ");
    if (op->gpu && file)
        print_reasons(folder, file);
    printf(" |\n");
}

static int by_name(const void *a, const void *b) {
    const struct esk_op *x = *(const struct esk_op *const *)a,
                        *y = *(const struct esk_op *const *)b;
    int domains = strcmp(x->domain, y->domain);

    return domains ? domains : strcmp(x->name, y->name);
}

int main(int argc, char **argv) {
    char path[4096];
    size_t count;
    const struct esk_op *const *list = esk_op_list(&count);
    const struct esk_op **sorted = malloc((count + 1) * sizeof(*sorted));

    if (argc != 2 || !sorted) {
        fprintf(stderr, "usage: operators SOURCE_DIR\n");
        return 2;
    }
    memcpy(sorted, list, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_name);
    snprintf(path, sizeof(path), "%s/tests/ops.txt", argv[1]);
    char *rows = read_text(path);
    printf(
        "# Operators\n\n"
        "Written by `build/release/tests/operators . > docs/operators.md` from the "
        "operators' records (lib/ops), their sources\nand tests/ops.txt; the test "
        "`docs/operators` fails when it is old. Opsets: the versions known, up to %d of "
        "the default domain;\n"
        "a newer one is refused by name. Types: those of the first input in the rows "
        "that run strict on the device against the CPU provider.\n"
        "Reasons: the texts with which `gpu` refuses a case (… stands for a value); such "
        "a node runs on the CPU provider, or with strict is an error.\n\n"
        "| Operator | Opsets | CPU | GLCompute | Types tested on the device | Refused on "
        "the device for |\n| --- | --- | --- | --- | --- | --- |\n",
        ESK_OPSET_NEWEST);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sorted[i]->domain, "esker"))
            print_op(sorted[i], argv[1], rows);
    free(rows);
    free(sorted);
    return 0;
}
