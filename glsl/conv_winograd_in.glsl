// Winograd F(4×4, 3×3), first of three kernels: V = Bᵀ d B of each 6 × 6 piece of the
// input.
// X: C4 vec4 [N, H, W, p_c4]   V: vec4 [36][p_pieces][p_c4], pieces: n, row, column
// One invocation takes one piece of one channel vec4.
// Groups: x: LO channel vec4s; y: ACROSS pieces of an image; z: n.
// Params: lo c4 w h px py across (pieces a row) each (pieces an image) pieces.
// The points are 0, ±√½, ±√2, ∞: with them the sums lose about as little as direct ones
// do.
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"

const float R2 = 1.41421356, R1 = 0.70710678;

// Bᵀ times the six values d(0) … d(5), to be seen as t[0] … t[5].
#define TRANSFORM(t, d)                                                     \
    {                                                                       \
        vec4 a = d(4) - 2.0 * d(2), b = R1 * d(3) - R2 * d(1);              \
        vec4 p = d(4) - 0.5 * d(2), q = R2 * d(3) - R1 * d(1);              \
        t[0] = d(0) + (d(4) - 2.5 * d(2));                                  \
        t[1] = a + b;                                                       \
        t[2] = a - b;                                                       \
        t[3] = p + q;                                                       \
        t[4] = p - q;                                                       \
        t[5] = d(1) + (d(5) - 2.5 * d(3));                                  \
    }

void main() {
    int c = GROUP.x * LO + LANE;
    int piece = GROUP.y * ACROSS + LANE_ACROSS;
    int c4 = p_c4, w = p_w, h = p_h, each = p_each;
    if (c >= c4 || piece >= each)
        return;
    int down = piece / p_across;
    int x0 = (piece - down * p_across) * 4 - p_px, y0 = down * 4 - p_py;
    int row[6], column[6];
    for (int i = 0; i < 6; i++) {
        row[i] = uint(y0 + i) < uint(h) ? (GROUP.z * h + y0 + i) * w * c4 + c : NOWHERE;
        column[i] = uint(x0 + i) < uint(w) ? (x0 + i) * c4 : NOWHERE;
    }
    vec4 e[36], t[6];
    for (int j = 0; j < 6; j++) {
        vec4 d[6];
        for (int i = 0; i < 6; i++)
            d[i] = FETCH(row[i] + column[j]);
#define DOWN(i) d[i]
        TRANSFORM(t, DOWN)
        for (int i = 0; i < 6; i++)
            e[i * 6 + j] = t[i];
    }
    // `to` is as long as the loop and indexed by its counter, which makes Mesa unroll it
    int plane = p_pieces * c4, to[6];
    for (int i = 0; i < 6; i++)
        to[i] = (GROUP.z * each + piece) * c4 + c + i * 6 * plane;
    for (int i = 0; i < 6; i++) {
#define ALONG(j) e[i * 6 + j]
        TRANSFORM(t, ALONG)
        for (int j = 0; j < 6; j++)
            STORE_V(to[i] + j * plane, t[j]);
    }
}
