// Pooling over windows of a fixed small kernel, two spatial axes, no dilation.
// X: C4 vec4 [N, H, W, p_c4]   Y: C4 vec4 [N, OH, OW, p_c4]; or elements of planes, p_c4
// = 1
// One invocation computes a tile of TX × TY outputs of one channel vec4, row by row: a
// pixel is loaded once. Outside the input, MAX repeats the edge (which lies in the
// window), others add 0.
// Groups: x: LO channel vec4s; y: ACROSS tiles of a row; z: n * tiles of a column.
// Defines: TX TY K S (kernel, stride); MAX, or AVERAGE (with PADDED: pads count).
// Params: lo c4 w h ow oh px py down; AVERAGE: ex ey (pads at the end).
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"
#ifdef MAX
#define JOIN(a, b) max(a, b)
#else
#define JOIN(a, b) ((a) + (b))
#endif

#ifdef AVERAGE
// Window positions from `start` on that count.
int counted(int start, int size, int after) {
#ifdef PADDED
    return min(start + K, size + after) - start;
#else
    return min(start + K, size) - max(start, 0);
#endif
}
#endif

void main() {
    int c = GROUP.x * LO + LANE;
    int x0 = (GROUP.y * ACROSS + LANE_ACROSS) * TX;
    int n = GROUP.z / p_down, y0 = (GROUP.z - n * p_down) * TY;
    int c4 = p_c4, w = p_w, h = p_h, ow = p_ow, oh = p_oh;
    if (c >= c4 || x0 >= ow)
        return;
    const int NX = (TX - 1) * S + K, NY = (TY - 1) * S + K;
    int column[NX], row[NY];
    for (int j = 0; j < NX; j++) {
        int x = x0 * S - p_px + j;
#ifdef MAX
        column[j] = clamp(x, 0, w - 1) * c4 + c;
#else
        column[j] = uint(x) < uint(w) ? x * c4 + c : NOWHERE;
#endif
    }
    for (int i = 0; i < NY; i++) {
        int y = y0 * S - p_py + i;
#ifdef MAX
        row[i] = (n * h + clamp(y, 0, h - 1)) * w * c4;
#else
        row[i] = uint(y) < uint(h) ? (n * h + y) * w * c4 : NOWHERE;
#endif
    }
    // of each input row the windows' parts, then rows together
    T_X part[NY * TX];
    for (int i = 0; i < NY; i++) {
        T_X d[NX];
        for (int j = 0; j < NX; j++)
            d[j] = FETCH(row[i] + column[j]);
        for (int t = 0; t < TX; t++) {
            T_X v = d[t * S];
            for (int k = 1; k < K; k++)
                v = JOIN(v, d[t * S + k]);
            part[i * TX + t] = v;
        }
        if (i >= K - 1 && (i - K + 1) % S == 0) {
            int ty = (i - K + 1) / S;
            for (int t = 0; t < TX; t++) {
                T_X v = part[ty * S * TX + t];
                for (int k = 1; k < K; k++)
                    v = JOIN(v, part[(ty * S + k) * TX + t]);
#ifdef AVERAGE
                v /= float(max(counted(x0 * S - p_px + t * S, w, p_ex), 1) *
                           max(counted((y0 + ty) * S - p_py, h, p_ey), 1));
#endif
                if (y0 + ty < oh && x0 + t < ow)
                    STORE_Y(((n * oh + y0 + ty) * ow + x0 + t) * c4 + c, v);
            }
        }
    }
}
