/* Patterns: what a graph may be rewritten into. Data that lib/ops has (patterns.def) and
 * lib/compile/match tries; a pattern is a text that names operators, and a function that
 * checks what a text cannot say and puts new nodes in the root's place.
 *
 *   Add*(Mul*(Div(d:Sub(x,m), _), $w), #b)
 *
 *   Name(…)       a node of this operator (default domain; "ms.Name" of com.microsoft)
 * with these inputs; absent ones at the end may be left out Name*(p,q)    its inputs may
 * be exchanged Name(p,..)    whatever other inputs there are A|B(…)        either
 * operator {p/q/…}       the first of these that fits d:Name(…)     the node is
 * `node('d')` x             any value; where the letter comes again, the same one $w  #b
 * a known value; a known value of one element 2.5  =2.5     a known value of one element,
 * this number; what no float is, to 3e-7 of it _             anything, absent too
 *
 * The values inside must have no other use: the nodes go. What is in a group of
 * alternatives that did not fit stays unnamed. */
#ifndef ESK_IR_PATTERN_H
#define ESK_IR_PATTERN_H

#include "ir/op.h"

enum { ESK_MATCH_NODES = 48 };

struct esk_match {
    struct esk_graph *graph;
    struct esk_node *root;
    esk_error *error;
    esk_id var[26]; /* by letter; ESK_NONE: not named */
    esk_id node[26];
    esk_id nodes[ESK_MATCH_NODES]; /* that match, without the root */
    uint32_t n_nodes;
    const uint32_t *uses; /* of a var, by live nodes, bodies and as output */
    esk_id same; /* set by rewrite: the root's output 0 is this value unchanged, no new
                    node; the types and, where known, the shapes must be equal */
};

struct esk_pattern {
    const char *pass; /* by which name it is switched off: a row of compile/passes.c */
    const char *text;
    /* *done: nodes that esk_match_add and esk_match_replace made stand for the root.
     * Without it the graph must be as it was, but for unused constants. */
    esk_status (*rewrite)(struct esk_match *m, bool *done);
};

/* Tables of patterns, in the order of trial (lib/ops/patterns.def); each ends with a row
 * without `pass`. NULL past the last. */
const struct esk_pattern *esk_pattern_table(size_t index);

/* ---- For rewrite ---- */

const struct esk_var *esk_match_var(const struct esk_match *m, char letter); /* or NULL */
const struct esk_node *esk_match_node(const struct esk_match *m, char letter);
esk_id esk_match_id(const struct esk_match *m, char letter);
/* The only element of a named known value. */
double esk_match_number(const struct esk_match *m, char letter);
/* The known integers of input i of a node, or else of its attribute `name`; false:
 * neither is there, or there are more than `most`. */
bool esk_match_ints(const struct esk_match *m, const struct esk_node *node, uint32_t i,
                    const char *name, int64_t *values, uint32_t most, uint32_t *count);

/* A node that makes `out`, or, without it (ESK_NONE), the root's output 0. Attributes are
 * the caller's to set. NULL: memory. */
struct esk_node *esk_match_add(struct esk_match *m, const char *domain, const char *op,
                               uint32_t n_in, const esk_id *in, esk_id out);
/* The attributes of another node. false: memory. */
bool esk_match_copy_attrs(struct esk_match *m, struct esk_node *to,
                          const struct esk_node *from);
/* A fresh value for esk_match_add; ESK_NONE: memory. */
esk_id esk_match_temp(struct esk_match *m);
/* Known floats for as long as the graph, in the model phase in a blob of its own that
 * forms can share; `data` is to be filled. ESK_NONE: memory. */
esk_id esk_match_floats(struct esk_match *m, int rank, const int64_t *dims, float **data);
/* Known integers. */
esk_id esk_match_int_list(struct esk_match *m, uint32_t count, const int64_t *values);

#endif
