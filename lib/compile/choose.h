/* Between choose.c and group.c. */
#ifndef ESK_COMPILE_CHOOSE_H
#define ESK_COMPILE_CHOOSE_H

#include "compile/compile.h"

/* Who uses which var: live nodes in order. Built once a bind. */
struct esk_users {
    uint32_t *first;    /* users of var v: list[first[v], first[v + 1]) */
    esk_id *list;       /* nodes, in order */
    uint32_t *position; /* of a node in the order */
    bool *outside;      /* the var is an output, or kept for the cut */
};
esk_status esk_users_init(struct esk_users *users, const struct esk_graph *graph,
                          const bool *keep, esk_error *error);
void esk_users_finish(struct esk_users *users);

/* Moves elementwise nodes that only such nodes use in front of their first user, so that
 * groups find them not computed yet. Positions follow. */
esk_status esk_sink_elementwise(struct esk_graph *graph, struct esk_users *users,
                                esk_error *error);

/* The groups of elementwise nodes that can stand behind `root`, shortest first; nothing
 * outside needs a value from within but the output. `ready` says of a var that it is
 * there before the root runs. `groups` has room for as many as a group has members.
 * Returns their number. */
uint32_t esk_group_find(const struct esk_graph *graph, const struct esk_users *users,
                        const struct esk_node *root,
                        bool (*ready)(void *user, esk_id var), void *user,
                        struct esk_group *groups);

/* Sets early[node] for nodes that the host computes before the first stage (`early` is
 * zero, one a node); false: there are none. */
bool esk_find_early(const struct esk_graph *graph, const struct esk_users *users,
                    bool *early);
/* Whether only early nodes and operands that the host reads use what the node makes. */
bool esk_ends_on_host(const struct esk_graph *graph, const struct esk_users *users,
                      const struct esk_node *node, const bool *early);

/* A value put together from parts: its recipe, the first of the commands that copy them,
 * and the buffer of each part. */
struct esk_joint {
    const struct esk_recipe *recipe;
    uint32_t first;
    uint32_t *buffers;
};
/* Puts parts into their places where that saves commands. `fixed`: of a buffer: the host
 * or the caller has it too. `most`: bytes of a binding; in what is larger nothing is
 * placed. */
esk_status esk_place_parts(struct esk_plan *plan, const struct esk_joint *joints,
                           uint32_t n_joints, const bool *fixed, uint64_t most,
                           uint32_t *stages_of, esk_error *error);

#endif
