/* The named values of a run.
 * In: a session's declarations and paths. Out: arrays that esk_session_run takes. */
#include "feed.h"

#include "random.h"
#include "tensor_io.h"
#include "testset.h"

#include <stdlib.h>
#include <string.h>

bool feed_add(struct feed *feed, const char *name, esk_value *value,
              struct fault *fault) {
    const char **names = realloc(feed->names, (feed->count + 1) * sizeof(*names));
    esk_value **values = realloc(feed->values, (feed->count + 1) * sizeof(*values));

    if (names)
        feed->names = names;
    if (values)
        feed->values = values;
    if (!names || !values) {
        esk_value_destroy(value);
        return fault_set(fault, "out of memory");
    }
    feed->names[feed->count] = name;
    feed->values[feed->count++] = value;
    return true;
}

void feed_finish(struct feed *feed) {
    for (size_t i = 0; i < feed->count; i++)
        esk_value_destroy(feed->values[i]);
    free(feed->names);
    free(feed->values);
    *feed = (struct feed){0};
}

static bool has(const struct feed *feed, const char *name) {
    for (size_t i = 0; i < feed->count; i++)
        if (!strcmp(feed->names[i], name))
            return true;
    return false;
}

static size_t side_count(esk_session *session, enum feed_side side) {
    return side == FEED_INPUTS ? esk_session_input_count(session)
                               : esk_session_output_count(session);
}

static const esk_value_info *side_info(esk_session *session, enum feed_side side,
                                       size_t index) {
    return side == FEED_INPUTS ? esk_session_input(session, index)
                               : esk_session_output(session, index);
}

static const esk_value_info *find_info(esk_session *session, enum feed_side side,
                                       const char *name, size_t length) {
    for (size_t i = 0; i < side_count(session, side); i++) {
        const esk_value_info *info = side_info(session, side, i);

        if (strlen(info->name) == length && !strncmp(info->name, name, length))
            return info;
    }
    return NULL;
}

/* The input that "NAME=FILE" names; names may hold '=' too. */
static const esk_value_info *split_file(esk_session *session, const char *text,
                                        const char **path, struct fault *fault) {
    const char *equal = strchr(text, '='), *nearest = NULL;
    size_t best = SIZE_MAX;
    char name[128];

    if (!equal || equal == text) {
        fault_set(fault, "--input: '%s' is not NAME=FILE", text);
        return NULL;
    }
    for (const char *at = equal; at; at = strchr(at + 1, '=')) {
        const esk_value_info *info =
            find_info(session, FEED_INPUTS, text, (size_t)(at - text));

        if (info) {
            *path = at + 1;
            return info;
        }
    }
    snprintf(name, sizeof(name), "%.*s", (int)(equal - text), text);
    for (size_t i = 0; i < esk_session_input_count(session); i++) {
        const char *known = esk_session_input(session, i)->name;

        if (arg_distance(name, known) < best) {
            best = arg_distance(name, known);
            nearest = known;
        }
    }
    if (nearest)
        fault_set(fault, "--input: the model has no input '%s'; the nearest is '%s'",
                  name, nearest);
    else
        fault_set(fault, "--input: the model has no inputs");
    return NULL;
}

/* The declared sizes of an input with --dim, and the sizes that other inputs give to
 * names, in place of free ones. */
static void resolve(const struct feed *feed, esk_session *session,
                    const struct setup *setup, const esk_value_info *info,
                    int64_t *dims) {
    for (int d = 0; d < info->rank; d++) {
        const char *name = info->dim_names ? info->dim_names[d] : NULL;

        dims[d] = info->dims[d];
        if (dims[d] < 0)
            dims[d] = setup_dim(setup, name);
        for (size_t i = 0; dims[d] < 0 && name && i < feed->count; i++) {
            const esk_value_info *other =
                find_info(session, FEED_INPUTS, feed->names[i], strlen(feed->names[i]));

            if (!other || other->rank != esk_value_rank(feed->values[i]))
                continue;
            for (int k = 0; k < other->rank; k++)
                if (other->dims[k] < 0 && other->dim_names && other->dim_names[k] &&
                    !strcmp(other->dim_names[k], name))
                    dims[d] = esk_value_dims(feed->values[i])[k];
        }
    }
}

bool feed_files(struct feed *feed, esk_session *session, const struct setup *setup,
                const struct arg_list *files, struct fault *fault) {
    for (size_t i = 0; i < files->count; i++) {
        const char *path;
        const esk_value_info *info = split_file(session, files->items[i], &path, fault);
        esk_value_info known;
        int64_t dims[ESK_MAX_RANK];
        esk_value *value;

        if (!info)
            return false;
        if (has(feed, info->name))
            return fault_set(fault, "--input: '%s' is given twice", info->name);
        known = *info;
        if (info->rank >= 0 && info->rank <= ESK_MAX_RANK) {
            resolve(feed, session, setup, info, dims);
            known.dims = dims;
        }
        if (!tensor_load(path, &known, &value, fault) ||
            !feed_add(feed, info->name, value, fault))
            return false;
    }
    return true;
}

/* The index-th one by order, of those without a default or of all. */
static const esk_value_info *by_position(esk_session *session, enum feed_side side,
                                         size_t index, bool all) {
    for (size_t i = 0; i < side_count(session, side); i++) {
        const esk_value_info *info = side_info(session, side, i);

        if (!all && info->has_default)
            continue;
        if (!index--)
            return info;
    }
    return NULL;
}

bool feed_data_set(struct feed *feed, esk_session *session, enum feed_side side,
                   const char *folder, struct fault *fault) {
    const char *kind = side == FEED_INPUTS ? "input" : "output";
    size_t count, required = 0;
    char **paths;
    bool done = testset_files(folder, kind, &paths, &count, fault);

    if (!done)
        return false;
    for (size_t i = 0; i < side_count(session, side); i++)
        required += side == FEED_OUTPUTS || !side_info(session, side, i)->has_default;
    for (size_t i = 0; done && i < count; i++) {
        esk_value *value;
        const char *name;
        const esk_value_info *info;

        done = pb_load(paths[i], &value, &name, fault);
        if (!done)
            break;
        info = find_info(session, side, name, strlen(name));
        if (!info)
            info =
                by_position(session, side, i, side == FEED_OUTPUTS || count > required);
        if (info && !has(feed, info->name)) {
            done = feed_add(feed, info->name, value, fault);
            continue;
        }
        esk_value_destroy(value);
        if (info)
            done = fault_set(fault, "%s: the model's %s '%s' has a file already",
                             paths[i], kind, info->name);
        else
            done = fault_set(fault, "%s: the model has only %zu %ss", paths[i],
                             side_count(session, side), kind);
    }
    testset_free_paths(paths, count);
    return done;
}

bool feed_random(struct feed *feed, esk_session *session, const struct setup *setup,
                 uint64_t seed, FILE *say, struct fault *fault) {
    for (size_t i = 0; i < esk_session_input_count(session); i++) {
        const esk_value_info *info = esk_session_input(session, i);
        int64_t dims[ESK_MAX_RANK];
        esk_error error = ESK_ERROR_INIT;
        esk_value *value;
        char text[256];

        if (info->has_default || has(feed, info->name))
            continue;
        if (info->rank < 0 || info->rank > ESK_MAX_RANK)
            return fault_set(fault, "input '%s' has no declared rank: give it by --input",
                             info->name);
        resolve(feed, session, setup, info, dims);
        for (int d = 0; d < info->rank; d++)
            dims[d] = dims[d] < 0 ? 1 : dims[d];
        if (esk_value_create(info->dtype, info->rank, dims, &value, &error) != ESK_OK)
            return fault_take(fault, info->name, &error);
        if (!random_fill(value, seed, info->name)) {
            esk_value_destroy(value);
            return fault_set(fault,
                             "input '%s': no random values of type %s: give it by "
                             "--input",
                             info->name, esk_dtype_name(info->dtype));
        }
        if (say)
            fprintf(say, "esker: input '%s' was not given: random %s%s, seed %llu\n",
                    info->name, esk_dtype_name(info->dtype),
                    dims_print(info->rank, dims, NULL, text, sizeof(text)),
                    (unsigned long long)seed);
        if (!feed_add(feed, info->name, value, fault))
            return false;
    }
    return true;
}
