/* Graph optimisation: what each level has, leaving single passes out. In: small models
 * that one pass changes; out: graphs, plans and results with it and without it. */
#include "surface.h"

#include "compile/compile.h"
#include "message.h"

#include <stdio.h>

/* Graph and plan of the case's session as text. */
struct look {
    char *graph, *plan;
    esk_value *y;
};

static bool look(struct scene *s, esk_env *env, struct op_case *made,
                 const char *provider, const char *settings, struct look *found) {
    esk_session *session;

    MUST(scene_session(s, env, made->model, provider, settings, &session));
    MUST(scene_dump(s, session, "graph", &found->graph));
    MUST(scene_dump(s, session, "plan", &found->plan));
    return scene_run(s, session, &found->y, made->inputs.count, made->inputs.values[0],
                     made->inputs.count > 1 ? made->inputs.values[1] : NULL,
                     made->inputs.count > 2 ? made->inputs.values[2] : NULL);
}

enum { ALL, EXTENDED, BASIC, DISABLED, LEVELS };

static const char *const levels[LEVELS] = {"all", "extended", "basic", "disabled"};

#define QUARTER "int64[2]!=9223372036854775807, int64[2]!=2,3, int64[2]!=2)"

static const struct {
    const char *pass, *text;
    int level;        /* the last that has it */
    const char *also; /* left out with it and without it: does the same by another way */
} rows[] = {
    {"fold_constants", "Exp(float[600]!) | Mul($, float[600])", BASIC, NULL},
    {"merge_duplicates", "Exp(float[3,4]) | Exp(~@0) | Concat($0, $1) axis=0", BASIC,
     NULL},
    {"drop_identities", "Relu(float[3,4]) | Identity() | Softmax()", BASIC, "drop_noops"},
    {"share_prefixes",
     "Relu(float[3,4]) | Neg(~float[3,5]) | Concat($0, $1) axis=1 | Exp($2) | "
     "Concat($0, $1, $3) axis=1",
     EXTENDED, NULL},
    {"fold_weights",
     "Conv(float[1,3,6,6], float[6,3,1,1]!) | BatchNormalization(float[6]!, float[6]!, "
     "float[6]!, float[6]!) range=0.1,1",
     BASIC, NULL},
    {"fuse_focus",
     "Slice(float[2,3,8,6], int64[2]!=0,0, " QUARTER
     " | Slice(~@0, int64[2]!=1,0, " QUARTER " | Slice(~@0, int64[2]!=0,1, " QUARTER
     " | Slice(~@0, int64[2]!=1,1, " QUARTER
     " | Concat($3, $1, $2, $0) axis=1 | Conv($4, float[8,12,2,3]!) strides=2,1 "
     "pads=0,1,1,2",
     EXTENDED, NULL},
    {"fold_shapes", "Shape(float[3,4]) | Cast() to=1 | Mul(float[2])", DISABLED, NULL},
    {"drop_noops", "Softmax(float[3,4]) | Reshape(int64[2]!=3,4) | Softmax() axis=0",
     BASIC, NULL},
    {"fuse_norms",
     "ReduceMean(float[5,24]) axes=-1 opset=13 | Sub(~@0, $0) | Mul($1, $1) | "
     "ReduceMean() axes=-1 | Add(float[]!=0.00001) | Sqrt() | Div(~$1, $5)",
     EXTENDED, NULL},
    {"fuse_products", "Mul(float[1,3,9,8], float[]!=0.5) | MatMul(float[1,3,8,13])",
     EXTENDED, NULL},
    {"fuse_attention",
     "MatMul(float[2,3,9,8], float[2,3,8,13]) | Softmax() axis=-1 | "
     "MatMul(float[2,3,13,8])",
     EXTENDED, NULL},
    {"fuse_epilogues", "MatMul(float[9,16], float[16,12]!) | Sigmoid()", EXTENDED, NULL},
    {"place_parts", "Relu(float[3,8]) | Neg(~float[3,4]) | Concat($0, $1) axis=1",
     EXTENDED, NULL},
};

/* Each pass acts at its levels and no others, unless it is left out; results are the
 * same. */
bool each_optimizer_can_be_left_out(struct scene *s) {
    esk_env *env;

    for (size_t p = 0; esk_pass_at(p); p++) {
        bool known =
            !strcmp(esk_pass_at(p)->name, "inline_control") || /* below */
            !strcmp(esk_pass_at(p)->name, "drop_unused");      /* unit/compile/bind.c */

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            known |= !strcmp(esk_pass_at(p)->name, rows[i].pass);
        CHECK(s, known, "no row shows what pass '%s' does", esk_pass_at(p)->name);
    }
    MUST(scene_env(s, &env));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct op_case *made;
        struct look expected;

        MUST(scene_case(s, rows[i].text, &made));
        MUST(look(s, env, made, "CPU", NULL, &expected));
        for (int level = 0; level < LEVELS; level++) {
            struct look found[2];
            char settings[160];

            for (int off = 0; off < 2; off++) {
                snprintf(settings, sizeof(settings),
                         "graphOptimizationLevel=%s,disabledOptimizers=%s\n%s",
                         levels[level], rows[i].also ? rows[i].also : "",
                         off ? rows[i].pass : "");
                MUST(look(s, env, made, "GLCompute", settings, &found[off]));
                MUST(scene_near(s, settings, found[off].y, expected.y));
            }
            bool differs = strcmp(found[0].graph, found[1].graph) ||
                           strcmp(found[0].plan, found[1].plan);
            CHECK(s, differs == (level <= rows[i].level),
                  "%s at level %s: %s changes:\n%s", rows[i].pass, levels[level],
                  differs ? "something" : "nothing", found[0].graph);
        }
    }
    return true;
}

/* An If whose condition is a constant: its branch, or a node that chooses in each run. */
bool a_known_branch_is_inlined_at_all_levels(struct scene *s) {
    struct message model = message_if_model(false);
    esk_value *x, *cond;

    MUST(scene_value(s, "float[2,3]=1,-2,3", &x));
    MUST(scene_value(s, "bool[]=0", &cond));
    for (int level = 0; level < LEVELS; level++)
        for (int off = 0; off < 2; off++) {
            esk_session *session;
            esk_env *env;
            esk_value *y;
            char settings[96], *graph;

            snprintf(settings, sizeof(settings), "graphOptimizationLevel=%s%s",
                     levels[level], off ? ",disabledOptimizers=inline_control" : "");
            MUST(scene_env(s, &env));
            MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute", settings,
                                  &session));
            MUST(scene_run(s, session, &y, 2, x, cond));
            CHECK(s, ((const float *)esk_value_const_data(y))[1] == 2, "%s: %g", settings,
                  (double)((const float *)esk_value_const_data(y))[1]);
            MUST(scene_dump(s, session, "graph", &graph));
            CHECK(s, !strstr(graph, "Neg") == (off == 1), "%s:\n%s", settings, graph);
        }
    return true;
}
