// Convolution with a kernel of one pixel, no pads, one group, and few input channels: a
// product of matrices that keeps its inputs, so that no sum outlives a step of its loop.
// X: C4 vec4 [p_pixels, p_ic4]   W: the form of recipes/conv.h   Y: C4 vec4 [p_pixels,
// p_oc4]
// One invocation loads TILE pixels in a row and computes p_turns vec4s of their output
// channels, LO apart, one after the other.
// Groups: x: LO * p_turns vec4s of output channels; y: ACROSS tiles.
// Defines: TILE (14); DEPTH: input vec4s a pixel, in the form (2, 4, 6); MASK: the last
// vec4 has pad channels.
// Params: lo pixels ic4 oc oc4 bias turns block (the logarithm of the form's).
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"
#include "lib/conv_put.glsl"

// Arrays as long as the loops and indexed by their counters make Mesa unroll these.
void main() {
    int lo = LO, turns = p_turns, block = p_block;
    int o = GROUP.x * (lo * turns) + LANE;
    int first = (GROUP.y * ACROSS + LANE_ACROSS) * TILE;
    int pixels = p_pixels, ic4 = p_ic4, oc4 = p_oc4;
    int place[TILE];
    vec4 a[TILE][DEPTH];
    for (int t = 0; t < TILE; t++) {
        int from = min(first + t, pixels - 1) * ic4;
        place[t] = first + t < pixels ? (first + t) * oc4 : -1;
        for (int c = 0; c < DEPTH; c++)
            a[t][c] = FETCH(c < ic4 ? from + c : NOWHERE);
    }
    for (int i = 0; i < turns; i++) {
        int at = min(o, oc4 - 1);
        vec4 bias = LOAD_W(p_bias + at);
        at = ((at >> block) * (4 * DEPTH) << block) + (at & ((1 << block) - 1));
        vec4 b[4 * DEPTH];
        for (int k = 0; k < 4 * DEPTH; k++)
            b[k] = LOAD_W(at + (k << block));
        for (int t = 0; t < TILE; t++) {
            vec4 v = bias;
            for (int c = 0; c < DEPTH; c++)
                v = a[t][c].w * b[4 * c + 3] +
                    (a[t][c].z * b[4 * c + 2] +
                     (a[t][c].y * b[4 * c + 1] + (a[t][c].x * b[4 * c] + v)));
            if (place[t] >= 0 && o < oc4)
                put(place[t] + o, o, v);
        }
        o += lo;
    }
}
