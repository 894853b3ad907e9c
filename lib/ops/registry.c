/* The operators by name and the tables of patterns. In: ops.def, patterns.def; out: const
 * tables. Nothing registers itself. */
#include "ir/pattern.h"

#include <string.h>

#define ESK_OP(name, file) extern const struct esk_op esk_op_##name;
#include "ops.def"
#undef ESK_OP

static const struct esk_op *const ops[] = {
#define ESK_OP(name, file) &esk_op_##name,
#include "ops.def"
#undef ESK_OP
};

const struct esk_op *esk_op_find(const char *domain, const char *name) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i]->name, name) == 0 && strcmp(ops[i]->domain, domain) == 0)
            return ops[i];
    return NULL;
}

const struct esk_op *const *esk_op_list(size_t *count) {
    *count = sizeof ops / sizeof *ops;
    return ops;
}

#define ESK_PATTERNS(file) extern const struct esk_pattern esk_patterns_##file[];
#include "patterns.def"
#undef ESK_PATTERNS

static const struct esk_pattern *const tables[] = {
#define ESK_PATTERNS(file) esk_patterns_##file,
#include "patterns.def"
#undef ESK_PATTERNS
};

const struct esk_pattern *esk_pattern_table(size_t index) {
    return index < sizeof tables / sizeof *tables ? tables[index] : NULL;
}
