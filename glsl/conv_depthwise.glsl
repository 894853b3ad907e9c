// Depthwise convolution: each channel has one kernel of its own; two spatial axes.
// X: C4 vec4 [N, H, W, p_c4]   W: vec4 [KH, KW, p_c4], then the bias [p_c4]   Y: like X
// One invocation computes a tile of TX × TY outputs of one channel vec4; an input pixel is
// loaded once, and a row of outputs is stored as soon as its last input row is there. With a
// dilation every p_dx-th pixel makes a row of its own (a phase), p_wide tiles long; so down.
// Groups: x: LO channel vec4s; y: ACROSS tiles of a row; z: n * tiles of a column.
// Defines: TX TY; KW KH SX SY: kernel and stride; KW 0: any kernel, stride and dilation,
// in loops, TY 1; MASK: the last vec4 has pad channels.
// Params: lo c c4 w h ow oh px py bias dx dy, wide and
// tall (tiles of a phase), down (of a column); for KW 0: kw kh sx sy.
#include "lib/lanes.glsl"

const int NOWHERE = -(1 << 28);
#if READ_IMAGE
#define FETCH(i) LOAD_X(i)
#else
#define FETCH(i) LOADZ_X((i) >= 0, i)
#endif

void put(int c, int at, vec4 sum) {
    vec4 v = sum;
    v = EPILOGUE(v, at);
#ifdef MASK
    v = mix(vec4(0.0), v, lessThan(ivec4(c) * 4 + ivec4(0, 1, 2, 3), ivec4(p_c)));
#endif
    STORE_Y(at, v);
}

void main() {
    int c = GROUP.x * LO + LANE;
    int tile = GROUP.y * ACROSS + LANE_ACROSS, n = GROUP.z / p_down;
    int c4 = p_c4, w = p_w, h = p_h, ow = p_ow, oh = p_oh;
    int wide = p_wide, tall = p_tall, dx = p_dx, dy = p_dy;
    int left = tile / wide, x0 = (tile - left * wide) * TX;
    tile = GROUP.z - n * p_down;
    int top = tile / tall, y0 = (tile - top * tall) * TY;
#if KW == 0
    bool none = x0 >= ow;
#else
    bool none = left >= dx;
#endif
    if (c >= c4 || none)
        return;
    vec4 bias = LOAD_W(p_bias + c);
    int out_row = n * oh * ow;
#if KW == 0
    int xs = x0 * p_sx - p_px, ys = y0 * p_sy - p_py;
    vec4 sum[TX];
    for (int t = 0; t < TX; t++)
        sum[t] = bias;
    int at = c;
    for (int ky = 0; ky < p_kh; ky++) {
        int y = ys + ky * dy;
        int row = uint(y) < uint(h) ? (n * h + y) * w * c4 + c : NOWHERE;
        for (int kx = 0; kx < p_kw; kx++) {
            vec4 b = LOAD_W(at);
            at += c4;
            for (int t = 0; t < TX; t++) {
                int x = xs + t * p_sx + kx * dx;
                sum[t] += FETCH(row + (uint(x) < uint(w) ? x * c4 : NOWHERE)) * b;
            }
        }
    }
    for (int t = 0; t < TX; t++)
        if (x0 + t < ow)
            put(c, (out_row + y0 * ow + x0 + t) * c4 + c, sum[t]);
#else
    const int NX = (TX - 1) * SX + KW, NY = (TY - 1) * SY + KH;
    vec4 b[KH * KW];
    for (int k = 0; k < KH * KW; k++)
        b[k] = LOAD_W(k * c4 + c);
    int column[NX];
    for (int j = 0; j < NX; j++) {
        int x = (x0 * SX + j) * dx + left - p_px;
        column[j] = uint(x) < uint(w) ? x * c4 + c : NOWHERE;
    }
    // an array as long as the loop, indexed by its counter, makes Mesa unroll the loop
    int row[NY];
    for (int i = 0; i < NY; i++) {
        int y = (y0 * SY + i) * dy + top - p_py;
        row[i] = uint(y) < uint(h) ? (n * h + y) * w * c4 : NOWHERE;
    }
    vec4 d[NY * NX];
    for (int i = 0; i < NY; i++) {
        for (int j = 0; j < NX; j++)
            d[i * NX + j] = FETCH(row[i] + column[j]);
        if (i >= KH - 1 && (i - KH + 1) % SY == 0) {
            int ty = (i - KH + 1) / SY;
            vec4 sum[TX];
            for (int t = 0; t < TX; t++) {
                sum[t] = bias;
                for (int ky = 0; ky < KH; ky++)
                    for (int kx = 0; kx < KW; kx++)
                        sum[t] += d[(ty * SY + ky) * NX + t * SX + kx] * b[ky * KW + kx];
                int y = (y0 + ty) * dy + top, x = (x0 + t) * dx + left;
                if (y < oh && x < ow)
                    put(c, (out_row + y * ow + x) * c4 + c, sum[t]);
            }
        }
    }
#endif
}
