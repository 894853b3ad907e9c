/* The packed weights of convolutions: a form, or a kernel that packs them at run. In:
 * shapes and groups; out: a form. Must not know which kernel reads it. */
#include "recipes/conv_kernels.h"

#include "base/half.h"
#include "recipes/lanes.h"

/* Vec4s of output channels in a block: the padding is least, larger blocks first. */
static int64_t block_of(int64_t oc4) {
    int64_t best = 1;
    double least = 0, more = 1;
    for (int64_t b = 16; b >= 1; b /= 2, more *= 1.1) {
        /* each halving must win 10 % to make up for more loads a sum */
        double cost = (double)(esk_divide_up(oc4, b) * b) * more;
        if (least == 0 || cost < least)
            best = b, least = cost;
    }
    return best;
}

int64_t esk_conv_start(const struct esk_conv_form *f, int64_t oc4) {
    int64_t start = oc4 * 4 / f->ocg * f->icg / 4, last = f->ic4 - f->span;
    return last < 0 ? 0 : start < last ? start : last;
}

struct esk_conv_form esk_conv_form(int64_t oc, int64_t ic, int64_t group, int64_t rows,
                                   int64_t kw, uint32_t flags) {
    struct esk_conv_form f = {
        .oc = oc,
        .icg = ic / group,
        .ocg = oc / group,
        .ic4 = esk_divide_up(ic, 4),
        .oc4 = esk_divide_up(oc, 4),
        .rows = rows,
        .kw = kw,
        .transposed = flags & ESK_CONV_TRANSPOSED,
        .depthwise = flags & ESK_CONV_DEPTHWISE,
        .taps = rows * kw,
        .pitch = kw,
    };
    if (f.depthwise) {
        f.span = f.block = 1;
        f.blocks = f.oc4;
        return f;
    }
    f.span = 1;
    for (int64_t o = 0; o < f.oc4; o++) {
        int64_t last = o * 4 + 3 < oc ? o * 4 + 3 : oc - 1;
        int64_t from = o * 4 / f.ocg * f.icg / 4,
                to = ((last / f.ocg + 1) * f.icg - 1) / 4;
        if (to - from + 1 > f.span)
            f.span = to - from + 1;
    }
    if (flags & ESK_CONV_EVEN)
        f.span = esk_divide_up(f.span, 2) * 2;
    f.block = block_of(f.oc4);
    if (group > 1 && f.block > 8)
        f.block = 8;
    f.blocks = esk_divide_up(f.oc4, f.block);
    return f;
}

int64_t esk_conv_bias_at(const struct esk_conv_form *f) {
    return f->depthwise ? f->rows * f->kw * f->oc4
                        : f->blocks * f->rows * f->span * f->kw * 4 * f->block;
}

int64_t esk_conv_form_vec4s(const struct esk_conv_form *f) {
    return esk_conv_bias_at(f) + (f->depthwise ? f->oc4 : f->blocks * f->block);
}

enum {
    P_OC,
    P_ICG,
    P_OCG,
    P_IC4,
    P_OC4,
    P_ROWS,
    P_KW,
    P_SPAN,
    P_BLOCK,
    P_TAPS,
    P_TAP,
    P_PITCH,
    P_BLOCKS,
    P_FLAGS,
    P_COUNT
};

static float item(const struct esk_tensor *t, int64_t i) {
    return t->dtype == ESK_FLOAT16 ? esk_half_to_float(((const uint16_t *)t->data)[i])
                                   : ((const float *)t->data)[i];
}

/* Where packed items go: floats, or halves. */
static void put(void *out, bool half, int64_t i, float value) {
    if (half)
        ((uint16_t *)out)[i] = esk_float_to_half(value);
    else
        ((float *)out)[i] = value;
}

static void pack_depthwise(void *out, bool half, const struct esk_conv_form *f,
                           const struct esk_tensor *w) {
    int64_t at = 0;
    for (int64_t row = 0; row < f->rows; row++)
        for (int64_t kx = 0; kx < f->kw; kx++) {
            int64_t tap = f->tap + row * f->pitch + kx;
            for (int64_t c = 0; c < f->oc4 * 4; c++)
                put(out, half, at++, c < f->oc ? item(w, c * f->taps + tap) : 0.0f);
        }
}

/* The items of `vec4s` input vec4s from `first` on for output channel oc, `apart` from
 * each other, which go to `to` and on. */
static void pack_channel(void *out, bool half, const struct esk_conv_form *f,
                         const struct esk_tensor *w, int64_t oc, int64_t first,
                         int64_t vec4s, int64_t to, int64_t apart) {
    int64_t group = oc / f->ocg, start = esk_conv_start(f, oc / 4) * 4 - group * f->icg;
    int64_t channel =
        f->transposed ? group * f->icg * f->ocg + oc - group * f->ocg : oc * f->icg;
    int64_t step = f->transposed ? f->ocg * f->taps : f->taps; /* to the next input's */
    bool plain = !half && w->dtype == ESK_FLOAT;
    for (int64_t row = 0; row < f->rows; row++) {
        int64_t at = to + (row * f->span + first) * f->kw * 4 * apart;
        for (int64_t s = first; s < first + vec4s; s++)
            for (int64_t kx = 0; kx < f->kw; kx++, at += 4 * apart) {
                int64_t ic = start + s * 4; /* in its group */
                int64_t from =
                    channel * f->taps + ic * step + f->tap + row * f->pitch + kx;
                if (plain && ic >= 0 && ic + 4 <= f->icg) {
                    const float *items = (const float *)w->data + from;
                    float *place = (float *)out + at;
                    place[0] = items[0];
                    place[apart] = items[step];
                    place[2 * apart] = items[2 * step];
                    place[3 * apart] = items[3 * step];
                    continue;
                }
                for (int64_t q = 0; q < 4; q++)
                    if (ic + q >= 0 && ic + q < f->icg)
                        put(out, half, at + q * apart, item(w, from + q * step));
            }
    }
}

/* A few input vec4s at a time for a block of output channels, which lie between each
 * other there: what is written together stays in the first cache, and what is read are a
 * few lines of each channel. What pads is zero already. */
static void pack_blocks(void *out, bool half, const struct esk_conv_form *f,
                        const struct esk_tensor *w) {
    enum { TAPS = 16 }; /* and vec4s */
    int64_t channels = 4 * f->block, block = f->rows * f->kw * f->span * 4 * channels;
    int64_t each = esk_divide_up(TAPS, f->rows * f->kw);
    for (int64_t b = 0; b < f->blocks; b++)
        for (int64_t s = 0; s < f->span; s += each) {
            int64_t vec4s = f->span - s < each ? f->span - s : each;
            for (int64_t i = 0; i < channels && b * channels + i < f->oc; i++)
                pack_channel(out, half, f, w, b * channels + i, s, vec4s, b * block + i,
                             channels);
        }
}

enum { FLAG_TRANSPOSED = 1, FLAG_DEPTHWISE = 2, FLAG_HALF = 4 };

static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *params) {
    struct esk_conv_form f = {
        .oc = params[P_OC],
        .icg = params[P_ICG],
        .ocg = params[P_OCG],
        .ic4 = params[P_IC4],
        .oc4 = params[P_OC4],
        .rows = params[P_ROWS],
        .kw = params[P_KW],
        .span = params[P_SPAN],
        .block = params[P_BLOCK],
        .taps = params[P_TAPS],
        .tap = params[P_TAP],
        .pitch = params[P_PITCH],
        .blocks = params[P_BLOCKS],
        .transposed = params[P_FLAGS] & FLAG_TRANSPOSED,
        .depthwise = params[P_FLAGS] & FLAG_DEPTHWISE,
    };
    bool half = params[P_FLAGS] & FLAG_HALF;
    (void)bytes;
    if (f.depthwise)
        pack_depthwise(dst, half, &f, src[0]);
    else
        pack_blocks(dst, half, &f, src[0]);
    int64_t bias = esk_conv_bias_at(&f) * 4;
    for (int64_t i = 0; i < f.blocks * f.block * 4; i++)
        put(dst, half, bias + i, src[1] && i < f.oc ? item(src[1], i) : 0.0f);
}

struct esk_ref_to esk_conv_weights(struct esk_ctx *c, struct esk_recipe *r,
                                   const struct esk_conv_form *f, uint32_t w,
                                   uint32_t b) {
    bool has_bias = esk_in(c, b) != NULL;
    int64_t vec4s = esk_conv_form_vec4s(f);
    int64_t params[P_COUNT] = {
        [P_OC] = f->oc,
        [P_ICG] = f->icg,
        [P_OCG] = f->ocg,
        [P_IC4] = f->ic4,
        [P_OC4] = f->oc4,
        [P_ROWS] = f->rows,
        [P_KW] = f->kw,
        [P_SPAN] = f->span,
        [P_BLOCK] = f->block,
        [P_TAPS] = f->taps,
        [P_TAP] = f->tap,
        [P_PITCH] = f->pitch,
        [P_BLOCKS] = f->blocks,
        [P_FLAGS] =
            (f->transposed ? FLAG_TRANSPOSED : 0) | (f->depthwise ? FLAG_DEPTHWISE : 0),
    };
    if (esk_is_known(c, w) && (!has_bias || esk_is_known(c, b))) {
        esk_id src[2] = {esk_in_id(c, w), has_bias ? esk_in_id(c, b) : ESK_NONE};
        /* a software renderer reads floats faster than it unpacks halves */
        bool half = esk_in(c, w)->dtype == ESK_FLOAT16 && !c->limits->software;
        params[P_FLAGS] |= half ? FLAG_HALF : 0;
        return esk_recipe_form(
            r, "conv", pack, 2, src, P_COUNT, params, (size_t)vec4s * (half ? 8 : 16),
            half ? ESK_STORAGE_F16X2 : ESK_STORAGE_F32, half ? ESK_FLOAT16 : ESK_FLOAT);
    }
    struct esk_ref_to to = esk_recipe_scratch(r, (size_t)vec4s * 16, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "conv_pack");
    esk_kernel_in(c, r, k, "W", w, ESK_ELEMENT);
    if (has_bias) {
        esk_kernel_define(k, "BIAS", 1);
        esk_kernel_in(c, r, k, "B", b, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "Y", r, to, ESK_WRITE, ESK_VEC4);
    if (f->transposed)
        esk_kernel_define(k, "TRANSPOSED", 1);
    if (f->depthwise)
        esk_kernel_define(k, "DEPTHWISE", 1);
    static const char *const names[] = {"oc", "icg",  "ocg",   "ic4",  "oc4", "rows",
                                        "kw", "span", "block", "taps", "tap", "pitch"};
    for (int i = 0; i <= P_PITCH; i++)
        esk_kernel_int(k, names[i], params[i]);
    esk_kernel_int(k, "bias", esk_conv_bias_at(f));
    esk_kernel_int(k, "count", vec4s);
    esk_kernel_flat(k, c->limits, (uint64_t)vec4s);
    k->bytes = (double)vec4s * 32;
    return to;
}

/* Of groups of input and output vec4s: [groups][blocks][span][4][block], then the biases
 * [groups][blocks * block]. Each is `merged` of the convolution's groups. */
enum { G_GROUPS, G_MERGED, G_ICG, G_OCG, G_BLOCK, G_BLOCKS, G_HALF, G_COUNT };

static void pack_groups(void *dst, size_t bytes, const struct esk_tensor *const *src,
                        const int64_t *p) {
    int64_t channels =
        p[G_BLOCKS] * p[G_BLOCK] * 4; /* of a group, with what pads blocks */
    int64_t ic = p[G_ICG] * p[G_MERGED], oc = p[G_OCG] * p[G_MERGED];
    int64_t bias = p[G_GROUPS] * channels * ic;
    (void)bytes;
    for (int64_t g = 0; g < p[G_GROUPS]; g++)
        for (int64_t o = 0; o < oc; o++) {
            int64_t from = g * oc + o, lane = o / 4 % p[G_BLOCK] * 4 + o % 4;
            int64_t to =
                (g * p[G_BLOCKS] + o / 4 / p[G_BLOCK]) * p[G_BLOCK] * 4 * ic + lane;
            to += o / p[G_OCG] * p[G_ICG] * 4 * p[G_BLOCK];
            for (int64_t i = 0; i < p[G_ICG]; i++, to += 4 * p[G_BLOCK])
                put(dst, p[G_HALF], to, item(src[0], from * p[G_ICG] + i));
            if (src[1])
                put(dst, p[G_HALF], bias + g * channels + o, item(src[1], from));
        }
}

struct esk_ref_to esk_conv_group_weights(struct esk_ctx *c, struct esk_recipe *r,
                                         const struct esk_conv_form *f, int64_t groups,
                                         int64_t merged) {
    esk_id src[2] = {esk_in_id(c, 1), esk_in(c, 2) ? esk_in_id(c, 2) : ESK_NONE};
    bool half = esk_in(c, 1)->dtype == ESK_FLOAT16 && !c->limits->software;
    int64_t params[G_COUNT] = {
        [G_GROUPS] = groups,       [G_MERGED] = merged,  [G_ICG] = f->icg / merged,
        [G_OCG] = f->ocg / merged, [G_BLOCK] = f->block, [G_BLOCKS] = f->blocks,
        [G_HALF] = half,
    };
    int64_t vec4s = groups * f->blocks * f->block * (4 * f->span + 1);
    return esk_recipe_form(r, "conv_groups", pack_groups, 2, src, G_COUNT, params,
                           (size_t)vec4s * (half ? 8 : 16),
                           half ? ESK_STORAGE_F16X2 : ESK_STORAGE_F32,
                           half ? ESK_FLOAT16 : ESK_FLOAT);
}
