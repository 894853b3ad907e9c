/* Commands: a plan recorded as dispatches over slots, and their replay. Recording is
 * pure; replay allocates nothing and asks GL nothing. In: a plan, limits, where its forms
 * lie; out: GL calls. Must not know how slots get their buffers, nor operators. */
#ifndef ESK_GLCOMPUTE_COMMAND_H
#define ESK_GLCOMPUTE_COMMAND_H

#include "glcompute/buffer.h"
#include "glcompute/course.h"
#include "glcompute/program.h"
#include "glcompute/timer.h"
#include "ir/plan.h"
#include "ir/provider.h"

#include <stdatomic.h>

enum { ESK_GL_BLOCKS = 16 }; /* storage blocks of a command, at most */

/* One row of the slot table: what a lease (or the weights) must put there. */
struct esk_gl_slot {
    enum esk_slot_kind kind;
    uint32_t index; /* of its kind */
    uint64_t bytes;
    uint32_t views; /* bit esk_gl_view: read through it */
};

struct esk_gl_binding {
    uint32_t slot; /* index in the slot table */
    uint8_t index; /* storage block or image unit */
    bool image;
    enum esk_gl_view view; /* image */
    GLenum format;         /* image */
    uint8_t operand;
    uint64_t start, size; /* block: a window of a slab larger than a binding; 0, 0: all */
};

struct esk_gl_command {
    struct esk_gl_program *program;
    const char *label;
    uint32_t source; /* command of the plan */
    uint32_t first_binding, n_bindings;
    uint32_t params, param_bytes; /* range of the parameter buffer */
    uint32_t groups[3];
    struct esk_reach reach;
    bool barrier;
    bool shared;     /* a piece behind the first, of a command that only lanes cut */
    uint32_t behind; /* so many commands of its stage must be over first */
    uint32_t indirect_slot; /* UINT32_MAX: none */
    uint64_t indirect_offset;
};

/* A parameter word that is written each run. */
struct esk_gl_late {
    uint32_t offset; /* bytes in the parameter buffer */
    enum esk_param_kind kind;
    bool is_float;
    esk_id var;
    uint32_t element;
    uint32_t command; /* of the record */
};

struct esk_gl_stage {
    uint32_t first_command, n_commands;
    uint32_t n_shared; /* commands */
    uint32_t first_late, n_late;
};

struct esk_gl_record {
    const struct esk_plan *plan; /* borrowed */
    struct esk_gl_command *commands;
    struct esk_gl_binding *bindings;
    struct esk_gl_slot *slots;
    struct esk_gl_stage *stages;
    struct esk_gl_late *late;
    unsigned char *params; /* the parameter buffer's bytes, late words zero */
    uint32_t n_commands, n_bindings, n_slots, n_stages, n_late;
    uint32_t first_input, first_output, constants, first_form; /* slots */
    uint32_t n_activations, n_inputs, n_outputs, n_forms;
    size_t cap_commands, cap_bindings, cap_late, cap_params;
    uint64_t param_bytes;
    GLbitfield barriers; /* for command.barrier */
};

/* Where a form of the plan lies in the buffer of its slot. */
struct esk_gl_form_place {
    uint64_t offset, slot_bytes;
};

/* Records a plan. `max_groups`: where dispatches are cut, at most limits->max_groups;
 * NULL: there. `forms`: one a form of the plan; entries of forms that are not shared are
 * not looked at. `lanes`: that will share the commands: those with the work for it are
 * cut in pieces; 1: none is. The plan must outlive the record; programs are NULL. Pure.
 */
esk_status esk_gl_record_make(struct esk_gl_record *record, const struct esk_plan *plan,
                              const struct esk_limits *limits, const uint32_t *max_groups,
                              const struct esk_gl_form_place *forms, uint32_t lanes,
                              esk_error *error);
void esk_gl_record_finish(struct esk_gl_record *record);

/* One line a stage, slot and command; stable. */
void esk_gl_record_print(const struct esk_gl_record *record, struct esk_text *text);

/* The slot of a place of the plan. */
uint32_t esk_gl_record_slot(const struct esk_gl_record *record,
                            const struct esk_place *place);

/* Writes a stage's late words into `to` (the parameter buffer, mapped). `host`: by var
 * id. A value that is not there is ESK_INTERNAL. */
esk_status esk_gl_record_late(const struct esk_gl_record *record, uint32_t stage,
                              const struct esk_tensor *host, unsigned char *to,
                              esk_error *error);

struct esk_gl_replay {
    struct esk_gl_buffer *const *slots;
    GLuint params;              /* the parameter buffer */
    bool groups;                /* debug groups with labels */
    uint32_t flush;             /* after so many dispatches; 0: never */
    const atomic_bool *stop;    /* looked at after each dispatch; NULL: none */
    struct esk_gl_timer *timer; /* may be NULL */
    /* before a command of the plan and after its last piece; false ends it; NULL: nobody
     * looks */
    bool (*look)(void *user, uint32_t source, bool after);
    void *user;
    struct esk_gl_course *course; /* another lane takes part; NULL: none does */
};

/* Issues a stage's commands, to its end or until it is stopped; returns how many
 * dispatches. No allocation, no glGet. */
uint64_t esk_gl_replay(struct esk_gl *gl, const struct esk_gl_record *record,
                       uint32_t stage, const struct esk_gl_replay *replay);

/* How many dispatches the first `issued` commands of a stage count as: those that only
 * lanes cut are one. */
uint64_t esk_gl_record_dispatches(const struct esk_gl_record *record, uint32_t stage,
                                  uint64_t issued);

/* A replay on another lane, until the course ends; returns how many it took. `record`,
 * `replay`: with that lane's programs and buffers. */
uint64_t esk_gl_replay_along(struct esk_gl *gl, const struct esk_gl_record *record,
                             uint32_t stage, const struct esk_gl_replay *replay);

/* Waits for a new fence, `timeout_ms` at most; `poll`: by asking, not in the driver.
 * ESK_TIMEOUT names the commands of the stage; ESK_DEVICE_LOST; ESK_CANCELLED soon after
 * `stop` (may be NULL) is set: what was issued is then still running. */
esk_status esk_gl_wait(struct esk_gl *gl, const struct esk_gl_record *record,
                       uint32_t stage, uint32_t timeout_ms, bool poll,
                       const atomic_bool *stop, esk_error *error);

#endif
