/* Texts of patterns against nodes. In: a graph, patterns as data; out: the graph
 * rewritten. Must not know operators: names stand in the texts. */
#include "compile/match.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

static void blanks(const char **at) {
    while (**at == ' ')
        ++*at;
}

static bool take(const char **at, char c) {
    blanks(at);
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* Past one expression. Most of a match's time: a switch, not strchr. */
static void skip(const char **at) {
    int depth = 0;
    for (const char *c = *at;; c++)
        switch (*c) {
        case '(':
        case '{':
            depth++;
            break;
        case ')':
        case '}':
            if (depth-- > 0)
                break;
            *at = c;
            return;
        case ',':
        case '/':
            if (depth > 0)
                break;
            *at = c;
            return;
        case 0:
            *at = c;
            return;
        }
}

/* ---- matching ---- */

static bool match(struct esk_match *m, const char **at, esk_id id);

static bool match_number(const struct esk_match *m, double number, esk_id id) {
    const struct esk_var *var = m->graph->vars[id];
    if (!var->data || var->rank < 0 || esk_var_count(var) != 1 ||
        !(esk_dtype_is_float(var->dtype) || esk_dtype_is_int(var->dtype)))
        return false;
    struct esk_tensor tensor = esk_var_tensor(var);
    double slack = (double)(float)number == number ? 0 : 3e-7 * fabs(number);
    return fabs(esk_tensor_double(&tensor, 0) - number) <= slack;
}

static bool name_fits(const char **at, const struct esk_op *op) {
    bool fits = false;
    do {
        bool ms = strncmp(*at, "ms.", 3) == 0;
        *at += ms ? 3 : 0;
        size_t length = 0;
        while (isalnum((unsigned char)(*at)[length]))
            length++;
        fits |= op && strncmp(op->name, *at, length) == 0 && !op->name[length] &&
                strcmp(op->domain, ms ? "com.microsoft" : "") == 0;
        *at += length;
    } while (take(at, '|'));
    return fits;
}

/* Inputs of a node against the arguments at `at`, behind the parenthesis; `swapped`: the
 * first two exchanged. */
static bool match_args(struct esk_match *m, const char **at, const struct esk_node *node,
                       bool swapped) {
    uint32_t i = 0;
    bool rest = false;
    do {
        blanks(at);
        if (strncmp(*at, "..", 2) == 0) {
            *at += 2;
            rest = true;
            break;
        }
        uint32_t from = swapped && i < 2 ? 1 - i : i;
        if (!match(m, at, from < node->n_in ? node->in[from] : ESK_NONE))
            return false;
        i++;
    } while (take(at, ','));
    for (; i < node->n_in && !rest; i++)
        if (node->in[i] != ESK_NONE)
            return false;
    return take(at, ')');
}

static bool match_op(struct esk_match *m, const char **at, esk_id id, char letter) {
    const struct esk_node *node = id == ESK_NONE ? NULL : m->graph->nodes[id];
    if (!name_fits(at, node ? node->op : NULL) || node->dead)
        return false;
    bool swaps = take(at, '*');
    if (!take(at, '('))
        return false;
    bool known = node == m->root;
    for (uint32_t i = 0; i < m->n_nodes; i++)
        known |= m->nodes[i] == id;
    if (!known) {
        if (m->n_nodes == ESK_MATCH_NODES)
            return false;
        m->nodes[m->n_nodes++] = id;
    }
    if (letter) {
        if (m->node[letter - 'a'] != ESK_NONE && m->node[letter - 'a'] != id)
            return false;
        m->node[letter - 'a'] = id;
    }
    struct esk_match saved = *m;
    const char *start = *at;
    if (match_args(m, at, node, false))
        return true;
    if (!swaps || node->n_in != 2)
        return false;
    *m = saved;
    *at = start;
    return match_args(m, at, node, true);
}

static bool match_any(struct esk_match *m, const char **at, esk_id id) {
    struct esk_match saved = *m;
    bool found = false;
    do {
        const char *start = *at;
        if (!found) {
            found = match(m, at, id);
            if (!found)
                *m = saved;
        }
        *at = start;
        skip(at);
    } while (take(at, '/'));
    return take(at, '}') && found;
}

/* The value `id` against the expression at `at`. */
static bool match(struct esk_match *m, const char **at, esk_id id) {
    blanks(at);
    if (take(at, '{'))
        return match_any(m, at, id);
    if (take(at, '_'))
        return true;
    if (id == ESK_NONE)
        return false;
    const struct esk_var *var = m->graph->vars[id];
    if (isdigit((unsigned char)**at) || **at == '=' || **at == '-') {
        char *end;
        double number = strtod(*at + (**at == '='), &end);
        *at = end;
        return match_number(m, number, id);
    }
    char kind = **at;
    if (kind == '$' || kind == '#') {
        ++*at;
        if (!var->data || var->flags & ESK_VAR_INPUT ||
            (kind == '#' && (var->rank < 0 || esk_var_count(var) != 1)))
            return false;
    }
    char letter = islower((unsigned char)**at) && !isalnum((unsigned char)(*at)[1]) &&
                          (*at)[1] != '.'
                      ? **at
                      : 0;
    if (letter) {
        ++*at;
        if (!take(at, ':')) {
            esk_id *named = &m->var[letter - 'a'];
            bool good = *named == ESK_NONE || *named == id;
            *named = id;
            return good;
        }
        blanks(at);
    }
    /* of several outputs only the first one is meant */
    if (var->producer == ESK_NONE || var->data ||
        m->graph->nodes[var->producer]->out[0] != id)
        return false;
    return match_op(m, at, var->producer, letter);
}

/* No value inside is needed outside. */
static bool is_closed(const struct esk_match *m) {
    for (uint32_t i = 0; i < m->n_nodes; i++) {
        const struct esk_node *node = m->graph->nodes[m->nodes[i]];
        for (uint32_t o = 0; o < node->n_out; o++) {
            esk_id id = node->out[o];
            uint32_t inside = 0;
            for (uint32_t j = 0; j <= m->n_nodes && id != ESK_NONE; j++) {
                const struct esk_node *user =
                    j ? m->graph->nodes[m->nodes[j - 1]] : m->root;
                for (uint32_t k = 0; k < user->n_in; k++)
                    inside += user->in[k] == id;
            }
            if (id != ESK_NONE && m->uses[id] != inside)
                return false;
        }
    }
    return true;
}

bool esk_match_try(struct esk_match *m, const char *text) {
    for (int i = 0; i < 26; i++)
        m->var[i] = m->node[i] = ESK_NONE;
    m->n_nodes = 0;
    const char *at = text;
    esk_id root = m->graph->vars[m->root->out[0]]->producer;
    char letter = 0;
    if (islower((unsigned char)at[0]) && at[1] == ':') {
        letter = at[0];
        at += 2;
    }
    return match_op(m, &at, root, letter) && is_closed(m);
}

/* ---- rewriting ---- */

struct rewriter {
    struct esk_graph *graph;
    const struct esk_compile_options *options;
    enum esk_phase phase;
    uint32_t *uses; /* owned */
    size_t cap_uses;
    const bool *keep; /* vars that the host or a later stage reads, may be NULL; … */
    uint32_t n_keep;  /* … those with smaller ids */
    bool changed;     /* in this round */
    esk_error *error;
};

static void count(const struct esk_graph *graph, const bool *keep, uint32_t *uses) {
    for (uint32_t at = 0; at < graph->n_order; at++) {
        const struct esk_node *node = graph->nodes[graph->order[at]];
        if (node->dead)
            continue;
        for (uint32_t i = 0; i < node->n_in; i++)
            if (node->in[i] != ESK_NONE)
                uses[node->in[i]]++;
        for (uint32_t i = 0; i < node->n_captures; i++)
            uses[node->captures[i]]++;
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        uses[graph->outputs[i]]++;
    for (uint32_t i = 0; keep && i < graph->n_vars; i++)
        uses[i] += keep[i];
}

uint32_t *esk_count_uses(const struct esk_graph *graph, const bool *keep) {
    uint32_t *uses = esk_calloc(graph->n_vars + 1u, sizeof *uses);
    if (uses)
        count(graph, keep, uses);
    return uses;
}

/* The node and those that only it needed go; `heir` stands for them, if there is one. */
static void retire(struct rewriter *r, struct esk_node *node, esk_id heir) {
    node->dead = true;
    if (heir != ESK_NONE) {
        node->home = ESK_HOME_HEIR;
        node->heir = heir;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        esk_id id = node->in[i];
        if (id == ESK_NONE || --r->uses[id])
            continue;
        esk_id from = r->graph->vars[id]->producer;
        struct esk_node *producer = from == ESK_NONE ? NULL : r->graph->nodes[from];
        bool needed = !producer || producer->dead;
        for (uint32_t o = 0; producer && o < producer->n_out; o++)
            needed |= producer->out[o] != ESK_NONE && r->uses[producer->out[o]];
        if (!needed)
            retire(r, producer, heir);
    }
}

/* Shapes of the nodes order[first …], and whether the device takes them. */
static esk_status check_new(struct rewriter *r, uint32_t first, bool *good) {
    *good = true;
    for (uint32_t i = first; i < r->graph->n_order && *good; i++) {
        struct esk_node *node = r->graph->nodes[r->graph->order[i]];
        ESK_TRY(esk_infer_node(r->graph, node, r->error));
        if (!r->options->limits || !node->op->gpu)
            continue;
        esk_error refusal = ESK_ERROR_INIT;
        struct esk_recipe_list list = {0};
        struct esk_ctx c = {.graph = r->graph,
                            .node = node,
                            .error = &refusal,
                            .limits = r->options->limits,
                            .recipes = &list};
        *good = node->op->gpu(&c) == ESK_OK && list.count && !list.failed;
        esk_error_clear(&refusal);
        esk_recipe_list_finish(&list);
    }
    return ESK_OK;
}

/* The root's output is another value: that one takes its place. */
static esk_status take_same(struct rewriter *r, struct esk_match *m, uint32_t *made) {
    struct esk_graph *graph = r->graph;
    esk_id out = m->root->out[0], same = m->same;
    const struct esk_var *a = graph->vars[out], *b = graph->vars[same];
    bool shapes = a->rank >= 0 && b->rank >= 0 && r->phase == ESK_PHASE_BIND;
    if (r->keep && out < r->n_keep && r->keep[out])
        return ESK_OK;
    if (a->flags & ESK_VAR_OUTPUT || (shapes && a->dtype != b->dtype) ||
        (shapes && !esk_shape_equal(a->rank, a->dim, b->rank, b->dim)))
        return ESK_OK;
    esk_graph_replace_uses(graph, out, same);
    r->uses[same] += r->uses[out];
    r->uses[out] = 0;
    retire(r, m->root, ESK_NONE);
    *made = 0;
    r->changed = true;
    return ESK_OK;
}

static esk_status apply(struct rewriter *r, struct esk_match *m,
                        const struct esk_pattern *pattern, uint32_t at, uint32_t *made) {
    struct esk_graph *graph = r->graph;
    esk_id out = m->root->out[0], root = graph->vars[out]->producer;
    struct esk_var before = *graph->vars[out];
    uint32_t first = graph->n_order;
    bool done = false;
    m->same = ESK_NONE;
    ESK_TRY(pattern->rewrite(m, &done));
    if (done && m->same != ESK_NONE)
        return take_same(r, m, made);
    if (done && r->phase == ESK_PHASE_BIND)
        ESK_TRY(check_new(r, first, &done));
    if (done && before.rank >= 0 && r->phase == ESK_PHASE_BIND &&
        !esk_shape_equal(before.rank, before.dim, graph->vars[out]->rank,
                         graph->vars[out]->dim))
        return esk_fail(r->error, ESK_INTERNAL, "pass %s changes the shape of '%s'",
                        pattern->pass, before.name);
    if (!done) {
        for (uint32_t i = first; i < graph->n_order; i++) {
            graph->nodes[graph->order[i]]->dead = true;
            graph->nodes[graph->order[i]]->home = ESK_HOME_UNDONE;
        }
        graph->n_order = first;
        *graph->vars[out] = before;
        graph->vars[out]->producer = root;
        return ESK_OK;
    }
    if (!esk_grow((void **)&r->uses, &r->cap_uses, graph->n_vars, sizeof *r->uses))
        return esk_fail_memory(r->error, "uses of values");
    for (uint32_t i = first; i < graph->n_order; i++) {
        const struct esk_node *node = graph->nodes[graph->order[i]];
        for (uint32_t k = 0; k < node->n_in; k++)
            if (node->in[k] != ESK_NONE)
                r->uses[node->in[k]]++;
    }
    retire(r, m->root, graph->vars[out]->producer);
    *made = graph->n_order - first;
    r->changed = true;
    esk_graph_order_move(graph, first, at + 1);
    return ESK_OK;
}

/* Patterns that are on and of this phase. */
static uint32_t patterns_of(const struct rewriter *r, const struct esk_pattern **list,
                            uint32_t most) {
    uint32_t n = 0;
    const struct esk_pattern *table;
    for (size_t t = 0; (table = esk_pattern_table(t)); t++)
        for (const struct esk_pattern *pattern = table; pattern->pass; pattern++) {
            const struct esk_pass *pass = esk_pass_named(pattern->pass);
            if (pass && pass->phase == r->phase && n < most &&
                esk_pass_enabled(r->options, pass->name))
                list[n++] = pattern;
        }
    return n;
}

static esk_status rewrite(struct rewriter *r, const struct esk_pattern *const *patterns,
                          uint32_t n) {
    struct esk_match m = {.graph = r->graph, .error = r->error};
    for (uint32_t at = r->graph->n_order; at-- > 0;) {
        esk_id id = r->graph->order[at];
        struct esk_node *node = r->graph->nodes[id];
        uint32_t made = 0;
        for (uint32_t p = 0; p < n && !made && !node->dead; p++) {
            if (!node->op || node->n_out < 1 || node->out[0] == ESK_NONE)
                break;
            m.root = node;
            m.uses = r->uses;
            bool more = false; /* further outputs that somebody needs */
            for (uint32_t o = 1; o < node->n_out; o++)
                more |= node->out[o] != ESK_NONE && r->uses[node->out[o]];
            if (more || !esk_match_try(&m, patterns[p]->text))
                continue;
            ESK_TRY(apply(r, &m, patterns[p], at, &made));
        }
        if (made) /* the new ones may fit again */
            at += made + 1;
    }
    return ESK_OK;
}

esk_status esk_rewrite(struct esk_graph *graph, enum esk_phase phase,
                       const struct esk_compile_options *options, const bool *keep,
                       esk_error *error) {
    const struct esk_pattern *patterns[128];
    struct rewriter r = {.graph = graph,
                         .options = options,
                         .phase = phase,
                         .keep = keep,
                         .n_keep = graph->n_vars,
                         .error = error};
    uint32_t n = patterns_of(&r, patterns, 128);
    if (!n)
        return ESK_OK;
    if (!esk_grow((void **)&r.uses, &r.cap_uses, graph->n_vars + 64u, sizeof *r.uses))
        return esk_fail_memory(error, "uses of values");
    count(graph, keep, r.uses);
    esk_status status = ESK_OK;
    do {
        r.changed = false;
        status = rewrite(&r, patterns, n);
    } while (status == ESK_OK && r.changed);
    esk_free(r.uses);
    return status;
}
