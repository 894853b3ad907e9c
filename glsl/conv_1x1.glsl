// Convolution with a kernel of one pixel, no pads, one group: a product of matrices.
// X: C4 vec4 [p_pixels, p_ic4]   W: the form of recipes/conv.h   Y: C4 vec4 [p_pixels,
// p_oc4]
// SIGNAL: X is dense and has one channel; a "pixel" is a window of 4 * p_ic4 elements in
// a row. 2: windows start at whole vec4s, w and sx count these; 1: X is read by elements;
// 0: C4. 3: X is dense and a "pixel" is a patch: p_line vec4s, p_gap further the next,
// p_lines of them, p_jump further those of the next channel; w, sx count vec4s, h the
// rows of all channels.
// SCALED: S: vec4 [p_ic4] multiplies each pixel first.
// GROUPED: p_ocg4 vec4s of outputs in p_blocks blocks see p_span of the inputs, the next
// so many the next; W has group after group.
// One invocation computes TILE pixels in a row and NV vec4s of channels, LO apart.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles.
// Defines: TILE (1, 4 or 14) NV (1 to 4); MASK: the last vec4 has pad channels;
// PUT_AT_ONCE (1); DEPTH: input vec4s a step (1, 2); STRIDED: pixels are not all of X's.
// Params: lo pixels ic4 span (ic4 rounded up, in the form) oc oc4 bias; STRIDED: w h ow
// oh sx sy.
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
    int pixel[TILE];
#ifdef STRIDED
    int begin = min(first, pixels - 1), row = begin / p_ow, x = begin - row * p_ow;
    int n = row / p_oh, y = row - n * p_oh;
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
    int at = GROUP.x * p_span * (4 * NV) * lo + lane - oc, next = NV * lo;
#if SIGNAL == 3
    int offset = 0, line = p_line, lines = p_lines, in_line = 0, of_lines = 0;
#endif
    for (int c = 0; c < steps; c += DEPTH) {
        vec4 a[TILE];
        for (int t = 0; t < TILE; t++)
            a[t] = INPUT(pixel[t], c);
#ifdef SCALED
        vec4 factors = LOAD_S(c);
        for (int t = 0; t < TILE; t++)
            a[t] *= factors;
#endif
#if DEPTH > 1
        int c1 = c + 1 < ic4 ? c + 1 : NOWHERE; // behind an odd end: zeros
        vec4 a1[TILE];
        for (int t = 0; t < TILE; t++)
            a1[t] = FETCH(pixel[t] + c1);
#ifdef SCALED
        factors = LOADZ_S(c1 >= 0, c1);
        for (int t = 0; t < TILE; t++)
            a1[t] *= factors;
#endif
#endif
        // A vec4 of channels after the other: its weights stay in registers (gemm.glsl).
        // Arrays as long as the loops and indexed by their counters make Mesa unroll
        // these.
        for (int j = 0; j < NV; j++) {
            vec4 b[4 * DEPTH];
            for (int k = 0; k < 4 * DEPTH; k++)
                b[k] = LOAD_W(at + column[j] + k * next);
            for (int t = 0; t < TILE; t++) {
#define ADD(s, v, k) (v.w * b[k + 3] + (v.z * b[k + 2] + (v.y * b[k + 1] + (v.x * b[k] + s))))
                vec4 s = ADD(sum[t * NV + j], a[t], 0);
#if DEPTH > 1
                s = ADD(s, a1[t], 4);
#endif
                sum[t * NV + j] = s;
            }
        }
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
