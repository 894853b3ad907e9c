/* `esker info`: what is in a model, and where each node would run.
 * In: a model. Out: text or JSON on stdout. */
#include "commands.h"
#include "json.h"
#include "setup.h"
#include "tensor_io.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How often an operator is in the main graph. */
struct op_count {
    const char *op;
    size_t count;
};

struct info {
    struct setup setup;
    struct arg_list dumps;
    bool json, nodes;
    int64_t fallback_size;
    /* what was found */
    esk_model *model;
    struct op_count *ops; /* owned; most frequent first */
    size_t op_count;
    bool free_dims; /* some input size is free even with --dim */
    esk_env *env;
    esk_session *session;
    esk_placement *placement; /* NULL: see fault */
    esk_session_stats stats;
    struct fault fault;
};

static int by_op(const void *a, const void *b) {
    return strcmp(((const struct op_count *)a)->op, ((const struct op_count *)b)->op);
}

static int by_count(const void *a, const void *b) {
    const struct op_count *x = a, *y = b;

    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : strcmp(x->op, y->op);
}

static bool count_ops(struct info *info) {
    size_t nodes = esk_model_node_count(info->model), kept = 0;

    info->ops = calloc(nodes + 1, sizeof(*info->ops));
    if (!info->ops)
        return fault_set(&info->fault, "out of memory");
    for (size_t i = 0; i < nodes; i++)
        info->ops[i] = (struct op_count){esk_model_node_op(info->model, i), 1};
    qsort(info->ops, nodes, sizeof(*info->ops), by_op);
    for (size_t i = 0; i < nodes; i++) {
        if (kept && !strcmp(info->ops[kept - 1].op, info->ops[i].op))
            info->ops[kept - 1].count++;
        else
            info->ops[kept++] = info->ops[i];
    }
    qsort(info->ops, kept, sizeof(*info->ops), by_count);
    info->op_count = kept;
    return true;
}

static bool has_free_dims(const struct info *info) {
    for (size_t i = 0; i < esk_model_input_count(info->model); i++) {
        const esk_value_info *input = esk_model_input(info->model, i);

        for (int d = 0; d < input->rank; d++)
            if (input->dims[d] < 0 &&
                setup_dim(&info->setup, input->dim_names ? input->dim_names[d] : NULL) <
                    0)
                return true;
    }
    return false;
}

static bool load_model(struct info *info, const char *path) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_model_load(path, &info->model, &error) != ESK_OK)
        return fault_take(&info->fault, path, &error);
    info->free_dims = has_free_dims(info);
    return count_ops(info);
}

/* Plans the model; the fault says why not. */
static bool place(struct info *info, const char *path) {
    esk_session_options *options;
    esk_error error = ESK_ERROR_INIT;
    esk_status status;

    if (!setup_options(&info->setup, NULL, &options, &info->fault))
        return false;
    status = esk_session_create(info->env, path, options, &info->session, &error);
    esk_session_options_destroy(options);
    if (status == ESK_OK)
        status = esk_session_plan(info->session, info->fallback_size, &error);
    if (status == ESK_OK)
        status = esk_session_placement(info->session, &info->placement, &error);
    if (status != ESK_OK)
        return fault_take(&info->fault, NULL, &error);
    info->stats.struct_size = sizeof(info->stats);
    if (esk_session_get_stats(info->session, &info->stats, &error) != ESK_OK)
        return fault_take(&info->fault, NULL, &error);
    return true;
}

static bool print_dumps(struct info *info) {
    esk_error error = ESK_ERROR_INIT;

    for (size_t i = 0; i < info->dumps.count; i++) {
        char *text;

        if (esk_session_dump(info->session, info->dumps.items[i], &text, &error) !=
            ESK_OK)
            return fault_take(&info->fault, "--dump", &error);
        fputs(text, stdout);
        if (*text && text[strlen(text) - 1] != '\n')
            putchar('\n');
        esk_text_free(text);
    }
    return true;
}

/* ---- Text ---- */

static const char *const facts[] = {"ir_version", "producer_name", "producer_version",
                                    "graph_name", "domain",        "description"};
enum { FACTS = sizeof(facts) / sizeof(facts[0]) };

static void print_values(const char *title, size_t count, const esk_model *model,
                         const esk_value_info *(*get)(const esk_model *, size_t)) {
    char text[512];

    printf("%s (%zu)\n", title, count);
    for (size_t i = 0; i < count; i++) {
        const esk_value_info *info = get(model, i);

        printf("  %s %s%s%s\n", info->name, esk_dtype_name(info->dtype),
               dims_print(info->rank, info->dims, info->dim_names, text, sizeof(text)),
               info->has_default ? " (has a default)" : "");
    }
}

static void print_model(const struct info *info) {
    const esk_model *model = info->model;
    const char *domain, *key;
    int64_t version;

    for (size_t i = 0; i < FACTS; i++) {
        const char *value = esk_model_metadata(model, facts[i]);

        if (value && *value)
            printf("%-17s %s\n", facts[i], value);
    }
    for (size_t i = 0; esk_model_opset(model, i, &domain, &version); i++)
        printf("%-17s %s %" PRId64 "\n", "opset", *domain ? domain : "ai.onnx", version);
    for (size_t i = 0; (key = esk_model_metadata_key(model, i)); i++) {
        const char *value = esk_model_metadata(model, key);

        value = value ? value : "";
        printf("%-17s %s = %.*s%s\n", "metadata", key, (int)strcspn(value, "\n"), value,
               strchr(value, '\n') ? " ..." : "");
    }
    print_values("inputs", esk_model_input_count(model), model, esk_model_input);
    print_values("outputs", esk_model_output_count(model), model, esk_model_output);
    printf("operators (%zu nodes, %zu kinds)\n", esk_model_node_count(model),
           info->op_count);
    for (size_t i = 0; i < info->op_count; i++)
        printf("  %6zu %s\n", info->ops[i].count, info->ops[i].op);
}

static void print_node(const esk_node_placement *node, bool with_recipe) {
    printf("  %s%s%s '%s': %s", node->domain, *node->domain ? "." : "", node->op_type,
           node->name, node->home);
    if (with_recipe && *node->recipe)
        printf(", %s, %s", node->recipe, node->layout);
    if (*node->reason)
        printf(": %s", node->reason);
    if (with_recipe && node->fallback)
        printf(" (fallback)");
    putchar('\n');
}

static int by_recipe(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How often each recipe was chosen; a node inside of another's kernel has none. */
static void print_recipes(const struct info *info) {
    size_t count = esk_placement_count(info->placement), n = 0, inside = 0;
    const char **recipes = calloc(count + 1, sizeof(*recipes));

    for (size_t i = 0; recipes && i < count; i++) {
        const char *recipe = esk_placement_get(info->placement, i)->recipe;

        if (!strncmp(recipe, "in '", 4))
            inside++;
        else if (*recipe)
            recipes[n++] = recipe;
    }
    if (recipes && n)
        qsort(recipes, n, sizeof(*recipes), by_recipe);
    printf("recipes; --nodes says which node has which\n");
    for (size_t i = 0; i < n; i++) {
        size_t same = 1;

        while (i + 1 < n && !strcmp(recipes[i], recipes[i + 1])) {
            same++;
            i++;
        }
        printf("  %6zu %s\n", same, recipes[i]);
    }
    if (inside)
        printf("  %6zu in another node's kernel\n", inside);
    free(recipes);
}

static void print_placement(const struct info *info) {
    const esk_session_stats *stats = &info->stats;
    size_t count = esk_placement_count(info->placement);

    printf("placement\n");
    if (info->free_dims)
        printf("  planned with free dimensions taken as %" PRId64
               "; --dim and --free-size give others\n",
               info->fallback_size);
    printf("  %u nodes: %u on the device, %u on the CPU, %u known while planning\n",
           stats->nodes, stats->device_nodes, stats->host_nodes, stats->known_nodes);
    printf("  %u fallbacks%s\n", stats->fallbacks, stats->fallbacks ? ":" : "");
    for (size_t i = 0; i < count; i++)
        if (esk_placement_get(info->placement, i)->fallback)
            print_node(esk_placement_get(info->placement, i), false);
    if (info->nodes)
        printf("nodes\n");
    for (size_t i = 0; info->nodes && i < count; i++)
        print_node(esk_placement_get(info->placement, i), true);
    printf("plan\n  %u stages, %u commands (%" PRIu64
           " dispatches), %u barriers, %u relayouts, %" PRIu64
           " programs\n  activations %" PRIu64 " bytes at most, lower bound %" PRIu64
           " (%.2f times)\n  weights %" PRIu64 " bytes on the device\n",
           stats->stages, stats->commands, stats->commands_recorded, stats->barriers,
           stats->relayouts, stats->programs, stats->activation_peak,
           stats->activation_lower_bound,
           stats->activation_lower_bound
               ? (double)stats->activation_peak / (double)stats->activation_lower_bound
               : 1,
           stats->weight_bytes);
    print_recipes(info);
}

/* ---- JSON ---- */

static json_t *values_tree(size_t count, const esk_model *model,
                           const esk_value_info *(*get)(const esk_model *, size_t)) {
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_value_info(get(model, i)));
    return list;
}

static json_t *model_tree(const struct info *info) {
    const esk_model *model = info->model;
    json_t *tree = json_object(), *opsets = json_object(), *ops = json_object(),
           *metadata = json_object();
    const char *domain, *key;
    int64_t version, number;

    for (size_t i = 0; i < FACTS; i++) {
        const char *value = esk_model_metadata(model, facts[i]);

        json_object_set_new(tree, facts[i],
                            !i && value && arg_to_int(value, &number)
                                ? json_integer(number)
                                : json_text(value));
    }
    for (size_t i = 0; esk_model_opset(model, i, &domain, &version); i++)
        json_object_set_new(opsets, domain, json_integer(version));
    for (size_t i = 0; (key = esk_model_metadata_key(model, i)); i++)
        json_object_set_new(metadata, key, json_text(esk_model_metadata(model, key)));
    for (size_t i = 0; i < info->op_count; i++)
        json_object_set_new(ops, info->ops[i].op,
                            json_integer((json_int_t)info->ops[i].count));
    json_object_set_new(tree, "opsets", opsets);
    json_object_set_new(tree, "metadata", metadata);
    json_object_set_new(
        tree, "inputs",
        values_tree(esk_model_input_count(model), model, esk_model_input));
    json_object_set_new(
        tree, "outputs",
        values_tree(esk_model_output_count(model), model, esk_model_output));
    json_object_set_new(tree, "nodes",
                        json_integer((json_int_t)esk_model_node_count(model)));
    json_object_set_new(tree, "ops", ops);
    return tree;
}

static json_t *node_tree(const esk_node_placement *node) {
    json_t *tree = json_object();

    json_object_set_new(tree, "name", json_text(node->name));
    json_object_set_new(tree, "op", json_text(node->op_type));
    json_object_set_new(tree, "domain", json_text(node->domain));
    json_object_set_new(tree, "home", json_text(node->home));
    json_object_set_new(tree, "recipe", json_text(node->recipe));
    json_object_set_new(tree, "layout", json_text(node->layout));
    json_object_set_new(tree, "reason", json_text(node->reason));
    json_object_set_new(tree, "fallback", json_boolean(node->fallback));
    return tree;
}

static json_t *placement_tree(const struct info *info) {
    const esk_session_stats *stats = &info->stats;
    json_t *tree = json_object(), *nodes = json_array();

    if (info->free_dims)
        json_object_set_new(tree, "free_dims_taken_as",
                            json_integer(info->fallback_size));
    json_object_set_new(tree, "nodes", json_integer(stats->nodes));
    json_object_set_new(tree, "device", json_integer(stats->device_nodes));
    json_object_set_new(tree, "cpu", json_integer(stats->host_nodes));
    json_object_set_new(tree, "known", json_integer(stats->known_nodes));
    json_object_set_new(tree, "fallbacks", json_integer(stats->fallbacks));
    for (size_t i = 0; i < esk_placement_count(info->placement); i++)
        json_array_append_new(nodes, node_tree(esk_placement_get(info->placement, i)));
    json_object_set_new(tree, "list", nodes);
    return tree;
}

static json_t *plan_tree(const esk_session_stats *stats) {
    json_t *tree = json_object();

    json_object_set_new(tree, "stages", json_integer(stats->stages));
    json_object_set_new(tree, "commands", json_integer(stats->commands));
    json_object_set_new(tree, "dispatches",
                        json_integer((json_int_t)stats->commands_recorded));
    json_object_set_new(tree, "programs", json_integer((json_int_t)stats->programs));
    json_object_set_new(tree, "barriers", json_integer(stats->barriers));
    json_object_set_new(tree, "relayouts", json_integer(stats->relayouts));
    json_object_set_new(tree, "activation_peak",
                        json_integer((json_int_t)stats->activation_peak));
    json_object_set_new(tree, "activation_lower_bound",
                        json_integer((json_int_t)stats->activation_lower_bound));
    json_object_set_new(tree, "weight_bytes",
                        json_integer((json_int_t)stats->weight_bytes));
    return tree;
}

/* ---- The command ---- */

/* The model part must work where there is no device; then the placement says why. */
static bool show(struct info *info, const char *path) {
    json_t *tree = NULL;
    bool done =
        load_model(info, path) && setup_env(&info->setup, &info->env, &info->fault);
    bool placed = done && place(info, path), missing;

    if (!done)
        return false;
    missing =
        !placed && info->fault.status == ESK_NO_DEVICE && !info->setup.providers.count;
    if (info->dumps.count)
        return placed && print_dumps(info);
    if (info->json) {
        tree = model_tree(info);
        if (placed) {
            json_object_set_new(tree, "placement", placement_tree(info));
            json_object_set_new(tree, "plan", plan_tree(&info->stats));
        } else {
            json_object_set_new(tree, "placement_error", json_text(info->fault.text));
        }
        done =
            json_line(tree) || fault_set(&info->fault, "the JSON could not be written");
        return done && (placed || missing);
    }
    print_model(info);
    if (placed)
        print_placement(info);
    else if (missing)
        printf("placement\n  none: %s\n", info->fault.text);
    else
        printf("placement\n  none: see the error\n");
    return placed || missing;
}

static const char about[] =
    "Shows a model's versions, inputs, outputs and operators; where each node\n"
    "would run, every fallback with its reason; and facts of the plan.";
static const char notes[] =
    "Without a device the model's part is shown and the placement says why there is\n"
    "none; the exit code is 0 then unless --provider asked for that device. A\n"
    "model that cannot be placed for another reason is shown too, with exit code 1.";

int cmd_info(int argc, char **argv) {
    struct info info = {.fallback_size = 1};
    const struct arg_spec specs[] = {
        {"json", ARG_FLAG, &info.json, NULL, "one JSON object, with every node", 0, 0,
         NULL},
        {"nodes", ARG_FLAG, &info.nodes, NULL, "lists where every node runs, and how", 0,
         0, NULL},
        {"dump", ARG_LIST, &info.dumps, "WHAT",
         "prints the library's own text instead: graph, plan, commands,\n"
         "limits, tuning, or source:N (the shader of command N)",
         0, 0, NULL},
        SETUP_DIM(info.setup),
        SETUP_DENOTATION(info.setup),
        {"free-size", ARG_INT, &info.fallback_size, "N",
         "what free dimensions without --dim are planned with (default: 1)", 1, 1 << 30,
         NULL},
        SETUP_PROVIDER(info.setup),
        SETUP_SET(info.setup),
        SETUP_STRICT(info.setup),
        SETUP_VERBOSE(info.setup),
    };
    const struct arg_table table = {
        .usage = "esker info MODEL [options]",
        .about = about,
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .notes = notes,
        .min_texts = 1,
        .max_texts = 1,
        .texts = "MODEL",
    };
    struct arg_list texts = {0};
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);
    int code = parsed == ARGS_HELP ? 0 : 2;

    if (parsed == ARGS_RUN)
        code = show(&info, texts.items[0]) ? 0 : fault_report(&info.fault);
    esk_placement_destroy(info.placement);
    esk_session_destroy(info.session);
    esk_env_destroy(info.env);
    esk_model_destroy(info.model);
    free(info.ops);
    arg_list_finish(&info.dumps);
    arg_list_finish(&texts);
    setup_finish(&info.setup);
    return code;
}
