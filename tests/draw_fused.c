/* Families of random rows: quantized operators, attention, and the fused operators of
 * com.microsoft. In: numbers. Out: text. */
#include "draw_parts.h"

#include <string.h>

static const char *ms = "domain=com.microsoft";

/* ---- quantized ---- */

static void scale(struct draw *d) {
    say(d, "float[]!=0.0%d", from_to(d, 1, 9));
}

static void quantize(struct draw *d) {
    struct dims s = some_dims(d, 2, 4), t;
    int axis = below(d, s.rank), block = from_to(d, 2, 5);
    const char *type = PICK(d, "uint8", "int8", "int16", "uint16");

    switch (below(d, 4)) {
    case 0: /* along an axis */
        say(d, "QuantizeLinear(");
        shape(d, PICK(d, "float", "float", "float16"), &s);
        say(d, ", float[%d]!=0.02,0.05,0.01, %s[%d]!=3,7,1) axis=%d range=-3,3 atol=1",
            s.d[axis], type, s.d[axis], axis);
        break;
    case 1:
        say(d, "DequantizeLinear(");
        shape(d, type, &s);
        say(d, ", float[%d]!=0.02,0.05,0.01, %s[%d]!=3,7,1) axis=%d range=0,100",
            s.d[axis], type, s.d[axis], axis - s.rank);
        break;
    case 2: /* blocks */
        t = s;
        t.d[axis] = (s.d[axis] + block - 1) / block;
        say(d, "DequantizeLinear(");
        shape(d, type, &s);
        say(d, ", ");
        shape(d, "float", &t);
        if (one_in(d, 2)) {
            say(d, ", ");
            shape(d, type, &t);
        }
        say(d, ") axis=%d block_size=%d range=0,100", axis, block);
        break;
    default:
        say(d, "DynamicQuantizeLinear(");
        shape(d, "float", &s);
        say(d, ") out=3 range=%d,%d atol=1", -below(d, 3), from_to(d, 1, 4));
    }
}

static void quantized_conv(struct draw *d) {
    int g = one_in(d, 3) ? from_to(d, 2, 3) : 1, ic = g * from_to(d, 1, 9),
        k = from_to(d, 1, 3);
    int oc = g * from_to(d, 1, 9), h = k + below(d, 9), w = k + below(d, 9);
    const char *x = PICK(d, "uint8", "int8"), *t = PICK(d, "int8", "uint8");

    if (one_in(d, 2)) {
        say(d, "ConvInteger(%s[1,%d,%d,%d], %s[%d,%d,%d,%d]!, %s[]!=%d, %s[]!=%d)",
            "uint8", ic, h, w, t, oc, ic / g, k, k, "uint8", below(d, 9), t, below(d, 3));
        say(d, " group=%d pads=%d,%d,%d,%d strides=%d,1", g, below(d, k), below(d, k),
            below(d, k), below(d, k), from_to(d, 1, 2));
        return;
    }
    say(d, "QLinearConv(%s[1,%d,%d,%d], ", x, ic, h, w);
    scale(d);
    say(d, ", %s[]!=%d, int8[%d,%d,%d,%d]!, ", x, below(d, 9), oc, ic / g, k, k);
    if (one_in(d, 2))
        say(d, "float[]!=0.03, int8[]!=0, ");
    else
        say(d, "float[%d]!=0.03,0.01,0.05, int8[%d]!=0, ", oc, oc);
    say(d, "float[]!=0.%d, %s[]!=%d", from_to(d, 1, 4), x, below(d, 9));
    if (one_in(d, 2))
        say(d, ", int32[%d]!", oc);
    say(d, ") group=%d pads=%d,%d,%d,%d range=-20,20 atol=1", g, below(d, k), below(d, k),
        below(d, k), below(d, k));
}

static void quantized_product(struct draw *d) {
    int m = from_to(d, 1, 9), k = 1 + extent(d), n = from_to(d, 1, 20);
    const char *a = PICK(d, "uint8", "int8"), *b = PICK(d, "int8", "uint8");

    switch (below(d, 6)) {
    case 0:
        say(d,
            "QLinearMatMul(%s[%d,%d], float[]!=0.02, %s[]!=%d, %s[%d,%d]!, "
            "float[]!=0.03, "
            "%s[]!=%d, float[]!=0.05, %s[]!=%d) atol=1",
            a, m, k, a, below(d, 9), b, k, n, b, below(d, 3), a, below(d, 9));
        break;
    case 1:
        say(d, "MatMulInteger(%s[2,%d,%d], %s[%d,%d]%s, %s[]!=%d, %s[]!=%d)", a, m, k, b,
            k, n, one_in(d, 2) ? "!" : "", a, below(d, 9), b, below(d, 3));
        break;
    case 2:
        say(d,
            "MatMulIntegerToFloat(%s[%d,%d], %s[%d,%d]!, float[]!=0.02, float[%d]!, "
            "%s[]!=%d, "
            "%s[%d]!, float[%d]!) %s atol=1e-4",
            "uint8", m, k, b, k, n, n, "uint8", below(d, 9), b, n, n, ms);
        break;
    case 3:
        say(d,
            "DynamicQuantizeMatMul(float[%d,%d], %s[%d,%d]!, float[%d]!=0.01,0.02, "
            "%s[%d]!, "
            "float[%d]!) %s atol=0.05",
            m, k, b, k, n, n, b, n, n, ms);
        break;
    case 4:
        say(d,
            "QGemm(%s[%d,%d], float[]!=0.02, %s[]!=%d, %s[%d,%d]!, float[]!=0.1, "
            "%s[]!=%d, "
            "int32[%d]!, float[]!=0.05, %s[]!=%d) %s transB=1 alpha=%s atol=1",
            "uint8", m, k, "uint8", below(d, 9), b, n, k, b, below(d, 3), n, "uint8",
            below(d, 9), ms, PICK(d, "1.0", "0.5"));
        break;
    default: {
        int block = one_in(d, 2) ? 16 : 32, bits = one_in(d, 3) ? 8 : 4;
        int blocks = (k + block - 1) / block, bytes = (blocks * bits + 7) / 8;
        const char *type = ONE(d, draw_floats);
        say(d, "MatMulNBits(%s[%d,%d], uint8[%d,%d,%d]!, %s[%d]!, ", type, m, k, n,
            blocks, block * bits / 8, type, n * blocks);
        if (one_in(d, 2))
            say(d, "uint8[%d]!", n * bytes);
        else
            say(d, "_");
        if (one_in(d, 2))
            say(d, ", _, %s[%d]!", type, n);
        say(d, ") %s K=%d N=%d bits=%d block_size=%d rtol=%s atol=1e-3 range=%s", ms, k,
            n, bits, block, strcmp(type, "float") ? "2e-2" : "1e-3", "0,200");
    }
    }
}

static void quantized_line(struct draw *d) {
    struct dims s = some_dims(d, 2, 4), t = narrower(d, &s);
    const char *type = PICK(d, "uint8", "int8");

    switch (below(d, 6)) {
    case 0:
        say(d, "%s(", PICK(d, "QLinearAdd", "QLinearMul"));
        shape(d, type, &s);
        say(d, ", float[]!=0.1, %s[]!=%d, ", type, below(d, 9));
        shape(d, type, &t);
        say(d, ", float[]!=0.2, %s[]!=%d, float[]!=0.1, %s[]!=%d)", type, below(d, 9),
            type, below(d, 9));
        break;
    case 1:
        say(d, "QLinearSigmoid(");
        shape(d, type, &s);
        say(d, ", float[]!=0.1, %s[]!=%d, float[]!=0.01, %s[]!=%d)", type, below(d, 9),
            type, below(d, 9));
        break;
    case 2:
        say(d, "QLinearLeakyRelu(");
        shape(d, type, &s);
        say(d, ", float[]!=0.1, %s[]!=%d, float[]!=0.1, %s[]!=%d) alpha=0.2", type,
            below(d, 9), type, below(d, 9));
        break;
    case 3:
        say(d,
            "QLinearGlobalAveragePool(%s[2,%d,%d,%d], float[]!=0.1, %s[]!=%d, "
            "float[]!=0.05, "
            "%s[]!=%d) channels_last=%d",
            type, from_to(d, 1, 9), from_to(d, 1, 9), from_to(d, 1, 9), type, below(d, 9),
            type, below(d, 9), below(d, 2));
        break;
    case 4:
        say(d,
            "QLinearAveragePool(uint8[1,%d,8,%d], float[]!=0.1, uint8[]!=1, "
            "float[]!=0.05, "
            "uint8[]!=2) kernel_shape=%d,2 ceil_mode=%d",
            from_to(d, 1, 9), from_to(d, 2, 9), from_to(d, 1, 3), below(d, 2));
        break;
    default:
        say(d, "QLinearSoftmax(");
        shape(d, type, &s);
        say(d, ", float[]!=0.05, %s[]!=3, float[]!=0.004, %s[]!=0) opset=13 axis=%d",
            type, type, below(d, s.rank));
    }
    say(d, " %s atol=1 range=%d,100", ms, *type == 'u' ? 0 : -100);
}

/* ---- attention ---- */

struct heads {
    int b, h, kv, s, t, past, dim, v;
};

static struct heads heads_of(struct draw *d) {
    struct heads a = {
        .b = from_to(d, 1, 2), .kv = from_to(d, 1, 3), .s = from_to(d, 1, 7)};

    a.h = a.kv * from_to(d, 1, 3);
    a.t = one_in(d, 2) ? a.s : from_to(d, 1, 9);
    a.past = one_in(d, 2) ? from_to(d, 1, 6) : 0;
    a.dim = one_in(d, 3) ? 16 : 2 * from_to(d, 1, 9);
    a.v = one_in(d, 3) ? from_to(d, 1, 12) : a.dim;
    return a;
}

static void attention(struct draw *d) {
    struct heads a = heads_of(d);
    const char *type = ONE(d, draw_floats);
    bool flat = one_in(d, 2);

    if (flat)
        say(d, "Attention(%s[%d,%d,%d], %s[%d,%d,%d], %s[%d,%d,%d], ", type, a.b, a.s,
            a.h * a.dim, type, a.b, a.t, a.kv * a.dim, type, a.b, a.t, a.kv * a.v);
    else
        say(d, "Attention(%s[%d,%d,%d,%d], %s[%d,%d,%d,%d], %s[%d,%d,%d,%d], ", type, a.b,
            a.h, a.s, a.dim, type, a.b, a.kv, a.t, a.dim, type, a.b, a.kv, a.t, a.v);
    switch (below(d, 4)) {
    case 0:
        say(d, "%s[%d,%d]", type, a.s, a.t + a.past);
        break;
    case 1:
        say(d, "%s[%d,1,%d,%d]", type, a.b, a.s, a.t + a.past);
        break;
    default:
        say(d, "_");
    }
    if (a.past)
        say(d, ", %s[%d,%d,%d,%d], %s[%d,%d,%d,%d]", type, a.b, a.kv, a.past, a.dim, type,
            a.b, a.kv, a.past, a.v);
    say(d, ") is_causal=%d opset=23", below(d, 2));
    if (flat)
        say(d, " q_num_heads=%d kv_num_heads=%d", a.h, a.kv);
    if (one_in(d, 4))
        say(d, " softcap=%d.0", from_to(d, 1, 3));
    if (one_in(d, 4))
        say(d, " scale=0.%d", from_to(d, 1, 9));
    if (a.past)
        say(d, " out=3");
    say(d, " %s", *type == 'f' && type[5] ? "rtol=2e-2 atol=1e-2" : "atol=1e-4");
}

static void multi_head(struct draw *d) {
    struct heads a = heads_of(d);
    const char *type = ONE(d, draw_floats);

    a.h = a.kv;
    say(d, "MultiHeadAttention(%s[%d,%d,%d], %s[%d,%d,%d], %s[%d,%d,%d], ", type, a.b,
        a.s, a.h * a.dim, type, a.b, a.t, a.h * a.dim, type, a.b, a.t, a.h * a.v);
    if (one_in(d, 2))
        say(d, "%s[%d], ", type, 2 * a.h * a.dim + a.h * a.v);
    else
        say(d, "_, ");
    if (one_in(d, 3) && !a.past)
        say(d, "int32[%d]=%d,%d, ", a.b, a.t, from_to(d, 1, a.t));
    else
        say(d, "_, ");
    if (one_in(d, 2))
        say(d, "%s[%d,%d,%d,%d]", type, one_in(d, 2) ? 1 : a.b, one_in(d, 2) ? 1 : a.h,
            a.s, a.t + a.past);
    else
        say(d, "_");
    if (a.past)
        say(d, ", %s[%d,%d,%d,%d], %s[%d,%d,%d,%d]", type, a.b, a.h, a.past, a.dim, type,
            a.b, a.h, a.past, a.v);
    say(d, ") %s num_heads=%d unidirectional=%d", ms, a.h, a.s == a.t && one_in(d, 2));
    if (one_in(d, 4))
        say(d, " scale=0.%d", from_to(d, 1, 9));
    if (a.past)
        say(d, " out=3");
    say(d, " %s", type[5] ? "rtol=2e-2 atol=1e-2" : "atol=1e-4");
}

static void group_query(struct draw *d) {
    struct heads a = heads_of(d);
    const char *type = ONE(d, draw_floats);
    bool rotary = one_in(d, 2), packed = one_in(d, 4), first = a.past == 0;
    int total, room, sink = below(d, 5);

    if (rotary)
        a.dim = 16 * from_to(d, 1, 2);
    else
        a.dim = 8 * from_to(d, 1, 3);
    if (!first && !one_in(d, 3))
        a.s = 1;
    total = a.s + a.past;
    room = one_in(d, 3) ? total + below(d, 4) : a.past;
    if (packed)
        say(d, "GroupQueryAttention(%s[%d,%d,%d], _, _", type, a.b, a.s,
            (a.h + 2 * a.kv) * a.dim);
    else
        say(d, "GroupQueryAttention(%s[%d,%d,%d], %s[%d,%d,%d], %s[%d,%d,%d]", type, a.b,
            a.s, a.h * a.dim, type, a.b, a.s, a.kv * a.dim, type, a.b, a.s, a.kv * a.dim);
    if (!first)
        say(d, ", %s[%d,%d,%d,%d], %s[%d,%d,%d,%d]", type, a.b, a.kv, room, a.dim, type,
            a.b, a.kv, room, a.dim);
    else
        say(d, ", _, _");
    if (!first && a.s == 1 && one_in(d, 2)) /* batches of different lengths */
        say(d, ", int32[%d]%s=%d,%d,%d, int32[]!=%d", a.b, one_in(d, 2) ? "!" : "",
            below(d, total), below(d, total), total - 1, total);
    else
        say(d, ", int32[%d]%s=%d, int32[]!=%d", a.b, one_in(d, 2) ? "!" : "", total - 1,
            total);
    if (rotary)
        say(d, ", %s[%d,%d]!, %s[%d,%d]!", type, total + 4, a.dim / 2, type, total + 4,
            a.dim / 2);
    else if (sink < 2)
        say(d, ", _, _");
    if (sink < 2) {
        say(d, ", _, ");
        if (one_in(d, 2))
            say(d, "%s[%d,%d,%d,%d]", type, one_in(d, 2) ? 1 : a.b,
                one_in(d, 2) ? 1 : a.h, a.s, total);
        else
            say(d, "_");
        if (sink)
            say(d, ", %s[%d]%s", type, a.h, one_in(d, 2) ? "!" : "");
    }
    say(d, ") %s num_heads=%d kv_num_heads=%d out=3", ms, a.h, a.kv);
    if (rotary)
        say(d, " do_rotary=1 rotary_interleaved=%d", below(d, 2));
    if (one_in(d, 4))
        say(d, " local_window_size=%d", from_to(d, 1, 5));
    if (one_in(d, 4))
        say(d, " softcap=%d.0", from_to(d, 1, 3));
    if (sink == 2)
        say(d, " smooth_softmax=1");
    say(d, " %s", type[5] ? "rtol=2e-2 atol=1e-2" : "atol=1e-4");
}

static void packed_attention(struct draw *d) {
    struct heads a = heads_of(d);
    int in = from_to(d, 1, 20);
    const char *type = ONE(d, draw_floats);

    say(d, "Attention(%s[%d,%d,%d], %s[%d,%d]!, %s[%d]!", type, a.b, a.s, in, type, in,
        3 * a.h * a.dim, type, 3 * a.h * a.dim);
    switch (below(d, 4)) {
    case 0:
        say(d, ", int32[%d]=%d,%d", a.b, a.s, from_to(d, 1, a.s));
        break;
    case 1:
        say(d, ", int32[%d,%d]=1,1,1,0", a.b, a.s);
        break;
    default:
        break;
    }
    say(d, ") %s num_heads=%d unidirectional=%d range=-0.5,0.5 %s", ms, a.h, below(d, 2),
        type[5] ? "rtol=2e-2 atol=1e-2" : "atol=1e-4");
}

static void rotary(struct draw *d) {
    struct heads a = heads_of(d);
    const char *type = ONE(d, draw_floats);
    int most = a.s + from_to(d, 0, 4);

    a.dim = 2 * from_to(d, 1, 9);
    if (one_in(d, 2)) {
        say(d,
            "RotaryEmbedding(%s[%d,%d,%d,%d], %s[%d,%d], %s[%d,%d], int64[%d,%d]=", type,
            a.b, a.h, a.s, a.dim, type, most, a.dim / 2, type, most, a.dim / 2, a.b, a.s);
        for (int i = 0; i < 3; i++)
            say(d, "%s%d", i ? "," : "", below(d, most));
        say(d, ") interleaved=%d opset=23", below(d, 2));
        return;
    }
    say(d,
        "RotaryEmbedding(%s[%d,%d,%d], int64[1]=%d, %s[%d,%d], %s[%d,%d]) %s "
        "interleaved=%d",
        type, a.b, a.s, a.dim * a.h, most - a.s, type, most, a.dim / 2, type, most,
        a.dim / 2, ms, below(d, 2));
    say(d, " num_heads=%d", 0 * a.h);
}

/* ---- fused ---- */

static void fused(struct draw *d) {
    const char *type = ONE(d, draw_floats);
    int b = from_to(d, 1, 2), s = from_to(d, 1, 7), h = 1 + extent(d), n = 1 + extent(d);

    switch (below(d, 9)) {
    case 0: {
        bool plain = one_in(d, 2);
        say(d, "%s(%s[%d,%d,%d], %s[%d,%d,%d], %s[%d]",
            plain ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization", type,
            b, s, h, type, one_in(d, 4) ? 1 : b, s, h, type, h);
        if (!plain && one_in(d, 2))
            say(d, ", %s[%d]", type, h);
        else if (!plain)
            say(d, ", _");
        if (one_in(d, 2))
            say(d, ", %s[%d]", type, h);
        say(d, ") epsilon=1e-3");
        break;
    }
    case 1:
        say(d, "BiasGelu(%s[%d,%d,%d], %s[%d])", type, b, s, h, type, h);
        break;
    case 2:
        say(d, "FastGelu(%s[%d,%d,%d]", type, b, s, h);
        if (one_in(d, 2))
            say(d, ", %s[%d]", type, h);
        say(d, ")");
        break;
    case 3:
        say(d, "QuickGelu(%s[%d,%d,%d]) alpha=1.%d", type, b, s, h, below(d, 9));
        break;
    case 4: {
        int a = below(d, 2), t = below(d, 2);
        say(d, "FusedMatMul(%s[%d,%d,%d], %s[%d,%d,%d]) transA=%d transB=%d alpha=%d.5",
            type, b, a ? h : s, a ? s : h, type, b, t ? n : h, t ? h : n, a, t,
            below(d, 2));
        break;
    }
    case 5:
        say(d, "FusedGemm(float[%d,%d], float[%d,%d]!, float[%d]) activation=\"%s\"", s,
            h, h, n, n, PICK(d, "Relu", "Sigmoid", "Tanh"));
        break;
    case 6: {
        int k = from_to(d, 1, 3), oc = from_to(d, 1, 9), at = s + k;
        say(d, "FusedConv(float[1,%d,%d,%d], float[%d,%d,%d,%d]!, float[%d]!", b, at, at,
            oc, b, k, k, oc);
        if (one_in(d, 2))
            say(d, ", float[1,%d,%d,%d]", oc, at - k + 1, at - k + 1);
        say(d, ") activation=\"%s\"", PICK(d, "Relu", "Sigmoid", "Tanh"));
        break;
    }
    case 7:
        say(d,
            "EmbedLayerNormalization(int32[%d,%d]=1,3,0, int32[%d,%d]=0,1,1, "
            "float[9,%d]!, "
            "float[9,%d]!, float[2,%d]!, float[%d]!, float[%d]!",
            b, s, b, s, h, h, h, h, h);
        if (one_in(d, 2))
            say(d, ", int32[%d,%d]=1,1,1,0,1", b, s);
        say(d, ") out=2 epsilon=1e-3");
        break;
    default:
        say(d, "%s(%s[%d,%d,%d])", "Gelu", type, b, s, h);
    }
    say(d, " %s %s", ms, type[5] ? "rtol=2e-2 atol=1e-2" : "atol=1e-4");
}

draw_family *const draw_fused[] = {
    quantize,       quantized_conv, quantized_product, quantized_product,
    quantized_line, attention,      attention,         multi_head,
    group_query,    group_query,    packed_attention,  rotary,
    fused,          fused};
const int draw_fused_count = sizeof draw_fused / sizeof *draw_fused;
