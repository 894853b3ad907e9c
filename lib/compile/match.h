/* The one matcher of all patterns (ir/pattern.h), and the loop that tries them. */
#ifndef ESK_COMPILE_MATCH_H
#define ESK_COMPILE_MATCH_H

#include "compile/compile.h"
#include "ir/pattern.h"

/* Whether the text fits at m->root; fills m. m->graph, root, uses are given. */
bool esk_match_try(struct esk_match *m, const char *text);

/* Tries the patterns of the passes of this phase on every node, until none fits. In the
 * bind phase shapes are known, new nodes get theirs, and what `gpu` refuses is not kept.
 * `keep`: see esk_sweep. */
esk_status esk_rewrite(struct esk_graph *graph, enum esk_phase phase,
                       const struct esk_compile_options *options, const bool *keep,
                       esk_error *error);

/* Uses of each var: by live nodes (once an input), bodies, as output; freed by the
 * caller. */
uint32_t *esk_count_uses(const struct esk_graph *graph, const bool *keep);

/* Model pass: see passes.c. */
esk_status esk_merge_duplicates(struct esk_graph *graph,
                                const struct esk_compile_options *options,
                                esk_error *error);

#endif
