/* How a device keeps a var (storage, layout, bytes), and the graph as text. In: types and
 * shapes; out: numbers and a stable listing. Must not know devices. */
#include "ir/graph.h"

#include "base/mem.h"

#include <inttypes.h>

const char *esk_storage_name(enum esk_storage storage) {
    switch (storage) {
#define ROW(name, bytes, elements) \
    case ESK_STORAGE_##name:       \
        return #name;
        ESK_STORAGE_LIST(ROW)
#undef ROW
    }
    return "?";
}

enum esk_storage esk_storage_of(esk_dtype dtype, int rank, const int64_t *dims,
                                enum esk_layout layout) {
    if (layout == ESK_LAYOUT_C4 && rank < 3)
        return ESK_STORAGE_HOST;
    switch (dtype) {
    case ESK_FLOAT:
        return ESK_STORAGE_F32;
    case ESK_FLOAT16:
        return layout == ESK_LAYOUT_C4 || (rank >= 1 && dims[rank - 1] % 2 == 0)
                   ? ESK_STORAGE_F16X2
                   : ESK_STORAGE_F32;
    case ESK_BOOL:
    case ESK_UINT8:
    case ESK_UINT16:
    case ESK_UINT32:
        return ESK_STORAGE_U32;
    case ESK_INT8:
    case ESK_INT16:
    case ESK_INT32:
        return ESK_STORAGE_I32;
    case ESK_INT64:
    case ESK_UINT64:
        return ESK_STORAGE_I64X2;
    default:
        return ESK_STORAGE_HOST;
    }
}

int esk_layout_dims(enum esk_layout layout, int rank, const int64_t *dims, int64_t *out) {
    if (layout != ESK_LAYOUT_C4 || rank < 3) {
        for (int i = 0; i < rank; i++)
            out[i] = dims[i];
        return rank;
    }
    int64_t channels = dims[1]; /* read first: out may be dims */
    out[0] = dims[0];
    for (int i = 2; i < rank; i++)
        out[i - 1] = dims[i];
    out[rank - 1] = (channels + 3) / 4 * 4;
    return rank;
}

size_t esk_storage_bytes(enum esk_storage storage, enum esk_layout layout, int rank,
                         const int64_t *dims) {
    static const struct {
        size_t bytes, elements;
    } unit[] = {
#define ROW(name, bytes, elements) [ESK_STORAGE_##name] = {bytes, elements},
        ESK_STORAGE_LIST(ROW)
#undef ROW
    };
    int64_t physical[ESK_MAX_RANK], count;
    size_t bytes;
    int n = esk_layout_dims(layout, rank, dims, physical);
    if (!esk_shape_count(n, physical, &count) ||
        !esk_mul_size(((size_t)count + unit[storage].elements - 1) /
                          unit[storage].elements,
                      unit[storage].bytes, &bytes) ||
        bytes > SIZE_MAX - 16)
        return SIZE_MAX / 16 * 16; /* more than any device has */
    return esk_round_up(bytes, 16);
}

static void print_names(const struct esk_graph *graph, const esk_id *ids, uint32_t n,
                        bool shapes, struct esk_text *text) {
    for (uint32_t i = 0; i < n; i++) {
        esk_text_add(text, i ? ", " : "");
        if (ids[i] == ESK_NONE) {
            esk_text_add(text, "-");
            continue;
        }
        const struct esk_var *var = graph->vars[ids[i]];
        esk_text_add(text, "%s", var->name);
        if (shapes && (var->dtype || var->rank >= 0)) {
            esk_text_add(text, " ");
            esk_shape_print(text, var->dtype, var->rank, var->dim);
        }
    }
}

static void print_tensor(const struct esk_tensor *tensor, struct esk_text *text) {
    esk_shape_print(text, tensor->dtype, tensor->rank, tensor->dim);
    int64_t count = esk_shape_product(tensor->dim, 0, tensor->rank);
    if (!tensor->data || count > 8)
        return;
    bool is_float = esk_dtype_is_float(tensor->dtype);
    if (!is_float && !esk_dtype_is_int(tensor->dtype) && tensor->dtype != ESK_BOOL)
        return;
    esk_text_add(text, "{");
    for (int64_t i = 0; i < count; i++)
        if (is_float)
            esk_text_add(text, "%s%g", i ? "," : "", esk_tensor_double(tensor, i));
        else
            esk_text_add(text, "%s%" PRId64, i ? "," : "", esk_tensor_int(tensor, i));
    esk_text_add(text, "}");
}

static void print_attr(const struct esk_attr *attr, struct esk_text *text) {
    enum { MOST = 16 }; /* items shown of a list */
    size_t n = attr->count < MOST ? attr->count : MOST;
    esk_text_add(text, " %s=", attr->name);
    if (attr->ref) {
        esk_text_add(text, "@%s", attr->ref);
        return;
    }
    switch (attr->kind) {
    case ESK_ATTR_FLOAT:
        esk_text_add(text, "%g", (double)attr->f);
        return;
    case ESK_ATTR_INT:
        esk_text_add(text, "%" PRId64, attr->i);
        return;
    case ESK_ATTR_STRING:
        esk_text_add(text, "'%s'", attr->s.data);
        return;
    case ESK_ATTR_TENSOR:
        print_tensor(attr->tensors, text);
        return;
    case ESK_ATTR_GRAPH:
        esk_text_add(text, "graph");
        return;
    case ESK_ATTR_FLOATS:
    case ESK_ATTR_INTS:
    case ESK_ATTR_STRINGS:
        esk_text_add(text, "[");
        for (size_t i = 0; i < n; i++) {
            esk_text_add(text, i ? "," : "");
            if (attr->kind == ESK_ATTR_FLOATS)
                esk_text_add(text, "%g", (double)attr->floats[i]);
            else if (attr->kind == ESK_ATTR_INTS)
                esk_text_add(text, "%" PRId64, attr->ints[i]);
            else
                esk_text_add(text, "'%s'", attr->strings[i].data);
        }
        esk_text_add(text, n < attr->count ? ",…]" : "]");
        return;
    default:
        esk_text_add(text, "(%zu items of kind %d)", attr->count, (int)attr->kind);
    }
}

static void print_graph(const struct esk_graph *graph, int indent,
                        struct esk_text *text) {
    esk_text_add(text, "%*sgraph '%s' (", indent, "", graph->name);
    print_names(graph, graph->inputs, graph->n_inputs, true, text);
    esk_text_add(text, ") -> (");
    print_names(graph, graph->outputs, graph->n_outputs, true, text);
    esk_text_add(text, ")\n");
    for (uint32_t i = 0; i < graph->n_vars; i++) {
        const struct esk_var *var = graph->vars[i];
        if (!var->data)
            continue;
        struct esk_tensor tensor = esk_var_tensor(var);
        esk_text_add(text, "%*s  %s ", indent, "",
                     var->flags & ESK_VAR_INITIALIZER ? "init" : "const");
        esk_text_add(text, "%s ", var->name);
        print_tensor(&tensor, text);
        esk_text_add(text, "\n");
    }
    for (uint32_t i = 0; i < graph->n_order; i++) {
        const struct esk_node *node = graph->nodes[graph->order[i]];
        if (node->dead)
            continue;
        esk_text_add(text, "%*s  %s%s%s '%s' (", indent, "", node->domain,
                     *node->domain ? "." : "", node->op_type, node->name);
        print_names(graph, node->in, node->n_in, false, text);
        if (node->n_captures) {
            esk_text_add(text, "; ");
            print_names(graph, node->captures, node->n_captures, false, text);
        }
        esk_text_add(text, ") -> ");
        print_names(graph, node->out, node->n_out, true, text);
        for (uint32_t a = 0; a < node->n_attrs; a++)
            print_attr(&node->attrs[a], text);
        esk_text_add(text, "\n");
        for (uint32_t a = 0; a < node->n_attrs; a++) {
            const struct esk_attr *attr = &node->attrs[a];
            if (attr->kind == ESK_ATTR_GRAPH || attr->kind == ESK_ATTR_GRAPHS)
                for (size_t g = 0; g < attr->count; g++)
                    print_graph(attr->graphs[g], indent + 4, text);
        }
    }
}

void esk_graph_print(const struct esk_graph *graph, struct esk_text *text) {
    print_graph(graph, 0, text);
}
