/* The operators by name. In: ops.def; out: one const table. Nothing registers itself. */
#include "ir/op.h"

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
