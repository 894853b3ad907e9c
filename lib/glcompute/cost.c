/* Estimates of a plan's time on a software renderer. In: kernels; out: seconds. Only the
 * ratio of the two sums matters: a wrong choice near the border costs little. */
#include "glcompute/cost.h"

/* llvmpipe of Mesa 22.3 on two cores of a Zen 4 (docs/performance.md): a dispatch through
 * the pool is a wake-up of each thread and of the caller. */
#define WAKE_UP          56e-6
#define WAKE_UP_A_THREAD 2e-6
#define INLINE           1.5e-6 /* a dispatch with rebinding */
#define GROUP            0.2e-6
#define INVOCATION       3e-9 /* indexes, loads and a store, 8 lanes at a time */
#define FLOP             (1 / 20e9)
#define BYTE             (1 / 5e9)
#define ITERATION        1e-9 /* of kernels that do not say their work */

#define PIECE  10e-6 /* less is not worth a dispatch of its own */
#define CALL   20e-6 /* of the other lane to a stage */
#define ENOUGH 0.95  /* gained with less, lanes are left alone */

enum { LANES = 2 };

static double groups_of(const struct esk_kernel *k) {
    return k->indirect >= 0
               ? 1
               : (double)k->groups[0] * (double)k->groups[1] * (double)k->groups[2];
}

double esk_gl_cost_kernel(const struct esk_kernel *k) {
    double groups = groups_of(k);
    double invocations =
        groups * (double)k->local[0] * (double)k->local[1] * (double)k->local[2];
    double work = k->flops * FLOP > k->bytes * BYTE ? k->flops * FLOP : k->bytes * BYTE;
    if (!(work > 0))
        work = invocations * (double)k->loop_iterations * ITERATION;
    return groups * GROUP + invocations * INVOCATION + work;
}

uint32_t esk_gl_cost_parts(const struct esk_kernel *k, uint32_t lanes, int *axis) {
    double pieces = esk_gl_cost_kernel(k) / PIECE;
    if (k->indirect >= 0 || pieces < lanes)
        return 1;
    /* more than lanes, so that one that comes late or is put aside leaves them to others
     */
    uint32_t parts = pieces < 2 * lanes   ? lanes
                     : pieces < 8 * lanes ? 2 * lanes
                                          : 4 * lanes;
    for (int a = 2; a >= 0; a--)
        if (k->split_axes >> a & 1 && k->groups[a] >= lanes) {
            *axis = a;
            return k->groups[a] < parts ? (uint32_t)k->groups[a] : parts;
        }
    return 1;
}

struct esk_gl_cost esk_gl_cost_make(const struct esk_plan *plan, uint32_t threads) {
    struct esk_gl_cost cost = {.threads = threads ? threads : 1};
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_kernel *k = plan->commands[i].kernel;
        double groups = groups_of(k), work = esk_gl_cost_kernel(k);
        /* the groups are dealt out in advance, so the fullest thread decides */
        double most = (double)(((uint64_t)groups + cost.threads - 1) / cost.threads);
        cost.pool += WAKE_UP + WAKE_UP_A_THREAD * cost.threads +
                     (groups > 0 ? work * most / groups : 0);
        cost.inlined += INLINE + work;
        int axis;
        uint32_t parts = esk_gl_cost_parts(k, LANES, &axis);
        cost.lanes +=
            parts > 1 ? (INLINE + work / parts) * ((parts + 1) / LANES) : INLINE + work;
    }
    cost.lanes += CALL;
    cost.is_inline = cost.inlined <= cost.pool;
    cost.by_lanes = cost.lanes < cost.inlined * ENOUGH;
    return cost;
}

void esk_gl_cost_print(const struct esk_gl_cost *cost, struct esk_text *text) {
    esk_text_add(text, "screen: %s (estimated %.3f ms inline, ",
                 cost->by_lanes    ? "two lanes"
                 : cost->is_inline ? "inline"
                                   : "pool",
                 cost->inlined * 1e3);
    if (cost->by_lanes)
        esk_text_add(text, "%.3f ms by lanes)\n", cost->lanes * 1e3);
    else
        esk_text_add(text, "%.3f ms with %u threads)\n", cost->pool * 1e3, cost->threads);
}
