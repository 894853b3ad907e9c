/* JSON lines on stdout, by jansson.
 * In: json_t trees. Out: one object a line. Must not know sessions. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text) {
    json_t *made;
    char *copy;

    if (!text)
        return json_null();
    made = json_string(text);
    if (made || !(copy = strdup(text)))
        return made;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    made = json_string(copy);
    free(copy);
    return made;
}

json_t *json_decimal(double value, int digits) {
    double scale = pow(10, digits);
    double rounded = round(value * scale) / scale;

    return isfinite(rounded) ? json_real(rounded) : json_null();
}

json_t *json_dims(int rank, const int64_t *dims, const char *const *names) {
    json_t *list;

    if (rank < 0)
        return json_null();
    list = json_array();
    for (int i = 0; i < rank; i++)
        json_array_append_new(list, dims[i] >= 0 ? json_integer(dims[i])
                                                 : json_text(names ? names[i] : NULL));
    return list;
}

json_t *json_value_info(const esk_value_info *info) {
    json_t *tree = json_object();

    json_object_set_new(tree, "name", json_text(info->name));
    json_object_set_new(tree, "type", json_text(esk_dtype_name(info->dtype)));
    json_object_set_new(tree, "dims", json_dims(info->rank, info->dims, info->dim_names));
    if (info->has_default)
        json_object_set_new(tree, "default", json_true());
    return tree;
}

bool json_line(json_t *tree) {
    /* 15 digits: rounded decimals print as they were rounded */
    bool done = tree && !json_dumpf(tree, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));

    done = putchar('\n') != EOF && !fflush(stdout) && done;
    json_decref(tree);
    return done;
}
