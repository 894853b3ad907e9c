/* The named values of a run: inputs from files, data sets or chance, expected outputs.
 * In: a session's declarations and paths. Out: arrays that esk_session_run takes. */
#ifndef ESKER_TOOLS_FEED_H
#define ESKER_TOOLS_FEED_H

#include "setup.h"

/* Zeroed memory is an empty one. */
struct feed {
    const char **names; /* owned array of borrowed names */
    esk_value **values; /* owned */
    size_t count;
};

/* The inputs or outputs of a session. */
enum feed_side { FEED_INPUTS, FEED_OUTPUTS };

/* Adds a value, which becomes the feed's even on failure; `name` is borrowed. */
bool feed_add(struct feed *feed, const char *name, esk_value *value, struct fault *fault);

/* Adds what --input NAME=FILE says. */
bool feed_files(struct feed *feed, esk_session *session, const struct setup *setup,
                const struct arg_list *files, struct fault *fault);

/* Adds input_N.pb or output_N.pb of a data set's folder. A file whose tensor has the name
 * of an input (output) is that one; another is the N-th one by order, not counting inputs
 * that have a default unless there are more files than others. */
bool feed_data_set(struct feed *feed, esk_session *session, enum feed_side side,
                   const char *folder, struct fault *fault);

/* Adds a seeded random value for each input that has none and needs one; a line for each
 * on `say`, if not NULL. A free dimension takes the size that --dim or another input
 * gives to its name, else 1. */
bool feed_random(struct feed *feed, esk_session *session, const struct setup *setup,
                 uint64_t seed, FILE *say, struct fault *fault);

void feed_finish(struct feed *feed);

#endif
