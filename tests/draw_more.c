/* Families of random rows: edges of numbers, old forms of operators, reductions into
 * places, windows, signals and what draw.c has no room for. In: numbers. Out: text. */
#include "draw_parts.h"

#include <string.h>

/* ---- edges of numbers ---- */

static const char *const edges =
    "nan,inf,-inf,-0.0,0.0,1,-1,0.5,-0.5,1.5,2.5,-2.5,20,-20,3e4";

static void unary_edges(struct draw *d) {
    struct dims s = dims_of(d, 1, 3);

    say(d, "%s(",
        PICK(d, "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu",
             "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "IsInf", "IsNaN",
             "LeakyRelu", "Log", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
             "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu",
             "Cosh", "Sinh"));
    shape(d, PICK(d, "float", "float", "float16"), &s);
    say(d, "=%s)", edges);
}

static void binary_edges(struct draw *d) {
    struct dims s = {.rank = 2, .d = {15, 15}}, column = {.rank = 2, .d = {15, 1}};
    const char *type = PICK(d, "float", "float", "float16");

    say(d, "%s(",
        PICK(d, "Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Equal", "Greater",
             "Less", "GreaterOrEqual", "LessOrEqual", "PRelu", "Mean", "Sum"));
    shape(d, type, &s);
    say(d, "=%s, ", edges);
    shape(d, type, &column);
    say(d, "=%s)", edges);
}

static void reduce_edges(struct draw *d) {
    struct dims s = some_dims(d, 2, 3);
    bool line = one_in(d, 2);

    say(d, "%s(",
        line ? PICK(d, "Softmax", "LogSoftmax", "ArgMax", "ArgMin")
             : PICK(d, "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceMean",
                    "ReduceL1", "ReduceLogSumExp"));
    shape(d, PICK(d, "float", "float", "float16"), &s);
    say(d, "=1,2,%s,3,-2,%s,1,0.5%s", PICK(d, "inf", "nan", "-inf", "7"),
        PICK(d, "-inf", "9", "nan", "-0.0"), line ? ") axis=-1" : ", int64[1]!=-1)");
}

static void wrap(struct draw *d) {
    static const struct {
        const char *type, *values;
    } rows[] = {
        {"int8", "127,-128,-1,1,100,-100,64,2,0,3"},
        {"uint8", "255,128,1,100,0,254,2,16,3,5"},
        {"int16", "32767,-32768,-1,300,-300,181,2,0,1,7"},
        {"uint16", "65535,256,1,32768,0,300,2,3,7,9"},
        {"int32", "2147483647,-2147483648,-1,65536,-65536,46341,3,0,1,7"},
        {"uint32", "4294967295,65536,1,2147483648,0,65535,2,3,5,7"},
        {"int64",
         "9223372036854775807,-9223372036854775807,-1,4294967296,-4294967297,3,0,1,"
         "3037000500,9007199254740993"},
        {"uint64", "9223372036854775807,4294967296,1,4294967297,0,3,3037000500,5,7,"
                   "9007199254740993"},
    };
    int at = below(d, (int)(sizeof rows / sizeof *rows)), other = from_to(d, 1, 10);

    say(d, "%s(%s[10,10]=%s, %s[%d,1]=%s)",
        PICK(d, "Add", "Sub", "Mul", "Min", "Max", "Equal", "Greater", "LessOrEqual",
             "Mul", "Less"),
        rows[at].type, rows[at].values, rows[at].type, other == 10 ? 10 : 1,
        rows[at].values);
}

static void wrap_unary(struct draw *d) {
    int bits = below(d, 4);

    switch (below(d, 4)) {
    case 0:
        say(d, "%s(int8[7]=-128,127,0,-1,1,-127,5)",
            PICK(d, "Abs", "Neg", "Sign", "BitwiseNot"));
        break;
    case 1:
        say(d, "%s(int32[6]=-2147483648,2147483647,0,-1,1,7)",
            PICK(d, "Abs", "Neg", "Sign", "BitwiseNot", "Relu"));
        break;
    case 2:
        say(d,
            "%s(int64[6]=-9223372036854775807,9223372036854775807,0,-1,4294967296,-"
            "4294967296)",
            PICK(d, "Abs", "Neg", "Sign", "BitwiseNot"));
        break;
    default:
        say(d,
            "BitShift(uint%d[9]=250,3,17,255,0,9,128,64,1, uint%d[9]=1,2,7,3,5,4,1,0,5) "
            "direction=\"%s\"",
            8 << bits, 8 << bits, PICK(d, "LEFT", "RIGHT"));
    }
}

static void cast_edges(struct draw *d) {
    static const int to[] = {1, 10, 6, 7, 2, 3, 9, 12, 13, 5, 4, 11};
    int at = below(d, 12);

    switch (below(d, 4)) {
    case 0: /* no value out of range: ONNX leaves these open */
        say(d, "Cast(float[9]=0.5,1.5,2.5,-0.0,0.99999,100.7,1e-30,126.5,3)");
        break;
    case 1:
        say(d,
            "Cast(int32[9]=300,-300,70000,-70000,2147483647,-2147483648,16777217,-1,0)");
        if (to[at] == 10)
            at = 0;
        break;
    case 2:
        say(d, "Cast(int64[8]=4294967296,-4294967297,9007199254740993,-9007199254740993,"
               "9223372036854775807,-1,300,70000)");
        if (to[at] == 10)
            at = 0;
        break;
    default:
        say(d, "Cast(%s[7]=65504,1e-7,6.1e-5,2049,0.1,-0.33,1e-8)",
            PICK(d, "float", "float16"));
        if (to[at] != 1 && to[at] != 11)
            at = 1;
    }
    say(d, " to=%d", to[at]);
}

static void division(struct draw *d) {
    const char *type = PICK(d, "int8", "int16", "int32", "int64");
    bool fmod = one_in(d, 4);

    if (fmod) {
        type = PICK(d, "float", "float16");
        say(d,
            "Mod(%s[9]=7,-7,5.3,-5.3,0.5,-0.0,8,1,inf, "
            "%s[9]=3,3,-3,2.1,-2.1,5,inf,0.25,2) "
            "fmod=1 atol=1e-3",
            type, type);
    } else if (one_in(d, 3))
        say(d, "%s(%s[8]=200,7,255,1,0,100,99,13, %s[8]=3,2,7,255,9,10,100,13)",
            PICK(d, "Div", "Mod"), "uint8", "uint8");
    else
        say(d,
            "%s(%s[10]=7,-7,8,-8,127,-127,1,-1,0,100, %s[10]=2,2,-3,-3,5,-5,3,3,4,-7)%s",
            PICK(d, "Div", "Mod"), type, type, "");
    if (!fmod && one_in(d, 3) && strncmp(d->text, "Mod", 3) == 0)
        say(d, " fmod=1");
}

static void unary_more(struct draw *d) {
    static const struct {
        const char *op, *range;
    } rows[] = {
        {"Acos", "-0.99,0.99"},  {"Asin", "-0.99,0.99"},     {"Atanh", "-0.95,0.95"},
        {"Acosh", "1,9"},        {"Log", "0.01,9"},          {"Sqrt", "0,9"},
        {"Reciprocal", "0.3,5"}, {"Tan", "-1.3,1.3"},        {"Swish", "-6,6"},
        {"Elu", "-4,4"},         {"Gelu", "-5,5"},           {"HardSigmoid", "-4,4"},
        {"Celu", "-4,4"},        {"Selu", "-4,4"},           {"Shrink", "-2,2"},
        {"LeakyRelu", "-4,4"},   {"ThresholdedRelu", "-3,3"}};
    int at = below(d, (int)(sizeof rows / sizeof *rows));
    const char *op = rows[at].op;
    struct dims s = dims_of(d, 0, 5);

    say(d, "%s(", op);
    shape(d, ONE(d, draw_floats), &s);
    say(d, ") range=%s opset=24", rows[at].range);
    if (!strcmp(op, "Gelu"))
        say(d, " approximate=\"%s\"", PICK(d, "none", "tanh"));
    else if (!strcmp(op, "HardSigmoid"))
        say(d, " alpha=0.%d beta=0.%d", from_to(d, 1, 9), from_to(d, 1, 9));
    else if (!strcmp(op, "Shrink"))
        say(d, " lambd=0.%d bias=0.%d", from_to(d, 1, 9), below(d, 9));
    else if (!strcmp(op, "Selu"))
        say(d, " alpha=1.%d gamma=1.%d", below(d, 9), below(d, 9));
    else if (strstr("Elu Celu LeakyRelu ThresholdedRelu Swish", op))
        say(d, " alpha=%d.%d", below(d, 2), from_to(d, 1, 9));
}

static void variadic(struct draw *d) {
    struct dims s = dims_of(d, 0, 4), t;
    int n = from_to(d, 1, 5);
    const char *op = PICK(d, "Sum", "Mean", "Max", "Min");
    const char *type =
        *op == 'M' && op[2] != 'a' ? ONE(d, draw_numbers) : ONE(d, draw_floats);

    say(d, "%s(", op);
    for (int i = 0; i < n; i++) {
        t = i ? narrower(d, &s) : s;
        say(d, "%s", i ? ", " : "");
        shape(d, type, &t);
    }
    say(d, ")");
}

static void prelu(struct draw *d) {
    struct dims s = dims_of(d, 1, 4), t = narrower(d, &s);
    const char *type = ONE(d, draw_floats);

    say(d, "PRelu(");
    shape(d, type, &s);
    say(d, ", ");
    shape(d, type, &t);
    say(d, "%s)", one_in(d, 2) ? "!" : "");
}

/* ---- doubles and other types that only the CPU has ---- */

static void wide(struct draw *d) {
    struct dims s = dims_of(d, 1, 4), t = narrower(d, &s);

    switch (below(d, 4)) {
    case 0:
        say(d, "%s(", PICK(d, "Add", "Mul", "Div", "Max", "Less", "Pow"));
        shape(d, "double", &s);
        say(d, ", ");
        shape(d, "double", &t);
        say(d, ") range=0.5,3");
        break;
    case 1:
        say(d, "%s(",
            PICK(d, "Exp", "Sin", "Tanh", "Sqrt", "Sigmoid", "Erf", "Round", "Softplus"));
        shape(d, "double", &s);
        say(d, ") range=0.1,3");
        break;
    case 2:
        say(d, "%s(", PICK(d, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd"));
        shape(d, "double", &s);
        say(d, ", int64[1]!=%d) keepdims=%d opset=18", below(d, s.rank), below(d, 2));
        break;
    default:
        say(d, "MatMul(double[%d,7], double[7,%d])", from_to(d, 1, 9), from_to(d, 1, 9));
    }
}

/* ---- reductions ---- */

static void reduce_old(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    int axis = below(d, s.rank);

    say(d, "%s(",
        PICK(d, "ReduceMax", "ReduceMin", "ReduceMean", "ReduceL2", "ReduceLogSum",
             "ReduceProd"));
    shape(d, "float", &s);
    say(d, ") keepdims=%d opset=%s range=0.1,1.5 atol=1e-4", below(d, 2),
        PICK(d, "11", "13", "9"));
    if (!one_in(d, 4))
        say(d, " axes=[%d]", axis);
}

static void reduce_types(struct draw *d) {
    struct dims s = dims_of(d, 1, 4);
    const char *op = PICK(d, "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd",
                          "ReduceL1", "ReduceSumSquare", "ReduceMean");

    say(d, "%s(", op);
    shape(d,
          op[6] == 'M' && op[8] != 'a'
              ? PICK(d, "int8", "uint8", "bool", "int32", "int64")
              : PICK(d, "int32", "int64", "float"),
          &s);
    if (one_in(d, 3))
        say(d, ", int64[0]!=0) noop_with_empty_axes=%d", below(d, 2));
    else
        say(d, ", int64[1]!=%d)", below(d, s.rank));
    say(d, " keepdims=%d opset=20 range=-2,2 atol=1e-4", below(d, 2));
}

/* ---- places ---- */

static void places(struct draw *d, int n, int most) { /* of a line of `most` */
    for (int i = 0; i < n; i++)
        say(d, "%s%d", i ? "," : "", from_to(d, -most, most - 1));
}

static void scatter(struct draw *d) {
    struct dims s = some_dims(d, 1, 4), t = s;
    int axis = below(d, s.rank);
    const char *type = PICK(d, "float", "int32", "float16", "int64", "uint8");

    for (int i = 0; i < s.rank; i++)
        t.d[i] = i == axis ? from_to(d, 1, 9) : from_to(d, 1, s.d[i]);
    say(d, "ScatterElements(");
    shape(d, type, &s);
    say(d, ", ");
    shape(d, PICK(d, "int64", "int64", "int32"), &t);
    say(d, "=");
    places(d, from_to(d, 1, 12), s.d[axis]);
    say(d, ", ");
    shape(d, type, &t);
    say(d, ") axis=%d reduction=\"%s\" opset=18", one_in(d, 2) ? axis : axis - s.rank,
        PICK(d, "add", "mul", "max", "min"));
}

static void scatter_nd(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    int tuple = from_to(d, 1, s.rank), n = from_to(d, 1, 7);
    const char *type = PICK(d, "float", "int32", "float16", "int64", "uint8");
    bool once = one_in(d, 4);

    if (once)
        n = 1;
    say(d, "ScatterND(");
    shape(d, type, &s);
    say(d, ", int64[%d,%d]=", n, tuple);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < tuple; k++)
            say(d, "%s%d", i + k ? "," : "", from_to(d, -s.d[k], s.d[k] - 1));
    say(d, ", %s[%d", type, n);
    for (int k = tuple; k < s.rank; k++)
        say(d, ",%d", s.d[k]);
    say(d, "]) reduction=\"%s\" opset=18",
        once ? PICK(d, "none", "add") : PICK(d, "add", "mul", "max", "min"));
}

static void gather_nd(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    int batch = one_in(d, 2) ? 0 : below(d, s.rank),
        tuple = from_to(d, 1, s.rank - batch);
    int n = from_to(d, 1, 5);

    say(d, "GatherND(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[");
    items(d, batch, s.d);
    say(d, "%s%d,%d]=", batch ? "," : "", n, tuple);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < tuple; k++)
            say(d, "%s%d", i + k ? "," : "",
                from_to(d, -s.d[batch + k], s.d[batch + k] - 1));
    say(d, ") batch_dims=%d", batch);
}

/* ---- movement ---- */

static void slice_more(struct draw *d) {
    struct dims s = some_dims(d, 2, 5);
    const char *type = PICK(d, "int64", "int32");
    int starts[MOST_RANK], ends[MOST_RANK], axes[MOST_RANK], steps[MOST_RANK], n = 0;

    for (int i = 0; i < s.rank; i++)
        if (!one_in(d, 3)) {
            starts[n] = from_to(d, -s.d[i] - 2, s.d[i] + 2);
            ends[n] = one_in(d, 5) ? one_in(d, 2) ? 2147483647 : -2147483647
                                   : from_to(d, -s.d[i] - 2, s.d[i] + 2);
            axes[n] = one_in(d, 2) ? i : i - s.rank;
            steps[n] = from_to(d, 1, 3) * (one_in(d, 2) ? 1 : -1);
            n++;
        }
    if (!n)
        starts[0] = 0, ends[0] = 1, axes[0] = 0, steps[0] = 1, n = 1;
    say(d, "Slice(");
    shape(d, ONE(d, draw_any), &s);
    const int *lists[] = {starts, ends, axes, steps};
    for (int i = 0; i < 4; i++) {
        say(d, ", %s[%d]!=", type, n);
        items(d, n, lists[i]);
    }
    say(d, ")");
}

static void split_more(struct draw *d) {
    struct dims s = some_dims(d, 1, 4);
    int axis = below(d, s.rank), n = from_to(d, 1, 5);

    say(d, "Split(");
    s.d[axis] += n;
    shape(d, ONE(d, draw_any), &s);
    say(d, ") axis=%d num_outputs=%d out=%d opset=18", axis, n, n);
}

static void tile_more(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);

    for (int i = 0; i < s.rank; i++)
        s.d[i] = s.d[i] % 7 + 1;
    say(d, "Tile(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[%d]!=", s.rank);
    for (int i = 0; i < s.rank; i++)
        say(d, "%s%d", i ? "," : "", from_to(d, 1, 3));
    say(d, ")");
}

static void pad_more(struct draw *d) {
    struct dims s = some_dims(d, 2, 4);
    const char *type = PICK(d, "float", "int32", "uint8", "float16", "int64", "bool");
    int axis = below(d, s.rank), other = (axis + 1) % s.rank;

    say(d, "Pad(");
    shape(d, type, &s);
    say(d, ", int64[4]!=%d,%d,%d,%d, %s[]!=1, int64[2]!=%d,%d) opset=19",
        from_to(d, -1, 4), below(d, 3), below(d, 5), below(d, 3), type, axis,
        other - s.rank);
}

static void reshape_more(struct draw *d) {
    struct dims s = some_dims(d, 1, 5);
    int axis = from_to(d, -s.rank, s.rank);

    switch (below(d, 4)) {
    case 0:
        say(d, "Flatten(");
        shape(d, ONE(d, draw_any), &s);
        say(d, ") axis=%d", axis);
        return;
    case 1:
        say(d, "Unsqueeze(");
        shape(d, ONE(d, draw_any), &s);
        say(d, ", int64[2]!=%d,%d)", below(d, s.rank), -1);
        return;
    case 2:
        s.d[below(d, s.rank)] = 1;
        say(d, "Squeeze(");
        shape(d, ONE(d, draw_any), &s);
        say(d, ")");
        return;
    default:
        say(d, "Reshape(");
        shape(d, ONE(d, draw_any), &s);
        say(d, ", int64[%d]!=0,-1)", 2);
    }
}

static void crop(struct draw *d) {
    struct dims s = some_dims(d, 2, 4);
    int axis = below(d, s.rank);

    say(d, "CenterCropPad(");
    shape(d, ONE(d, draw_any), &s);
    say(d, ", int64[1]!=%d) axes=[%d] opset=18", from_to(d, 1, 12), axis);
}

static void old_forms(struct draw *d) {
    struct dims s = some_dims(d, 2, 4);
    int axis = below(d, s.rank);

    switch (below(d, 8)) {
    case 0:
        say(d, "Slice(");
        shape(d, "float", &s);
        say(d, ") axes=[%d] starts=[%d] ends=[%d] opset=9", axis, below(d, s.d[axis]),
            from_to(d, -1, 70));
        break;
    case 1:
        say(d, "Pad(");
        shape(d, "float", &s);
        say(d, ") pads=[");
        for (int i = 0; i < 2 * s.rank; i++)
            say(d, "%s%d", i ? "," : "", below(d, 3));
        say(d, "] value=%d.5 opset=9", below(d, 3));
        break;
    case 2:
        say(d, "Upsample(float[1,%d,%d,%d], float[4]!=1,1,%d,%s) mode=\"%s\" opset=9",
            from_to(d, 1, 5), from_to(d, 1, 7), from_to(d, 1, 7), from_to(d, 1, 3),
            PICK(d, "1", "2", "1.5", "2.5"), PICK(d, "nearest", "linear"));
        break;
    case 3:
        say(d, "Clip(");
        shape(d, "float", &s);
        say(d, ") min=-0.%d max=0.%d opset=6", below(d, 9), below(d, 9));
        break;
    case 4:
        say(d, "ReduceSum(");
        shape(d, "float", &s);
        say(d, ") axes=[%d] keepdims=%d opset=11 atol=1e-4", axis, below(d, 2));
        break;
    case 5:
        say(d, "TopK(");
        shape(d, "float", &s);
        say(d, ", int64[1]!=%d) axis=%d opset=10 out=2", from_to(d, 1, s.d[axis]), axis);
        break;
    case 6:
        say(d,
            "BatchNormalization(float[2,%d,%d], float[%d]!, float[%d]!, float[%d]!, "
            "float[%d]!=0.5,1.5) opset=%d epsilon=0.01",
            s.d[0], s.d[1], s.d[0], s.d[0], s.d[0], s.d[0], one_in(d, 2) ? 7 : 14);
        break;
    default:
        say(d, "Dropout(");
        shape(d, "float", &s);
        say(d, ") ratio=0.5 opset=10");
    }
}

/* ---- windows, images ---- */

static void pool_more(struct draw *d) {
    int kernel = from_to(d, 1, 4), stride = from_to(d, 1, 3), dilation = from_to(d, 1, 2);
    int c = from_to(d, 1, 9), least = dilation * (kernel - 1) + 1;
    int h = least + below(d, 12), w = least + below(d, 12);

    switch (below(d, 5)) {
    case 0:
        say(d,
            "MaxPool(%s[1,%d,%d,%d]) kernel_shape=[%d,%d] strides=[%d,%d] "
            "dilations=[%d,%d] "
            "out=2 storage_order=%d ceil_mode=%d",
            PICK(d, "float", "float16", "float"), c, h, w, kernel, kernel, stride, stride,
            dilation, dilation, one_in(d, 4), below(d, 2));
        break;
    case 1:
        say(d, "MaxPool(%s[1,%d,%d,%d]) kernel_shape=[%d,%d] strides=[%d,1]",
            PICK(d, "int8", "uint8", "float"), c, h, w, kernel, kernel, stride);
        break;
    case 2:
        say(d,
            "LpPool(float[2,%d,%d,%d]) kernel_shape=[%d,%d] strides=[%d,%d] p=%d "
            "opset=18 "
            "ceil_mode=%d dilations=[%d,%d]",
            c, h, w, kernel, kernel, stride, stride, from_to(d, 1, 3), below(d, 2),
            dilation, dilation);
        break;
    case 3:
        say(d,
            "AveragePool(float[1,%d,%d,%d]) kernel_shape=[%d,%d] strides=[%d,%d] "
            "dilations=[%d,%d] auto_pad=\"%s\" opset=19 count_include_pad=%d",
            c, h, w, kernel, kernel, stride, stride, dilation, dilation,
            PICK(d, "SAME_UPPER", "SAME_LOWER", "VALID"), below(d, 2));
        break;
    default:
        say(d, "GlobalLpPool(float[2,%d,%d,%d]) p=%d", c, h, w, from_to(d, 1, 3));
    }
}

static void norm_more(struct draw *d) {
    struct dims s = some_dims(d, 3, 4);

    switch (below(d, 5)) {
    case 0:
        say(d, "LpNormalization(");
        shape(d, "float", &s);
        say(d, ") axis=%d p=%d", from_to(d, -s.rank, s.rank - 1), from_to(d, 1, 2));
        break;
    case 1:
        say(d, "MeanVarianceNormalization(");
        s.rank = 4, s.d[3] = from_to(d, 2, 9), s.d[2] = s.d[2] % 20 + 1;
        shape(d, "float", &s);
        say(d, ") axes=[%s] atol=1e-3", PICK(d, "0,2,3", "2,3", "3", "1,2,3"));
        break;
    case 2: {
        int axis = below(d, s.rank);
        struct dims t = {.rank = s.rank - axis};
        memcpy(t.d, s.d + axis, sizeof(int) * (size_t)t.rank);
        const char *op = PICK(d, "LayerNormalization", "RMSNormalization");
        say(d, "%s(", op);
        shape(d, "float", &s);
        say(d, ", ");
        shape(d, "float", &t);
        if (*op == 'L' && one_in(d, 2)) {
            say(d, ", ");
            shape(d, "float", &t);
        }
        say(d, ") axis=%d opset=23 atol=1e-3", one_in(d, 2) ? axis : axis - s.rank);
        break;
    }
    case 3:
        say(d,
            "GroupNormalization(float[1,%d,%d,3], float[3], float[3]) num_groups=3 "
            "opset=18 "
            "atol=1e-3",
            3 * from_to(d, 1, 4), s.d[0]);
        break;
    default:
        say(d, "LRN(float[1,%d,%d]) size=%d alpha=0.0%d beta=0.%d bias=1.%d", s.d[0],
            s.d[1], from_to(d, 1, 6), from_to(d, 1, 9), from_to(d, 1, 9), below(d, 9));
    }
}

static void resize_more(struct draw *d) {
    const char *mode = PICK(d, "nearest", "linear", "cubic");
    int h = from_to(d, 2, 9), w = from_to(d, 2, 9), c = from_to(d, 1, 6);
    bool nearest = *mode == 'n', linear = *mode == 'l';

    switch (below(d, 4)) {
    case 0:
        say(d, "Resize(float[1,%d,%d,%d], _, float[4]!=1,1,%s,%s) mode=\"%s\"", c, h, w,
            PICK(d, "2", "0.5", "1.3", "3", "0.7"), PICK(d, "2", "0.5", "1.6", "0.4"),
            mode);
        break;
    case 1:
        say(d,
            "Resize(float[1,%d,%d,%d], _, _, int64[2]!=%d,%d) mode=\"%s\" axes=[2,3] "
            "keep_aspect_ratio_policy=\"%s\"",
            c, h, w, from_to(d, 1, 16), from_to(d, 1, 16), mode,
            PICK(d, "stretch", "not_larger", "not_smaller"));
        break;
    case 2:
        if (nearest || linear)
            say(d, "Resize(float[%d,%d,%d], _, float[3]!=%s,%s,2) mode=\"%s\"", c, h, w,
                PICK(d, "1", "2"), PICK(d, "1", "2", "1.5"), mode);
        else
            say(d, "Resize(float[%d,%d], _, float[2]!=%s,1.7) mode=\"%s\"", h, w,
                PICK(d, "1.2", "2"), mode);
        break;
    default:
        say(d,
            "Resize(float[1,%d,%d,%d], float[8]!=0,0,0.11,0.23,1,1,0.83,0.%d, _, "
            "int64[4]!=1,%d,%d,%d) mode=\"%s\" "
            "coordinate_transformation_mode=\"tf_crop_and_resize\" "
            "extrapolation_value=%d.5 "
            "opset=19 atol=1e-4",
            c, h, w, from_to(d, 6, 9), c, from_to(d, 2, 9), from_to(d, 2, 9), mode,
            below(d, 9));
        return;
    }
    say(d, " coordinate_transformation_mode=\"%s\" opset=19 atol=1e-4",
        PICK(d, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
             "half_pixel_symmetric"));
    if (nearest)
        say(d, " nearest_mode=\"%s\"",
            PICK(d, "floor", "round_prefer_floor", "ceil", "round_prefer_ceil"));
    else if (!linear) {
        say(d, " cubic_coeff_a=-0.%s", PICK(d, "5", "75"));
        if (one_in(d, 2))
            say(d, " exclude_outside=1");
    }
}

static void images(struct draw *d) {
    int c = from_to(d, 1, 5), h = from_to(d, 2, 8), w = from_to(d, 2, 8);

    switch (below(d, 6)) {
    case 0:
        say(d,
            "GridSample(float[2,%d,%d,%d,%d], float[2,2,%d,3,3]) mode=\"%s\" "
            "padding_mode=\"%s\" align_corners=%d opset=20 range=-1.2,1.2 atol=1e-4",
            c, from_to(d, 2, 5), h, w, from_to(d, 1, 5), PICK(d, "linear", "nearest"),
            PICK(d, "zeros", "border", "reflection"), below(d, 2));
        break;
    case 1:
        say(d, "AffineGrid(float[2,2,3], int64[4]!=2,1,%d,%d) align_corners=%d opset=20",
            h, w, below(d, 2));
        break;
    case 2:
        say(d,
            "RoiAlign(float[2,%d,%d,%d], float[3,4]=0,0,3,3,1,1.5,5,4,-1,0.2,2.5,9, "
            "int64[3]=0,1,0) mode=\"%s\" output_height=%d output_width=%d "
            "sampling_ratio=%d "
            "spatial_scale=%s coordinate_transformation_mode=\"%s\" opset=16 atol=1e-4",
            c, h, w, PICK(d, "avg", "max"), from_to(d, 1, 4), from_to(d, 1, 4),
            below(d, 4), PICK(d, "1.0", "0.5", "0.8"),
            PICK(d, "half_pixel", "output_half_pixel"));
        break;
    case 3: {
        int k = from_to(d, 1, 3), s = from_to(d, 1, 2);
        h += k, w += k;
        say(d,
            "Col2Im(float[2,%d,%d], int64[2]!=%d,%d, int64[2]!=%d,%d) strides=[%d,%d] "
            "opset=18",
            c * k * k, ((h - k) / s + 1) * ((w - k) / s + 1), h, w, k, k, s, s);
        break;
    }
    case 4: {
        int k = from_to(d, 1, 3), g = from_to(d, 1, 2), oh = h, ow = w;
        h += k - 1, w += k - 1;
        say(d, "DeformConv(float[1,%d,%d,%d], float[%d,%d,%d,%d], float[1,%d,%d,%d]",
            2 * g, h, w, 3 * g, 2, k, k, g * 2 * k * k, oh, ow);
        if (one_in(d, 2))
            say(d, ", float[%d], float[1,%d,%d,%d]", 3 * g, g * k * k, oh, ow);
        say(d, ") group=%d offset_group=%d opset=19 atol=1e-4", g, g);
        break;
    }
    default:
        say(d, "Det(float[%d,%d,%d]) atol=1e-3", c, h % 5 + 1, h % 5 + 1);
    }
}

static void signal(struct draw *d) {
    int n = from_to(d, 1, 40), b = from_to(d, 1, 3);

    switch (below(d, 5)) {
    case 0:
        say(d, "DFT(float[%d,%d,%d], _, int64[]!=1) inverse=%d opset=20 atol=1e-3", b, n,
            from_to(d, 1, 2), below(d, 2));
        break;
    case 1:
        say(d,
            "DFT(float[%d,%d,1], int64[]!=%d, int64[]!=1) onesided=%d opset=20 atol=1e-3",
            b, n, from_to(d, 1, 40), below(d, 2));
        break;
    case 2:
        say(d,
            "STFT(float[%d,%d,1], int64[]!=%d, float[%d]!) onesided=%d opset=17 "
            "atol=1e-3",
            b, 40 + n, from_to(d, 1, 9), 16, below(d, 2));
        break;
    case 3:
        say(d, "%s(int64[]!=%d) periodic=%d opset=17",
            PICK(d, "HannWindow", "HammingWindow", "BlackmanWindow"), n, below(d, 2));
        break;
    default:
        say(d, "%s(float[%d,%d], int64[]!=%d) exclusive=%d reverse=%d opset=26 atol=1e-4",
            PICK(d, "CumSum", "CumProd"), b, n, one_in(d, 2) ? 1 : -2, below(d, 2),
            below(d, 2));
    }
}

static void recurrent_more(struct draw *d) {
    int t = from_to(d, 1, 6), b = from_to(d, 1, 3), in = from_to(d, 1, 12),
        h = from_to(d, 1, 9);
    const char *op = PICK(d, "LSTM", "GRU", "RNN");
    int gates = *op == 'L' ? 4 : *op == 'G' ? 3 : 1, both = from_to(d, 1, 2);
    bool turned = one_in(d, 4), free_initial = one_in(d, 2);

    say(d, "%s(float[%d,%d,%d], float[%d,%d,%d]!, float[%d,%d,%d]!, ", op, turned ? b : t,
        turned ? t : b, in, both, gates * h, in, both, gates * h, h);
    if (one_in(d, 2))
        say(d, "float[%d,%d]!, ", both, 2 * gates * h);
    else
        say(d, "_, ");
    if (one_in(d, 2)) {
        say(d, "int32[%d]=", b);
        for (int i = 0; i < b; i++)
            say(d, "%s%d", i ? "," : "", from_to(d, 1, t));
    } else
        say(d, "_");
    if (free_initial) {
        say(d, ", float[%d,%d,%d]", turned ? b : both, turned ? both : b, h);
        if (*op == 'L') {
            say(d, ", float[%d,%d,%d]", turned ? b : both, turned ? both : b, h);
            if (one_in(d, 2))
                say(d, ", float[%d,%d]!", both, 3 * h);
        }
    }
    say(d, ") hidden_size=%d direction=\"%s\" out=%d atol=1e-4", h,
        both == 2 ? "bidirectional" : PICK(d, "forward", "reverse"), *op == 'L' ? 3 : 2);
    if (turned)
        say(d, " layout=1");
    if (one_in(d, 4))
        say(d, " clip=0.5");
    if (*op == 'L' && one_in(d, 4))
        say(d, " input_forget=1");
    if (*op == 'G')
        say(d, " linear_before_reset=%d", below(d, 2));
}

static void products(struct draw *d) {
    struct dims s = some_dims(d, 3, 3);
    int a = s.d[0] % 9 + 1, b = s.d[1] % 9 + 1, c = s.d[2] % 9 + 1;

    switch (below(d, 5)) {
    case 0:
        say(d, "Einsum(float[%d,%d,%d], float[%d,%d,%d]) equation=\"%s\" atol=1e-4", a, b,
            c, a, b, c,
            PICK(d, "abc,abc->ab", "abc,abc->", "abc,abc->cba", "abc,abc->b",
                 "abc,dbc->ad"));
        break;
    case 1:
        say(d, "Einsum(float[2,%d,%d,%d], float[2,%d,%d,%d]) equation=\"%s\" atol=1e-4",
            a, b, c, a, b, c,
            PICK(d, "bhqd,bhkd->bhqk", "...ij,...ij->...i", "bqhd,bkhd->bhqk",
                 "abij,abkj"));
        break;
    case 2:
        say(d, "MatMul(float[%d], float[%d,%d,%d]) atol=1e-4", b, a, b, c);
        break;
    case 3:
        say(d, "MatMul(float[%d,1,%d,%d], float[%d,%d,%d]) atol=1e-4", a, b, c, 3, c, a);
        break;
    default: {
        const char *type = PICK(d, "int32", "int64", "uint32", "uint64");
        say(d, "MatMul(%s[%d,%d], %s[%d])", type, a, b, type, b);
    }
    }
}

static void choices(struct draw *d) {
    struct dims s = some_dims(d, 1, 3);

    switch (below(d, 6)) {
    case 0:
        say(d, "NonZero(");
        shape(d, PICK(d, "float", "int32", "bool", "int64"), &s);
        say(d, ")");
        break;
    case 1:
        say(d, "Unique(");
        shape(d, PICK(d, "float", "int64"), &s);
        say(d, "=3,1,2,1,3,7,2) sorted=%d out=4", below(d, 2));
        break;
    case 2:
        say(d, "Compress(");
        shape(d, "float", &s);
        say(d, ", bool[%d]=1,0,1) axis=%d", s.d[0], 0);
        break;
    case 3:
        say(d, "OneHot(%s[%d]=0,3,-1,5,2, %s[]!=7, %s[2]!=2,3) axis=%d",
            PICK(d, "int64", "int32", "float"), s.d[0], PICK(d, "int64", "int32"),
            PICK(d, "int64", "float", "int32"), from_to(d, -2, 1));
        break;
    case 4:
        say(d, "EyeLike(int32[%d,%d]) dtype=%d k=%d", s.d[0], from_to(d, 1, 9),
            one_in(d, 2) ? 1 : 7, from_to(d, -2, 2));
        break;
    default:
        say(d, "Range(%s[]!=%d, %s[]!=%d, %s[]!=%d)", "int64", from_to(d, -5, 5), "int64",
            from_to(d, -9, 70), "int64",
            one_in(d, 2) ? from_to(d, 1, 4) : -from_to(d, 1, 4));
    }
}

draw_family *const draw_more[] = {
    unary_edges,    binary_edges, reduce_edges, wrap,      wrap_unary, cast_edges,
    division,       unary_more,   variadic,     prelu,     wide,       reduce_old,
    reduce_types,   scatter,      scatter_nd,   gather_nd, slice_more, split_more,
    tile_more,      pad_more,     reshape_more, crop,      old_forms,  pool_more,
    norm_more,      resize_more,  resize_more,  images,    images,     signal,
    recurrent_more, products,     choices};
const int draw_more_count = sizeof draw_more / sizeof *draw_more;
