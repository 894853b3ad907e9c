/* `esker devices`: what can run models here.
 * In: options. Out: a list on stdout, text or JSON. Must not know sessions. */
#include "commands.h"
#include "json.h"
#include "setup.h"

#include <stdlib.h>
#include <string.h>

/* "name: value" lines as an object; whole numbers as such. */
static json_t *limits_tree(const char *text) {
    json_t *tree = json_object();

    while (*text) {
        size_t length = strcspn(text, "\n"), name = strcspn(text, ":\n");
        char key[128], value[512];
        int64_t number;

        snprintf(key, sizeof(key), "%.*s", (int)name, text);
        snprintf(value, sizeof(value), "%.*s",
                 name + 2 < length ? (int)(length - name - 2) : 0, text + name + 2);
        if (*key)
            json_object_set_new(tree, key,
                                arg_to_int(value, &number) ? json_integer(number)
                                                           : json_text(value));
        text += length + (text[length] == '\n');
    }
    return tree;
}

/* Lines of a text as an array. */
static json_t *lines_tree(const char *text) {
    json_t *tree = json_array();

    while (*text) {
        size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);

        if (line && *line)
            json_array_append_new(tree, json_text(line));
        free(line);
        text += length + (text[length] == '\n');
    }
    return tree;
}

static json_t *device_tree(const esk_device_info *info) {
    json_t *tree = json_object();

    json_object_set_new(tree, "provider", json_text(info->provider));
    json_object_set_new(tree, "device_id", json_integer(info->device_id));
    json_object_set_new(tree, "rung", json_text(info->rung));
    json_object_set_new(tree, "vendor", json_text(info->vendor));
    json_object_set_new(tree, "renderer", json_text(info->renderer));
    json_object_set_new(tree, "version", json_text(info->version));
    json_object_set_new(tree, "driver", json_text(info->driver));
    json_object_set_new(tree, "node", json_text(info->node));
    json_object_set_new(tree, "software", json_boolean(info->software));
    json_object_set_new(tree, "unusable", json_text(info->unusable));
    json_object_set_new(tree, "limits", limits_tree(info->limits));
    return tree;
}

/* Text with every line indented. */
static void print_lines(const char *text, const char *indent) {
    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length)
            printf("%s%.*s\n", indent, (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_row(const char *name, const char *value) {
    if (*value)
        printf("  %-10s %s\n", name, value);
}

static void print_device(const esk_device_info *info) {
    if (info->unusable) {
        printf("%s, not usable\n", info->provider);
        print_row("why", info->unusable);
    } else
        printf("%s device %d\n", info->provider, info->device_id);
    print_row("rung", info->rung);
    print_row("node", info->node);
    print_row("vendor", info->vendor);
    print_row("renderer", info->renderer);
    print_row("version", info->version);
    print_row("driver", info->driver);
    if (!info->unusable || *info->renderer) /* else nobody asked */
        print_row("software", info->software ? "yes" : "no");
    if (*info->limits)
        printf("  limits\n");
    print_lines(info->limits, "    ");
}

static bool print_json(const esk_device_list *list, const char *why) {
    json_t *tree = json_object(), *devices = json_array();

    for (size_t i = 0; i < esk_device_list_count(list); i++)
        json_array_append_new(devices, device_tree(esk_device_list_get(list, i)));
    json_object_set_new(tree, "library", json_text(esk_version()));
    json_object_set_new(tree, "devices", devices);
    json_object_set_new(tree, "failed_rungs", lines_tree(why));
    return json_line(tree);
}

static void print_text(const esk_device_list *list, const char *why) {
    bool usable = false, tried = false;

    for (size_t i = 0; i < esk_device_list_count(list); i++) {
        const esk_device_info *info = esk_device_list_get(list, i);

        usable |= strcmp(info->provider, "CPU") && !info->unusable;
        tried |= info->unusable != NULL;
        print_device(info);
    }
    if (!usable && tried)
        printf("No usable OpenGL ES 3.1 device; what was tried stands above.\n");
    else if (!usable)
        print_lines(why, "");
}

static const char about[] =
    "Lists the devices that can run models: provider, id, how it was reached,\n"
    "vendor, renderer, version, driver, whether it is a software renderer, limits.\n"
    "Of what was tried and cannot be used it says why, with the EGL error. A list is\n"
    "a success even when the CPU is all that is in it.";

int cmd_devices(int argc, char **argv) {
    struct setup setup = {0};
    bool json = false, done = true;
    const struct arg_spec specs[] = {
        {"json", ARG_FLAG, &json, NULL, "one JSON object", 0, 0, NULL},
        SETUP_VERBOSE(setup),
    };
    const struct arg_table table = {
        .usage = "esker devices [--json]",
        .about = about,
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
    };
    struct arg_list texts = {0};
    esk_error error = ESK_ERROR_INIT;
    struct fault fault;
    esk_env *env;
    esk_device_list *list;
    const char *why = "";
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);

    arg_list_finish(&texts);
    if (parsed != ARGS_RUN)
        return parsed == ARGS_HELP ? 0 : 2;
    if (!setup_env(&setup, &env, &fault))
        return fault_report(&fault);
    if (esk_device_list_create(env, &list, &why, &error) != ESK_OK) {
        fault_take(&fault, NULL, &error);
        esk_env_destroy(env);
        return fault_report(&fault);
    }
    if (json)
        done = print_json(list, why ? why : "");
    else
        print_text(list, why ? why : "");
    esk_device_list_destroy(list);
    esk_env_destroy(env);
    return done ? 0 : 1;
}
