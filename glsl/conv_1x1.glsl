// Convolution with a kernel of one pixel, no pads, one group: a product of matrices.
// X: C4 vec4 [p_pixels, p_ic4]   W: the form of recipes/conv.h   Y: C4 vec4 [p_pixels, p_oc4]
// SIGNAL: X is dense and has one channel; a "pixel" is a window of 4 * p_ic4 elements in a
// row. 2: windows start at whole vec4s, w and sx count these; 1: X is read by elements; 0: C4.
// 3: X is dense and a "pixel" is a patch: p_line vec4s, p_gap further the next, p_lines of them,
// p_jump further those of the next channel; w, sx count vec4s, h the rows of all channels.
// SCALED: S: vec4 [p_ic4] multiplies each pixel first.
// GROUPED: p_ocg4 vec4s of outputs in p_blocks blocks see p_span of the inputs, the next so many
// the next; W has group after group.
// One invocation computes TILE pixels in a row and NV vec4s of channels, LO apart.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles.
// Defines: TILE (1, 4 or 14) NV (1 to 4); MASK: the last vec4 has pad channels; PUT_AT_ONCE (1);
// DEPTH: input vec4s a step (1, 2); STRIDED: pixels are not all of X's.
// Params: lo pixels ic4 span (ic4 rounded up, in the form) oc oc4 bias; STRIDED: w h ow oh sx sy.
#include "lib/lanes.glsl"
#include "lib/turns.glsl"

#if SIGNAL == 1
vec4 window(int i) {
    return vec4(LOAD_X(i), LOAD_X(i + 1), LOAD_X(i + 2), LOAD_X(i + 3));
}
#define INPUT(at, c) window((at) + 4 * (c))
#define PITCH 1
#else
#if SIGNAL == 3
#define INPUT(at, c) LOAD_X((at) + offset)
#else
#define INPUT(at, c) LOAD_X((at) + (c))
#endif
#if SIGNAL >= 2
#define PITCH 1
#else
#define PITCH ic4
#endif
#endif

#include "lib/fetch.glsl"
#include "lib/conv_put.glsl"

// Written out, because some compilers do not unroll loops as long as these.
#if TILE == 1
#define PIXELS(F) F(0)
#else
#define PIXELS_4(F, t) F(t) F(t + 1) F(t + 2) F(t + 3)
#if TILE == 4
#define PIXELS(F) PIXELS_4(F, 0)
#else
#define PIXELS(F) PIXELS_4(F, 0) PIXELS_4(F, 4) PIXELS_4(F, 8) F(12) F(13)
#endif
#endif

void main() {
    int lane = LANE, lo = LO;
#ifdef GROUPED
    int group = GROUP.x / p_blocks, steps = p_span, from = group * steps;
    int oc = (GROUP.x - group * p_blocks) * (lo * NV) + lane;
    int ocs = p_ocg4, to = group * ocs;
#else
    int steps = p_ic4, oc = GROUP.x * (lo * NV) + lane, ocs = p_oc4;
    const int from = 0, to = 0;
#endif
    int first = (GROUP.y * ACROSS + LANE_ACROSS) * TILE;
    int pixels = p_pixels, ic4 = p_ic4, oc4 = p_oc4;
    if (first >= pixels)
        return;
    int pixel[TILE];
#ifdef STRIDED
    int row = first / p_ow, x = first - row * p_ow, n = row / p_oh, y = row - n * p_oh;
    for (int t = 0; t < TILE; t++) {
        pixel[t] = ((n * p_h + y * p_sy) * p_w + x * p_sx) * PITCH + from;
        x += first + t + 1 < pixels ? 1 : 0;
        bool over = x >= p_ow;
        x = over ? 0 : x;
        y += over ? 1 : 0;
        bool next = y >= p_oh;
        y = next ? 0 : y;
        n += next ? 1 : 0;
    }
#else
    for (int t = 0; t < TILE; t++)
        pixel[t] = min(first + t, pixels - 1) * ic4 + from;
#endif
    // From the bias on, as gemm.glsl: the same product rounds alike in both.
    vec4 sum[TILE * NV];
    int column[NV];
    for (int j = 0; j < NV; j++) {
        column[j] = oc + j * lo;
        vec4 bias = LOAD_W(p_bias + GROUP.x * (lo * NV) + lane + j * lo);
        for (int t = 0; t < TILE; t++)
            sum[t * NV + j] = bias;
    }
    int at = GROUP.x * p_span * (4 * NV) * lo + lane, next = NV * lo;
#if SIGNAL == 3
    int offset = 0, line = p_line, lines = p_lines, in_line = 0, of_lines = 0;
#endif
    for (int c = 0; c < steps; c += DEPTH) {
        vec4 a[DEPTH * TILE];
#define LOAD_PIXEL(t) a[t] = INPUT(pixel[t], c);
        PIXELS(LOAD_PIXEL)
#ifdef SCALED
        vec4 factors = LOAD_S(c);
        for (int t = 0; t < TILE; t++)
            a[t] *= factors;
#endif
#if DEPTH > 1
        int c1 = c + 1 < ic4 ? c + 1 : NOWHERE; // behind an odd end: zeros
#define LOAD_NEXT(t) a[TILE + t] = FETCH(pixel[t] + c1);
        PIXELS(LOAD_NEXT)
#ifdef SCALED
        factors = LOADZ_S(c1 >= 0, c1);
        for (int t = 0; t < TILE; t++)
            a[TILE + t] *= factors;
#endif
#endif
        // a vec4 of channels after the other: its weights stay in registers (gemm.glsl)
#define ADD(s, v, b0, b1, b2, b3) s += v.x * b0, s += v.y * b1, s += v.z * b2, s += v.w * b3;
#define WEIGHTS_4(j)                            \
    int w = at + (j) * lo;                      \
    vec4 b0 = LOAD_W(w), b1 = LOAD_W(w + next); \
    w += 2 * next;                              \
    vec4 b2 = LOAD_W(w), b3 = LOAD_W(w + next);
#if DEPTH > 1
#define WEIGHTS(j)                              \
    WEIGHTS_4(j)                                \
    w += 2 * next;                              \
    vec4 b4 = LOAD_W(w), b5 = LOAD_W(w + next); \
    w += 2 * next;                              \
    vec4 b6 = LOAD_W(w), b7 = LOAD_W(w + next);
#define TERMS(t, j)                                 \
    ADD(sum[(t) * NV + j], a[t], b0, b1, b2, b3)    \
    ADD(sum[(t) * NV + j], a[TILE + t], b4, b5, b6, b7)
#else
#define WEIGHTS(j) WEIGHTS_4(j)
#define TERMS(t, j) ADD(sum[(t) * NV + j], a[t], b0, b1, b2, b3)
#endif
#define TERMS_0(t) TERMS(t, 0)
#define TERMS_1(t) TERMS(t, 1)
#define TERMS_2(t) TERMS(t, 2)
#define TERMS_3(t) TERMS(t, 3)
        { WEIGHTS(0) PIXELS(TERMS_0) }
#if NV > 1
        { WEIGHTS(1) PIXELS(TERMS_1) }
#endif
#if NV > 2
        { WEIGHTS(2) PIXELS(TERMS_2) }
#endif
#if NV > 3
        { WEIGHTS(3) PIXELS(TERMS_3) }
#endif
        at += DEPTH * 4 * next;
#if SIGNAL == 3
        offset++;
        in_line++;
        bool over = in_line >= line;
        in_line = over ? 0 : in_line;
        offset += over ? p_gap : 0;
        of_lines += over ? 1 : 0;
        bool last = of_lines >= lines;
        of_lines = last ? 0 : of_lines;
        offset += last ? p_jump : 0;
#endif
    }
    // PUT_AT_ONCE pixels a turn (lib/turns.glsl), 1 or 2.
    int end = min(first + TILE, pixels) * oc4;
    for (int pixel_at = first * oc4 + to; pixel_at < end; pixel_at += PUT_AT_ONCE * oc4) {
        for (int j = 0; j < NV; j++)
            if (column[j] < ocs)
                put(pixel_at + column[j], column[j], sum[j]);
#if PUT_AT_ONCE > 1
        int second = pixel_at + oc4;
        for (int j = 0; j < NV; j++)
            if (column[j] < ocs && second < end)
                put(second + column[j], column[j], sum[NV + j]);
#endif
        MOVE_UP
    }
}
