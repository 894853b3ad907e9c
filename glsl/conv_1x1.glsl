// Convolution with a kernel of one pixel, stride 1, no pads, one group: a product of matrices.
// X: C4 vec4 [p_pixels, p_ic4]   W: the form of recipes/conv.h   Y: C4 vec4 [p_pixels, p_oc4]
// One invocation computes TILE pixels in a row and NV vec4s of channels, LO apart.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles.
// Defines: TILE NV; MASK: the last vec4 has pad channels; DEPTH: input vec4s a step (1, 2).
// Params: lo pixels ic4 (rounded up to DEPTH in the form) oc oc4 bias.
#include "lib/lanes.glsl"

#if READ_IMAGE
#define FETCH(i) LOAD_X(i)
#else
#define FETCH(i) LOADZ_X((i) >= 0, i)
#endif

void main() {
    int lane = LANE, lo = LO;
    int oc = GROUP.x * (lo * NV) + lane;
    int first = (GROUP.y * ACROSS + LANE_ACROSS) * TILE;
    int pixels = p_pixels, ic4 = p_ic4, oc4 = p_oc4;
    if (first >= pixels)
        return;
    int pixel[TILE];
    for (int t = 0; t < TILE; t++)
        pixel[t] = min(first + t, pixels - 1) * ic4;
    vec4 sum[TILE * NV], bias[NV];
    for (int j = 0; j < NV; j++) {
        bias[j] = LOAD_W(p_bias + oc + j * lo);
        for (int t = 0; t < TILE; t++)
            sum[t * NV + j] = vec4(0.0);
    }
    int steps = (ic4 + DEPTH - 1) / DEPTH;
    int at = GROUP.x * steps * (DEPTH * 4 * NV) * lo + lane;
    for (int c = 0; c < ic4; c += DEPTH) {
        vec4 b[DEPTH * 4 * NV];
        for (int q = 0; q < DEPTH * 4; q++)
            for (int j = 0; j < NV; j++) {
                b[q * NV + j] = LOAD_W(at);
                at += lo;
            }
#if DEPTH > 1
        int c1 = c + 1 < ic4 ? c + 1 : -(1 << 28); // behind an odd end: zeros
#endif
        for (int t = 0; t < TILE; t++) {
            vec4 a0 = LOAD_X(pixel[t] + c);
#if DEPTH > 1
            vec4 a1 = FETCH(pixel[t] + c1);
#endif
            for (int j = 0; j < NV; j++) {
                vec4 s = vec4(0.0);
                for (int q = 0; q < 4; q++)
                    s += a0[q] * b[q * NV + j];
#if DEPTH > 1
                for (int q = 0; q < 4; q++)
                    s += a1[q] * b[(q + 4) * NV + j];
#endif
                sum[t * NV + j] += s;
            }
        }
    }
    // see conv.glsl for `place`
    int place[TILE];
    for (int t = 0; t < TILE; t++)
        place[t] = first + t < pixels ? (first + t) * oc4 + oc : -1;
    for (int t = 0; t < TILE; t++)
        for (int j = 0; j < NV; j++)
            if (place[t] >= 0 && oc + j * lo < oc4) {
                int to = place[t] + j * lo;
                vec4 v = sum[t * NV + j] + bias[j];
                v = EPILOGUE(v, to);
#ifdef MASK
                v = mix(vec4(0.0), v, lessThan(ivec4(oc + j * lo) * 4 + ivec4(0, 1, 2, 3),
                                               ivec4(p_oc)));
#endif
                STORE_Y(to, v);
            }
}
