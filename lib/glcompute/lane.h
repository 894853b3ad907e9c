/* The second lane of a screen whose display computes inline: a thread with a context on
 * another inline display of the driver, whose buffers lie over the screen's memory. It
 * takes part in the replay of stages whose programs it has; those it compiles beside the
 * first runs. In: records, slots; out: commands done. What it cannot do the first lane
 * does: only an error of its own commands fails a run. Must not know plans' choice, nor
 * operators. */
#ifndef ESK_GLCOMPUTE_LANE_H
#define ESK_GLCOMPUTE_LANE_H

#include "glcompute/command.h"
#include "glcompute/egl.h"

struct esk_gl_lane;
struct esk_gl_part; /* what the lane has of a prepared plan */

/* Takes `egl`, also on failure. ESK_UNSUPPORTED with the reason unless it is proved that
 * its dispatches run on the lane's thread and reach the screen's memory at once.
 * `memory`, `programs`: the screen's, with its context current; its buffers are pages of
 * ours from here on. Any call but close is made under the screen's lock. */
esk_status esk_gl_lane_open(struct esk_egl *egl, struct esk_gl_memory *memory,
                            const struct esk_gl_programs *programs,
                            const struct esk_logger *logger, struct esk_gl_lane **lane,
                            esk_error *error);
/* No part is left, and no buffer that it has pinned. NULL is allowed. */
void esk_gl_lane_close(struct esk_gl_lane *lane);

/* Begins to compile a record's programs for the lane, which borrows the record until
 * unprepare. `fresh`: the driver's cache had not all of them for the screen. NULL: no
 * memory for that, and runs do without the lane. */
struct esk_gl_part *esk_gl_lane_prepare(struct esk_gl_lane *lane,
                                        const struct esk_gl_record *record, bool fresh);
/* Waits until the lane has the programs, or leaves the part alone. Without any lock. */
void esk_gl_lane_settle(struct esk_gl_lane *lane, struct esk_gl_part *part);
void esk_gl_lane_unprepare(struct esk_gl_lane *lane, struct esk_gl_part *part);

/* Calls the lane to a stage, early: it wakes up and waits for what esk_gl_replay gives
 * out; while it has not all programs it compiles on, and comes in the middle of the
 * stage. NULL: there is no part, and no end follows. `params`: the parameter block. */
struct esk_gl_course *esk_gl_lane_begin(struct esk_gl_lane *lane,
                                        struct esk_gl_part *part, uint32_t stage,
                                        struct esk_gl_buffer *const *slots,
                                        struct esk_gl_buffer *params);
/* The lane leaves the stage. *taken: dispatches that it did. An error of these is the
 * run's. */
esk_status esk_gl_lane_end(struct esk_gl_lane *lane, uint64_t *taken, esk_error *error);

#endif
