/* Random rows: a table of families, each a function that says one node. */
#include "draw.h"

#include "draw_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct draw *d) {
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int below(struct draw *d, int n) {
    return (int)(next(d) % (uint64_t)n);
}

int from_to(struct draw *d, int low, int high) {
    return low + below(d, high - low + 1);
}

bool one_in(struct draw *d, int n) {
    return below(d, n) == 0;
}

void say(struct draw *d, const char *format, ...) {
    va_list args;

    va_start(args, format);
    int n = vsnprintf(d->text + d->used, d->size - d->used, format, args);
    va_end(args);
    d->used += n > 0 && d->used + (size_t)n < d->size ? (size_t)n : 0;
}

const char *pick(struct draw *d, const char *const *list, size_t n) {
    return list[below(d, (int)n)];
}

int extent(struct draw *d) {
    int r = below(d, 40);

    return r == 0 ? 0 : r < 4 ? 1 : r < 30 ? from_to(d, 2, 9) : from_to(d, 10, 70);
}

struct dims dims_of(struct draw *d, int low, int high) {
    struct dims s = {.rank = from_to(d, low, high)};
    int count = 1;

    for (int i = s.rank - 1; i >= 0; i--) {
        s.d[i] = extent(d);
        if (count * s.d[i] > MOST_ELEMENTS)
            s.d[i] = from_to(d, 1, 3);
        count *= s.d[i] ? s.d[i] : 1;
    }
    return s;
}

struct dims some_dims(struct draw *d, int low, int high) {
    struct dims s = dims_of(d, low, high);

    for (int i = 0; i < s.rank; i++)
        s.d[i] += s.d[i] == 0;
    return s;
}

int64_t elements(const struct dims *s) {
    int64_t count = 1;

    for (int i = 0; i < s->rank; i++)
        count *= s->d[i];
    return count;
}

void items(struct draw *d, int n, const int *values) {
    for (int i = 0; i < n; i++)
        say(d, "%s%d", i ? "," : "", values[i]);
}

void shape(struct draw *d, const char *type, const struct dims *s) {
    say(d, "%s[", type);
    items(d, s->rank, s->d);
    say(d, "]");
}

struct dims narrower(struct draw *d, const struct dims *s) {
    struct dims t = *s;

    while (t.rank && one_in(d, 3)) {
        memmove(t.d, t.d + 1, (size_t)(t.rank - 1) * sizeof(int));
        t.rank--;
    }
    for (int i = 0; i < t.rank; i++)
        if (one_in(d, 3))
            t.d[i] = 1;
    return t;
}

const char *const draw_floats[4] = {"float", "float", "float", "float16"};
const char *const draw_numbers[10] = {"float",  "float16", "int32", "int64", "uint32",
                                      "uint64", "int8",    "uint8", "int16", "uint16"};
const char *const draw_any[9] = {"float", "float", "float16", "int32", "int64",
                                 "uint8", "int8",  "bool",    "uint32"};

void tail(struct draw *d, bool is_float) {
    if (!is_float || !one_in(d, 3))
        return;
    say(d, " | %s",
        PICK(d, "Relu()", "Sigmoid()", "Tanh()", "HardSwish()", "LeakyRelu() alpha=0.2",
             "Clip($, float[]!=-0.3, float[]!=0.4)", "Mul($, float[]!=0.7)", "Neg()",
             "Elu()"));
}

static void unary(struct draw *d) {
    static const char *const ops[] = {"Abs",       "Atan",        "Ceil",
                                      "Cos",       "Cosh",        "Elu",
                                      "Erf",       "Exp",         "Floor",
                                      "Gelu",      "HardSigmoid", "HardSwish",
                                      "LeakyRelu", "Mish",        "Neg",
                                      "Relu",      "Round",       "Selu",
                                      "Sigmoid",   "Sign",        "Sin",
                                      "Sinh",      "Softplus",    "Softsign",
                                      "Tanh",      "Celu",        "ThresholdedRelu",
                                      "Asinh",     "Shrink",      "Identity",
                                      "IsNaN"};
    struct dims s = dims_of(d, 0, 6);

    say(d, "%s(", ONE(d, ops));
    shape(d, ONE(d, draw_floats), &s);
    say(d, ") range=-%d,%d", from_to(d, 1, 6), from_to(d, 1, 6));
}

static void unary_int(struct draw *d) {
    struct dims s = dims_of(d, 0, 5);

    say(d, "%s(", PICK(d, "Abs", "Neg", "Sign", "Relu", "BitwiseNot", "Identity"));
    shape(d, PICK(d, "int32", "int64", "int8", "int16"), &s);
    say(d, ")");
}

static void binary(struct draw *d) {
    struct dims s = dims_of(d, 0, 6), t = narrower(d, &s);
    bool is_float = !one_in(d, 3), swap = one_in(d, 2);
    const char *type = is_float ? ONE(d, draw_floats) : ONE(d, draw_numbers);

    say(d, "%s(",
        PICK(d, "Add", "Sub", "Mul", "Min", "Max", "Add", "Mul", "Equal", "Greater",
             "LessOrEqual"));
    shape(d, type, swap ? &t : &s);
    say(d, ", ");
    shape(d, type, swap ? &s : &t);
    say(d, "%s)", one_in(d, 3) ? "!" : "");
}

static void divide(struct draw *d) {
    struct dims s = dims_of(d, 0, 5), t = narrower(d, &s);

    if (one_in(d, 2)) {
        const char *type = ONE(d, draw_floats);
        say(d, "%s(", PICK(d, "Div", "Pow"));
        shape(d, type, &s);
        say(d, ", %s[]!=%d.5) range=0.5,3", type, from_to(d, 0, 3));
        return;
    }
    const char *type = PICK(d, "int32", "int64", "uint8", "uint32", "int8");
    say(d, "%s(", PICK(d, "Div", "Mod"));
    shape(d, type, &s);
    say(d, ", ");
    shape(d, type, &t);
    say(d, "=%d,%d,%d)", from_to(d, 1, 9), from_to(d, 1, 4), from_to(d, 2, 60));
}

static void logic(struct draw *d) {
    struct dims s = dims_of(d, 0, 5), t = narrower(d, &s);
    bool bits = one_in(d, 2);
    const char *type = bits ? PICK(d, "int32", "uint8", "int64", "uint32") : "bool";

    say(d, "%s(",
        bits ? PICK(d, "BitwiseAnd", "BitwiseOr", "BitwiseXor")
             : PICK(d, "And", "Or", "Xor"));
    shape(d, type, &s);
    say(d, ", ");
    shape(d, type, &t);
    say(d, ")");
}

static void where(struct draw *d) {
    struct dims s = dims_of(d, 0, 5), t = narrower(d, &s), c = narrower(d, &s);
    const char *type = ONE(d, draw_any);

    say(d, "Where(");
    shape(d, "bool", &c);
    say(d, ", ");
    shape(d, type, &s);
    say(d, ", ");
    shape(d, type, &t);
    say(d, ")");
}

static void cast(struct draw *d) {
    static const int to[] = {1, 10, 6, 7, 2, 3, 9, 12, 13, 5, 4};
    struct dims s = dims_of(d, 0, 5);

    say(d, "Cast(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ") to=%d", to[below(d, (int)(sizeof to / sizeof *to))]);
}

static void clip(struct draw *d) {
    struct dims s = dims_of(d, 0, 5);
    const char *type = PICK(d, "float", "float16", "int32", "int8", "uint8", "int64");

    say(d, "Clip(");
    shape(d, type, &s);
    if (one_in(d, 3))
        say(d, ", _");
    else
        say(d, ", %s[]!=%d", type, 1);
    say(d, ", %s[]!=%d)", type, from_to(d, 2, 3));
}

static void reduce(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);
    bool all = one_in(d, 4), is_float = !one_in(d, 4);

    say(d, "%s(",
        is_float
            ? PICK(d, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1",
                   "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd")
            : PICK(d, "ReduceSum", "ReduceMax", "ReduceMin"));
    shape(d, is_float ? ONE(d, draw_floats) : PICK(d, "int32", "int64"), &s);
    if (!all) {
        int axis = below(d, s.rank), other = below(d, s.rank);
        if (axis == other || one_in(d, 2))
            say(d, ", int64[1]!=%d", one_in(d, 2) ? axis - s.rank : axis);
        else
            say(d, ", int64[2]!=%d,%d", axis, other);
    }
    say(d, ") keepdims=%d opset=18 range=%s atol=1e-4", below(d, 2),
        is_float ? "-1.2,1.2" : "-4,4");
}

static void arg(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);

    say(d, "%s(", PICK(d, "ArgMax", "ArgMin"));
    shape(d, PICK(d, "float", "int32", "float16", "uint8"), &s);
    say(d, ") axis=%d keepdims=%d select_last_index=%d", from_to(d, -s.rank, s.rank - 1),
        below(d, 2), below(d, 2));
}

static void line(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);
    int axis = from_to(d, -s.rank, s.rank - 1);

    if (one_in(d, 4)) {
        say(d, "CumSum(");
        shape(d, PICK(d, "float", "int32", "int64"), &s);
        say(d, ", int32[]!=%d) exclusive=%d reverse=%d atol=1e-4", axis, below(d, 2),
            below(d, 2));
        return;
    }
    say(d, "%s(", PICK(d, "Softmax", "LogSoftmax", "Hardmax", "Softmax"));
    shape(d, ONE(d, draw_floats), &s);
    say(d, ") axis=%d opset=%d range=-3,3", axis, one_in(d, 5) ? 11 : 13);
}

static void top(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    int axis = below(d, s.rank);

    say(d, "TopK(");
    shape(d, PICK(d, "float", "int32", "float16"), &s);
    say(d, ", int64[1]!=%d) axis=%d largest=%d out=2", from_to(d, 1, s.d[axis]), axis,
        below(d, 2));
}

static void concat(struct draw *d) {
    struct dims s = dims_of(d, 1, 5);
    int axis = below(d, s.rank), n = from_to(d, 1, 4);
    const char *type = ONE(d, draw_any);

    say(d, "Concat(");
    for (int i = 0; i < n; i++) {
        say(d, "%s", i ? ", " : "");
        shape(d, type, &s);
        s.d[axis] = extent(d) % 9;
    }
    say(d, ") axis=%d", one_in(d, 2) ? axis : axis - s.rank);
}

static void split(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);
    int axis = below(d, s.rank), a = below(d, s.d[axis] + 1);

    say(d, "Split(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[2]!=%d,%d) axis=%d out=2", a, s.d[axis] - a, axis);
}

static void slice(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);
    int axis = below(d, s.rank), step = from_to(d, -3, 3);

    step += step == 0;
    say(d, "Slice(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[1]!=%d, int64[1]!=%d, int64[1]!=%d, int64[1]!=%d)",
        from_to(d, -s.d[axis], s.d[axis]), from_to(d, -80, 80), axis, step);
}

static void permute(struct draw *d) {
    struct dims s = dims_of(d, 2, 6);
    int order[MOST_RANK];

    for (int i = 0; i < s.rank; i++) {
        int j = below(d, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    say(d, "Transpose(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ") perm=");
    for (int i = 0; i < s.rank; i++)
        say(d, "%s%d", i ? "," : "", order[i]);
}

static void reshape(struct draw *d) {
    struct dims s = some_dims(d, 2, 5);

    say(d, "Reshape(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[2]!=%d,-1)", s.d[below(d, s.rank)]);
}

static void expand(struct draw *d) {
    struct dims s = some_dims(d, 1, 4), t = narrower(d, &s);

    if (one_in(d, 2)) {
        say(d, "Tile(");
        shape(d, ONE(d, draw_any), &t);
        say(d, ", int64[%d]!=%d,%d)", t.rank, from_to(d, 1, 3), from_to(d, 0, 2));
        return;
    }
    say(d, "Expand(");
    shape(d, ONE(d, draw_any), &t);
    say(d, ", int64[%d]!=", s.rank);
    for (int i = 0; i < s.rank; i++)
        say(d, "%s%d", i ? "," : "", s.d[i]);
    say(d, ")");
}

static void pad(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    const char *mode = PICK(d, "constant", "edge", "reflect", "wrap"),
               *type = ONE(d, draw_any);

    for (int i = 0; i < s.rank; i++)
        s.d[i] = s.d[i] < 4 ? 4 : s.d[i];
    if (s.rank == 4)
        s.d[0] = 2 + 2;
    say(d, "Pad(");
    shape(d, type, &s);
    say(d, ", int64[%d]!=", 2 * s.rank);
    for (int i = 0; i < 2 * s.rank; i++)
        say(d, "%s%d", i ? "," : "", from_to(d, *mode == 'c' ? -1 : 0, 3));
    say(d, ") mode=\"%s\" opset=19", mode);
}

static void gather(struct draw *d) {
    struct dims s = some_dims(d, 1, 4), t = dims_of(d, 0, 2);
    int axis = below(d, s.rank);
    const char *type = ONE(d, draw_any);

    if (one_in(d, 2)) {
        say(d, "Gather(");
        shape(d, type, &s);
        say(d, ", ");
        shape(d, PICK(d, "int64", "int32"), &t);
        say(d, "=%d,%d,%d) axis=%d", below(d, s.d[axis]), -1 - below(d, s.d[axis]),
            below(d, s.d[axis]), axis);
        return;
    }
    t = s;
    if (one_in(d, 2)) { /* each place once: one update along the axis */
        t.d[axis] = 1;
        say(d, "ScatterElements(");
        shape(d, type, &s);
        say(d, ", ");
        shape(d, "int64", &t);
        say(d, "=%d, ", below(d, s.d[axis]));
        shape(d, type, &t);
        say(d, ") axis=%d", axis);
        return;
    }
    t.d[axis] = from_to(d, 1, 6);
    say(d, "GatherElements(");
    shape(d, type, &s);
    say(d, ", ");
    shape(d, "int64", &t);
    say(d, "=%d,%d,%d) axis=%d", below(d, s.d[axis]), below(d, s.d[axis]),
        -1 - below(d, s.d[axis]), axis);
}

static void matmul(struct draw *d) {
    int m = 1 + extent(d), n = 1 + extent(d), k = 1 + extent(d), batch = below(d, 3);
    const char *type = ONE(d, draw_floats), *constant = one_in(d, 2) ? "!" : "";

    if (one_in(d, 3)) {
        int a = below(d, 2), b = below(d, 2);
        say(d, "Gemm(%s[%d,%d], %s[%d,%d]%s", type, a ? k : m, a ? m : k, type, b ? n : k,
            b ? k : n, constant);
        if (one_in(d, 2))
            say(d, ", %s[%d]", type, one_in(d, 3) ? 1 : n);
        say(d, ") transA=%d transB=%d alpha=%d.5 beta=%d.5", a, b, below(d, 2),
            below(d, 2));
    } else if (batch == 0) {
        say(d, "MatMul(%s[%d,%d], %s[%d,%d]%s)", type, m, k, type, k, n, constant);
    } else {
        int outer = from_to(d, 1, 4);
        say(d, "MatMul(%s[%d,%d,%d,%d], %s[", type, from_to(d, 1, 3), outer, m % 20 + 1,
            k, type);
        say(d, one_in(d, 2) ? "%d," : "1,", outer);
        say(d, "%d,%d]%s)", k, n, constant);
    }
    say(d, " atol=1e-4");
    if (!strcmp(type, "float"))
        tail(d, true);
}

static void convolution(struct draw *d) {
    int rank = one_in(d, 6)   ? 1
               : one_in(d, 8) ? 3
                              : 2,
        groups = one_in(d, 3) ? from_to(d, 2, 4) : 1;
    int per = one_in(d, 3) ? from_to(d, 1, 40) : from_to(d, 1, 9);
    int out = one_in(d, 3) ? from_to(d, 1, 40) : from_to(d, 1, 9);
    bool transposed = one_in(d, 5), same = one_in(d, 2);
    int kernel = from_to(d, 1, 4), stride = from_to(d, 1, 3), dilation = from_to(d, 1, 2);
    const char *type = ONE(d, draw_floats);

    if (one_in(d, 4)) /* depthwise */
        groups = from_to(d, 2, 36), per = 1, out = 1;
    if (one_in(d, 3))
        kernel = 3, stride = 1, dilation = 1;
    if (kernel == 1)
        dilation = 1;
    int least = dilation * (kernel - 1) + 1;
    say(d, "%s(%s[%d,%d", transposed ? "ConvTranspose" : "Conv", type, from_to(d, 1, 2),
        groups * per);
    for (int i = 0; i < rank; i++)
        say(d, ",%d", least + below(d, rank == 3 ? 5 : rank == 1 ? 60 : 17));
    say(d, "], %s[%d,%d", type, groups * (transposed ? per : out),
        transposed ? out : per);
    for (int i = 0; i < rank; i++)
        say(d, ",%d", kernel);
    say(d, "]%s", one_in(d, 6) ? "" : "!");
    if (one_in(d, 2))
        say(d, ", %s[%d]!", type, groups * out);
    say(d, ") group=%d atol=1e-4 strides=[", groups);
    for (int i = 0; i < rank; i++)
        say(d, "%s%d", i ? "," : "", stride);
    say(d, "] dilations=[");
    for (int i = 0; i < rank; i++)
        say(d, "%s%d", i ? "," : "", dilation);
    say(d, "]");
    if (same && !transposed)
        say(d, " auto_pad=\"%s\"", PICK(d, "SAME_UPPER", "SAME_LOWER", "VALID"));
    else {
        int most = transposed ? 0 : kernel - 1;
        say(d, " pads=[");
        for (int i = 0; i < 2 * rank; i++)
            say(d, "%s%d", i ? "," : "", below(d, most + 1));
        say(d, "]");
    }
    if (!strcmp(type, "float"))
        tail(d, true);
}

static void pool(struct draw *d) {
    int rank = one_in(d, 6) ? 1 : one_in(d, 8) ? 3 : 2, kernel = from_to(d, 1, 4);
    bool average = one_in(d, 2);

    if (one_in(d, 4)) {
        say(d, "%s(%s[%d,%d,%d,%d])", PICK(d, "GlobalAveragePool", "GlobalMaxPool"),
            ONE(d, draw_floats), from_to(d, 1, 3), from_to(d, 1, 20), from_to(d, 1, 12),
            from_to(d, 1, 12));
        return;
    }
    say(d, "%s(%s[%d,%d", average ? "AveragePool" : "MaxPool", ONE(d, draw_floats),
        from_to(d, 1, 2), from_to(d, 1, 17));
    for (int i = 0; i < rank; i++)
        say(d, ",%d", kernel + below(d, 12));
    say(d, "]) kernel_shape=[");
    for (int i = 0; i < rank; i++)
        say(d, "%s%d", i ? "," : "", kernel);
    say(d, "] strides=[");
    int stride = from_to(d, 1, 3);
    for (int i = 0; i < rank; i++)
        say(d, "%s%d", i ? "," : "", stride);
    say(d, "] pads=[");
    for (int i = 0; i < 2 * rank; i++)
        say(d, "%s%d", i ? "," : "", below(d, kernel));
    say(d, "] ceil_mode=%d", below(d, 2));
    if (average)
        say(d, " count_include_pad=%d opset=19", below(d, 2));
}

static void normalize(struct draw *d) {
    const char *type = ONE(d, draw_floats);
    int n = from_to(d, 1, 3), c = from_to(d, 1, 18), h = from_to(d, 1, 12),
        w = from_to(d, 1, 12);

    switch (below(d, 5)) {
    case 0:
        say(d,
            "BatchNormalization(%s[%d,%d,%d,%d], %s[%d]!, %s[%d]!, %s[%d]!, "
            "%s[%d]!=0.5,1.5)",
            type, n, c, h, w, type, c, type, c, type, c, type, c);
        break;
    case 1:
        say(d, "InstanceNormalization(%s[%d,%d,%d,%d], %s[%d], %s[%d])", type, n, c, h, w,
            type, c, type, c);
        break;
    case 2:
        say(d, "LayerNormalization(%s[%d,%d,%d], %s[%d]!, %s[%d]!) axis=-1", type, n, h,
            c * w, type, c * w, type, c * w);
        break;
    case 3:
        say(d,
            "GroupNormalization(%s[%d,%d,%d,%d], %s[%d], %s[%d]) num_groups=2 opset=21",
            type, n, 2 * c, h, w, type, 2 * c, type, 2 * c);
        break;
    default:
        say(d, "RMSNormalization(%s[%d,%d,%d], %s[%d]) opset=23", type, n, h, c * w, type,
            c * w);
    }
    say(d, " rtol=%s", strcmp(type, "float") ? "2e-2 atol=1e-2" : "1e-3 atol=1e-4");
}

static void resize(struct draw *d) {
    const char *mode = PICK(d, "nearest", "linear", "cubic");
    int n = from_to(d, 1, 2), c = from_to(d, 1, 9), h = from_to(d, 2, 12),
        w = from_to(d, 2, 12);

    say(d, "Resize(%s[%d,%d,%d,%d], _, _, int64[4]!=%d,%d,%d,%d) mode=\"%s\"",
        ONE(d, draw_floats), n, c, h, w, n, c, from_to(d, 1, 30), from_to(d, 1, 30),
        mode);
    say(d, " coordinate_transformation_mode=\"%s\" opset=19 atol=1e-4",
        PICK(d, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"));
    if (*mode == 'n')
        say(d, " nearest_mode=\"%s\"", PICK(d, "floor", "round_prefer_floor", "ceil"));
    else if (one_in(d, 3))
        say(d, " antialias=1");
}

static void space(struct draw *d) {
    int b = from_to(d, 2, 3);

    if (one_in(d, 2))
        say(d, "DepthToSpace(%s[%d,%d,%d,%d]) blocksize=%d mode=\"%s\"", ONE(d, draw_any),
            from_to(d, 1, 2), b * b * from_to(d, 1, 3), from_to(d, 1, 7),
            from_to(d, 1, 7), b, PICK(d, "DCR", "CRD"));
    else
        say(d, "SpaceToDepth(%s[%d,%d,%d,%d]) blocksize=%d", ONE(d, draw_any),
            from_to(d, 1, 2), from_to(d, 1, 5), b * from_to(d, 1, 5),
            b * from_to(d, 1, 5), b);
}

static void recurrent(struct draw *d) {
    int t = from_to(d, 1, 6), b = from_to(d, 1, 2), in = from_to(d, 1, 20),
        h = from_to(d, 1, 20);
    int gates = 4, both = from_to(d, 1, 2);
    const char *op = PICK(d, "LSTM", "GRU", "RNN");

    gates = *op == 'L' ? 4 : *op == 'G' ? 3 : 1;
    say(d, "%s(float[%d,%d,%d], float[%d,%d,%d]!, float[%d,%d,%d]!", op, t, b, in, both,
        gates * h, in, both, gates * h, h);
    if (one_in(d, 2))
        say(d, ", float[%d,%d]!", both, 2 * gates * h);
    say(d, ") hidden_size=%d direction=\"%s\" out=2 atol=1e-4%s", h,
        both == 2 ? "bidirectional" : PICK(d, "forward", "reverse"),
        *op == 'G' && one_in(d, 2) ? " linear_before_reset=1" : "");
}

static void quantized(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    const char *type = PICK(d, "uint8", "int8");

    switch (below(d, 3)) {
    case 0:
        say(d, "QuantizeLinear(");
        shape(d, "float", &s);
        say(d, ", float[]!=0.02%d, %s[]!=%d) range=-3,3 atol=1", from_to(d, 1, 9), type,
            from_to(d, 0, 9));
        break;
    case 1:
        say(d, "DequantizeLinear(");
        shape(d, type, &s);
        say(d, ", float[]!=0.02%d, %s[]!=%d)", from_to(d, 1, 9), type, from_to(d, 0, 9));
        break;
    default:
        say(d, "MatMulInteger(%s[%d,%d], %s[%d,%d]!, %s[]!=%d)", "uint8",
            from_to(d, 1, 9), s.d[0], type, s.d[0], from_to(d, 1, 20), "uint8",
            from_to(d, 0, 9));
    }
}

static void misc(struct draw *d) {
    struct dims s = some_dims(d, 2, 4);

    switch (below(d, 6)) {
    case 0:
        say(d, "Trilu(");
        shape(d, ONE(d, draw_any), &s);
        say(d, ", int64[]!=%d) upper=%d", from_to(d, -3, 3), below(d, 2));
        break;
    case 1:
        say(d, "Einsum(float[%d,%d], float[%d,%d]) equation=\"%s\" atol=1e-4", s.d[0],
            s.d[1], s.d[1], s.d[0], PICK(d, "ij,jk->ik", "ij,ji->ij", "ij,jk->i"));
        break;
    case 2:
        say(d, "LRN(float[%d,%d,%d,%d]) size=%d", from_to(d, 1, 2), from_to(d, 1, 17),
            from_to(d, 1, 9), from_to(d, 1, 9), 1 + 2 * below(d, 3));
        break;
    case 3:
        say(d, "OneHot(int64[%d]=0,3,-1,5, int64[]!=%d, float[2]!=0.5,2) axis=%d", s.d[0],
            from_to(d, 6, 11), from_to(d, -2, 1));
        break;
    case 4:
        say(d,
            "GridSample(float[1,%d,%d,%d], float[1,%d,%d,2]) mode=\"%s\" "
            "padding_mode=\"%s\" "
            "align_corners=%d opset=20 range=-1.2,1.2 atol=1e-4",
            from_to(d, 1, 6), from_to(d, 2, 9), from_to(d, 2, 9), from_to(d, 1, 9),
            from_to(d, 1, 9), PICK(d, "linear", "cubic"),
            PICK(d, "zeros", "border", "reflection"), below(d, 2));
        break;
    default:
        say(d, "ReverseSequence(float[%d,%d,3], int64[%d]=1) time_axis=0 batch_axis=1",
            s.d[0], s.d[1], s.d[1]);
    }
}

void draw_row(uint64_t seed, char *text, size_t size) {
    static draw_family *const families[] = {
        unary,       unary_int,   binary, binary, divide,    logic,       where,
        cast,        clip,        reduce, reduce, arg,       line,        line,
        top,         concat,      split,  slice,  permute,   reshape,     expand,
        pad,         gather,      matmul, matmul, matmul,    convolution, convolution,
        convolution, convolution, pool,   pool,   normalize, resize,      space,
        recurrent,   quantized,   misc};
    struct draw d = {.state = seed, .text = text, .size = size};

    next(&d);
    *text = 0;
    const int n = (int)(sizeof(families) / sizeof(*families));
    int at = below(&d, n + draw_more_count + draw_fused_count);
    (at < n                     ? families[at]
     : at < n + draw_more_count ? draw_more[at - n]
                                : draw_fused[at - n - draw_more_count])(&d);
}
