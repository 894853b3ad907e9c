// Winograd F(4×4, 3×3), second of three kernels: 36 products of matrices, M = V U.
// V: vec4 [36][p_pieces][p_ic4]   U: the form of recipes/conv_winograd.c   M: vec4
// [36][p_pieces][p_oc4]. One invocation computes TILE pieces and NV vec4s of channels, LO
// apart.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles; z: which product.
// Defines: TILE NV (1, 2, 4); DEPTH: input vec4s a step (1, 2).
// Params: lo pieces ic4 deep (ic4 in the form, rounded up) oc4 product (vec4s of one in
// the form).

#include "lib/lanes.glsl"
#include "lib/turns.glsl"

#if READ_IMAGE
#define FETCH(i) LOAD_V(i)
#else
#define FETCH(i) LOADZ_V((i) >= 0, i)
#endif

void main() {
    int lane = LANE, lo = LO;
    int oc = GROUP.x * (lo * NV) + lane;
    int first = (GROUP.y * ACROSS + LANE_ACROSS) * TILE;
    int pieces = p_pieces, ic4 = p_ic4, oc4 = p_oc4;
    if (first >= pieces)
        return;
    int piece[TILE];
    vec4 sum[TILE * NV];
    for (int t = 0; t < TILE; t++) {
        piece[t] = (GROUP.z * pieces + min(first + t, pieces - 1)) * ic4;
        for (int j = 0; j < NV; j++)
            sum[t * NV + j] = vec4(0.0);
    }
    int at = GROUP.z * p_product + GROUP.x * p_deep * (4 * NV * lo) + lane;
    for (int c = 0; c < ic4; c += DEPTH) {
#if DEPTH > 1
        int c1 = c + 1 < ic4 ? c + 1 : -(1 << 28); // behind an odd end: zeros
#endif
        // First all of V, then for one vec4 of channels after the other its weights,
        // which stay in registers (gemm.glsl); a step's terms by themselves, which rounds
        // less.
        vec4 a[DEPTH * TILE];
        for (int t = 0; t < TILE; t++) {
            a[t] = LOAD_V(piece[t] + c);
#if DEPTH > 1
            a[TILE + t] = FETCH(piece[t] + c1);
#endif
        }
#define COLUMN(j)                                         \
    {                                                     \
        vec4 b[DEPTH * 4];                                \
        for (int q = 0; q < DEPTH * 4; q++)               \
            b[q] = LOAD_U(at + (q * NV + j) * lo);        \
        for (int t = 0; t < TILE; t++) {                  \
            vec4 s = vec4(0.0);                           \
            for (int q = 0; q < DEPTH * 4; q++)           \
                s += a[q / 4 * TILE + t][q % 4] * b[q];   \
            sum[t * NV + j] += s;                         \
        }                                                 \
    }
        COLUMN(0)
#if NV > 1
        COLUMN(1)
#endif
#if NV > 2
        COLUMN(2)
        COLUMN(3)
#endif
        at += DEPTH * 4 * NV * lo;
    }
    // One piece a turn (lib/turns.glsl).
    int end = (GROUP.z * pieces + min(first + TILE, pieces)) * oc4;
    for (int to = (GROUP.z * pieces + first) * oc4; to < end; to += oc4) {
        for (int j = 0; j < NV; j++)
            if (oc + j * lo < oc4)
                STORE_M(to + oc + j * lo, sum[j]);
        MOVE_UP
    }
}
