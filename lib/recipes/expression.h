/* Expressions of elementwise nodes as GLSL statements: what kernels of their own and
 * epilogues share. In: nodes, and how each value from outside is read; out: text, and the
 * scalars that become parameters. Must not know operators by name. */
#ifndef ESK_RECIPES_EXPRESSION_H
#define ESK_RECIPES_EXPRESSION_H

#include "ir/op.h"

enum { ESK_SCALARS = 64 }; /* of all expressions of a kernel */

/* Gathered first, added to the kernel once the expressions stand. */
struct esk_scalars {
    uint32_t first, count; /* names before `first` are the kernel's already */
    bool full;
    struct esk_scalar {
        enum {
            ESK_SCALAR_FLOAT,
            ESK_SCALAR_INT,
            ESK_SCALAR_HOST_FLOAT,
            ESK_SCALAR_HOST_INT
        } kind;
        float number;
        int32_t bits;
        esk_id var;
    } list[ESK_SCALARS];
};

/* Scalars whose names come after those that the kernel has. */
void esk_scalars_start(struct esk_scalars *scalars, const struct esk_kernel *k);
/* The name of a new integer: p_NAME in the text. */
const char *esk_scalars_int(struct esk_scalars *scalars, int64_t value);
void esk_scalars_emit(const struct esk_scalars *scalars, struct esk_kernel *k);

/* "vec4", "uint" …: how a shader has values of a class. */
const char *esk_class_text(enum esk_class class, bool vec4);

/* Nodes one after the other, each a statement "vec4 t2 = …;". */
struct esk_body {
    struct esk_ctx *c;
    bool vec4;
    /* writes how a value from outside is read; false: it cannot be */
    bool (*read)(void *user, esk_id id, struct esk_text *arg);
    void *user;
    struct esk_text text;
    struct esk_scalars scalars;
    uint32_t n;
    esk_id made[24]; /* what the statements make */
    const char *names[24];
};

/* A value that stands already under a name that outlives the body. */
void esk_body_given(struct esk_body *b, esk_id id, const char *name);
/* A statement; `glsl` NULL: what the node's record says. Inputs of one known element
 * become parameters, those in `late` late ones; an absent input 1 is the least value of
 * input 0's class, an absent input 2 the greatest. false: it cannot be written. */
bool esk_body_add(struct esk_body *b, const struct esk_node *node, const char *glsl,
                  uint32_t n_in, uint32_t late);
/* The same as a bare expression. */
bool esk_body_expr(struct esk_body *b, const struct esk_node *node, const char *glsl,
                   uint32_t n_in, uint32_t late, struct esk_text *expr);
/* What the last statement made. */
const char *esk_body_last(const struct esk_body *b);
void esk_body_finish(struct esk_body *b);

/* What a record says of this node: its `expr`, or the row of its class. NULL: nothing. */
const char *esk_node_glsl(const struct esk_graph *graph, const struct esk_node *node);
/* How many inputs an expression names. */
uint32_t esk_glsl_inputs(const char *glsl);
/* FN_name for each function of the text: lib/math.glsl and lib/integer.glsl leave out the
 * others. */
void esk_define_functions(struct esk_kernel *k, const char *text);

#endif
