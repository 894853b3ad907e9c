/* The model: made by a loader or call by call by the builder, asked for its facts, copied
 * for sessions. Must not know operators or ONNX's bytes. */
#include "front/model.h"

#include "base/mem.h"
#include "front/onnx/onnx.h"

#include <inttypes.h>
#include <string.h>

struct esk_model *esk_model_new(void) {
    return esk_calloc(1, sizeof(struct esk_model));
}

void esk_model_destroy(esk_model *model) {
    if (!model)
        return;
    for (size_t i = 0; i < model->n_functions; i++)
        esk_graph_destroy(model->functions[i].graph);
    esk_graph_destroy(model->graph);
    esk_blob_unref(model->bytes);
    esk_map_finish(&model->names);
    esk_free(model->opsets);
    esk_free(model->functions);
    esk_free(model->metadata);
    esk_free(model->facts);
    esk_free(model->node_ops);
    esk_free(model->files);
    esk_arena_finish(&model->arena);
    esk_free(model);
}

/* ---- Adding facts ---- */

bool esk_model_add_opset(struct esk_model *model, const char *domain, int64_t version) {
    for (size_t i = 0; i < model->n_opsets; i++)
        if (strcmp(model->opsets[i].domain, domain) == 0) {
            if (version > model->opsets[i].version)
                model->opsets[i].version = version;
            return true;
        }
    char *copy = esk_arena_strdup(&model->arena, domain);
    if (!copy || !esk_grow((void **)&model->opsets, &model->cap_opsets,
                           model->n_opsets + 1, sizeof *model->opsets))
        return false;
    model->opsets[model->n_opsets++] = (struct esk_opset){copy, version};
    return true;
}

static bool add_property(struct esk_arena *arena, struct esk_property **list, size_t *n,
                         size_t *capacity, const char *key, const char *value) {
    struct esk_property made = {esk_arena_strdup(arena, key),
                                esk_arena_strdup(arena, value)};
    if (!made.key || !made.value ||
        !esk_grow((void **)list, capacity, *n + 1, sizeof **list))
        return false;
    (*list)[(*n)++] = made;
    return true;
}

bool esk_model_add_metadata(struct esk_model *model, const char *key, const char *value) {
    return add_property(&model->arena, &model->metadata, &model->n_metadata,
                        &model->cap_metadata, key, value);
}

bool esk_model_add_fact(struct esk_model *model, const char *key, const char *value) {
    return add_property(&model->arena, &model->facts, &model->n_facts, &model->cap_facts,
                        key, value);
}

bool esk_model_add_file(struct esk_model *model, const char *path,
                        const struct esk_file_facts *facts) {
    char *copy = esk_arena_strdup(&model->arena, path);
    if (!copy || !esk_grow((void **)&model->files, &model->cap_files, model->n_files + 1,
                           sizeof *model->files))
        return false;
    model->files[model->n_files++] = (struct esk_model_file){copy, *facts};
    return true;
}

/* ---- Describing ---- */

static bool describe_var(struct esk_model *model, const struct esk_var *var,
                         esk_value_info *info) {
    size_t rank = var->rank > 0 ? (size_t)var->rank : 0;
    int64_t *dims = esk_arena_copy(&model->arena, var->dim, rank * sizeof *dims);
    const char **names = ESK_ARENA_ARRAY(&model->arena, const char *, rank);
    char *name = esk_arena_strdup(&model->arena, var->name);
    if (!dims || !names || !name)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (var->dim_name && var->dim_name[i] &&
            !(names[i] = esk_arena_strdup(&model->arena, var->dim_name[i])))
            return false;
    *info = (esk_value_info){.name = name,
                             .dtype = var->dtype,
                             .rank = var->rank,
                             .dims = dims,
                             .dim_names = names};
    info->has_default =
        (var->flags & ESK_VAR_INPUT) && (var->flags & ESK_VAR_INITIALIZER);
    return true;
}

static bool describe_list(struct esk_model *model, const esk_id *ids, uint32_t n,
                          esk_value_info **infos, size_t *count) {
    esk_value_info *list = ESK_ARENA_ARRAY(&model->arena, esk_value_info, n);
    if (!list)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!describe_var(model, model->graph->vars[ids[i]], &list[i]))
            return false;
    *infos = list;
    *count = n;
    return true;
}

/* The operators of nodes that came since the last call. */
static bool describe_nodes(struct esk_model *model) {
    const struct esk_graph *graph = model->graph;
    if (!esk_grow((void **)&model->node_ops, &model->cap_node_ops, graph->n_nodes,
                  sizeof *model->node_ops))
        return false;
    for (; model->n_node_ops < graph->n_nodes; model->n_node_ops++) {
        const struct esk_node *node = graph->nodes[model->n_node_ops];
        const char *name = *node->domain ? esk_arena_printf(&model->arena, "%s.%s",
                                                            node->domain, node->op_type)
                                         : esk_arena_strdup(&model->arena, node->op_type);
        if (!name)
            return false;
        model->node_ops[model->n_node_ops] = name;
    }
    return true;
}

esk_status esk_model_describe(struct esk_model *model, esk_error *error) {
    const struct esk_graph *graph = model->graph;
    if ((model->n_inputs != graph->n_formal &&
         !describe_list(model, graph->inputs, graph->n_formal, &model->inputs,
                        &model->n_inputs)) ||
        (model->n_outputs != graph->n_outputs &&
         !describe_list(model, graph->outputs, graph->n_outputs, &model->outputs,
                        &model->n_outputs)) ||
        !describe_nodes(model))
        return esk_fail_memory(error, "a model's description");
    return ESK_OK;
}

size_t esk_model_input_count(const esk_model *model) {
    return model->n_inputs;
}

const esk_value_info *esk_model_input(const esk_model *model, size_t index) {
    return index < model->n_inputs ? &model->inputs[index] : NULL;
}

size_t esk_model_output_count(const esk_model *model) {
    return model->n_outputs;
}

const esk_value_info *esk_model_output(const esk_model *model, size_t index) {
    return index < model->n_outputs ? &model->outputs[index] : NULL;
}

const char *esk_model_metadata(const esk_model *model, const char *key) {
    for (size_t i = 0; i < model->n_facts; i++)
        if (strcmp(model->facts[i].key, key) == 0)
            return model->facts[i].value;
    for (size_t i = 0; i < model->n_metadata; i++)
        if (strcmp(model->metadata[i].key, key) == 0)
            return model->metadata[i].value;
    return NULL;
}

const char *esk_model_metadata_key(const esk_model *model, size_t index) {
    return index < model->n_metadata ? model->metadata[index].key : NULL;
}

size_t esk_model_node_count(const esk_model *model) {
    return model->n_node_ops;
}

const char *esk_model_node_op(const esk_model *model, size_t index) {
    return index < model->n_node_ops ? model->node_ops[index] : NULL;
}

bool esk_model_opset(const esk_model *model, size_t index, const char **domain,
                     int64_t *version) {
    if (index >= model->n_opsets)
        return false;
    *domain = model->opsets[index].domain;
    *version = model->opsets[index].version;
    return true;
}

/* ---- Loading ---- */

static esk_status load_blob(struct esk_blob *bytes, const char *directory,
                            const struct esk_model_file *file,
                            const struct esk_given *given, esk_model **model,
                            esk_error *error) {
    struct esk_model *made = esk_model_new();
    if (!made)
        return esk_fail_memory(error, "a model");
    esk_status status = file && !esk_model_add_file(made, file->path, &file->facts)
                            ? esk_fail_memory(error, "a model")
                            : esk_onnx_load(made, bytes, directory, given, error);
    if (status) {
        esk_model_destroy(made);
        return status;
    }
    *model = made;
    return ESK_OK;
}

static esk_status load_file(const char *path, const struct esk_given *given,
                            struct esk_model **model, esk_error *error) {
    const char *slash = strrchr(path, '/');
    char *directory = slash ? esk_strdup(path) : esk_strdup(".");
    if (!directory)
        return esk_fail_memory(error, "a path");
    if (slash)
        directory[slash == path ? 1 : slash - path] = 0;
    struct esk_blob *bytes = NULL;
    struct esk_model_file file = {.path = path};
    esk_status status = esk_file_map(path, &bytes, &file.facts, error);
    if (status == ESK_OK) {
        status = load_blob(bytes, directory, &file, given, model, error);
        if (status)
            esk_error_prefix(error, "'%s'", path);
    }
    esk_blob_unref(bytes);
    esk_free(directory);
    return status;
}

static esk_status load_bytes(const struct esk_source *source,
                             const struct esk_given *given, struct esk_model **model,
                             esk_error *error) {
    if (!source->bytes && source->size)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "no bytes given");
    struct esk_blob *blob =
        source->borrow
            ? esk_blob_create((void *)(uintptr_t)source->bytes, source->size, NULL, NULL)
            : esk_blob_heap(source->size);
    if (!blob)
        return esk_fail_memory(error, "a model");
    if (!source->borrow && source->size)
        memcpy(blob->data, source->bytes, source->size);
    esk_status status = load_blob(blob, source->directory, NULL, given, model, error);
    esk_blob_unref(blob);
    return status;
}

esk_status esk_model_load_with(const struct esk_source *source,
                               const struct esk_given *given, struct esk_model **model,
                               esk_error *error) {
    return source->path ? load_file(source->path, given, model, error)
                        : load_bytes(source, given, model, error);
}

esk_status esk_model_load(const char *path, esk_model **model, esk_error *error) {
    return load_file(path, NULL, model, error);
}

esk_status esk_model_load_from_memory(const void *bytes, size_t size, bool borrow,
                                      const char *directory, esk_model **model,
                                      esk_error *error) {
    const struct esk_source source = {
        .bytes = bytes, .size = size, .borrow = borrow, .directory = directory};
    return load_bytes(&source, NULL, model, error);
}

static esk_status give(struct esk_graph *graph, struct esk_var *var,
                       const struct esk_tensor *tensor, esk_error *error) {
    bool same = var->dtype == tensor->dtype && var->rank == tensor->rank;
    for (int i = 0; same && i < tensor->rank; i++)
        same = var->dim[i] == tensor->dim[i];
    if (!same) {
        struct esk_text given = {0}, has = {0};
        esk_shape_print(&given, tensor->dtype, tensor->rank, tensor->dim);
        esk_shape_print(&has, var->dtype, var->rank, var->dim);
        esk_status status = esk_fail(error, ESK_INVALID_ARGUMENT,
                                     "initializer '%s': %s was given, the model has %s",
                                     var->name, esk_text_str(&given), esk_text_str(&has));
        esk_text_finish(&given);
        esk_text_finish(&has);
        return status;
    }
    struct esk_blob *blob = esk_blob_create(tensor->data, tensor->bytes, NULL, NULL);
    if (!blob || !esk_graph_hold(graph, blob)) {
        esk_blob_unref(blob);
        return esk_fail_memory(error, "an initializer");
    }
    var->data = tensor->data;
    var->bytes = tensor->bytes;
    var->blob = blob;
    return ESK_OK;
}

esk_status esk_model_give(struct esk_model *model, const struct esk_given *given,
                          esk_error *error) {
    struct esk_graph *graph = model->graph;
    for (size_t i = 0; given && i < given->n_initializers; i++) {
        const struct esk_given_initializer *one = &given->initializers[i];
        struct esk_var *var = NULL;
        for (uint32_t v = 0; v < graph->n_vars && !var; v++)
            if (graph->vars[v]->flags & ESK_VAR_INITIALIZER &&
                strcmp(graph->vars[v]->name, one->name) == 0)
                var = graph->vars[v];
        if (!var)
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "initializer '%s': the model has none of that name",
                            one->name);
        ESK_TRY(give(graph, var, &one->tensor, error));
    }
    return ESK_OK;
}

/* ---- Copying ---- */

static bool copy_function(struct esk_model *to, const struct esk_function *from) {
    struct esk_arena *arena = &to->arena;
    struct esk_function f = {.n_opsets = from->n_opsets,
                             .n_attributes = from->n_attributes};
    if (!esk_grow((void **)&to->functions, &to->cap_functions, to->n_functions + 1,
                  sizeof *to->functions) ||
        !(f.graph = esk_graph_copy(from->graph)))
        return false;
    struct esk_function *made = &to->functions[to->n_functions++];
    f.domain = esk_arena_strdup(arena, from->domain);
    f.name = esk_arena_strdup(arena, from->name);
    f.overload = esk_arena_strdup(arena, from->overload);
    f.opsets = esk_arena_copy(arena, from->opsets, from->n_opsets * sizeof *f.opsets);
    f.attributes = ESK_ARENA_ARRAY(arena, const char *, from->n_attributes);
    f.defaults = ESK_ARENA_ARRAY(arena, struct esk_attr, from->n_defaults);
    *made = f; /* owns the graph, so that failures below free it */
    if (!f.domain || !f.name || !f.overload || !f.opsets || !f.attributes || !f.defaults)
        return false;
    for (size_t i = 0; i < f.n_opsets; i++)
        if (!(f.opsets[i].domain = esk_arena_strdup(arena, from->opsets[i].domain)))
            return false;
    for (size_t i = 0; i < f.n_attributes; i++)
        if (!(f.attributes[i] = esk_arena_strdup(arena, from->attributes[i])))
            return false;
    for (; made->n_defaults < from->n_defaults; made->n_defaults++)
        if (!esk_attr_copy(f.graph, from->graph, &from->defaults[made->n_defaults],
                           &f.defaults[made->n_defaults]))
            return false;
    return true;
}

static bool copy_model(struct esk_model *to, const struct esk_model *from) {
    to->ir_version = from->ir_version;
    to->bytes = from->bytes ? esk_blob_ref(from->bytes) : NULL;
    if (!(to->graph = esk_graph_copy(from->graph)))
        return false;
    for (size_t i = 0; i < from->n_opsets; i++)
        if (!esk_model_add_opset(to, from->opsets[i].domain, from->opsets[i].version))
            return false;
    for (size_t i = 0; i < from->n_metadata; i++)
        if (!esk_model_add_metadata(to, from->metadata[i].key, from->metadata[i].value))
            return false;
    for (size_t i = 0; i < from->n_facts; i++)
        if (!esk_model_add_fact(to, from->facts[i].key, from->facts[i].value))
            return false;
    for (size_t i = 0; i < from->n_functions; i++)
        if (!copy_function(to, &from->functions[i]))
            return false;
    return true;
}

esk_status esk_model_copy(const struct esk_model *model, struct esk_model **copy,
                          esk_error *error) {
    struct esk_model *made = esk_model_new();
    if (!made || !copy_model(made, model)) {
        esk_model_destroy(made);
        return esk_fail_memory(error, "a copy of a model");
    }
    esk_status status = esk_model_describe(made, error);
    if (status) {
        esk_model_destroy(made);
        return status;
    }
    *copy = made;
    return ESK_OK;
}
