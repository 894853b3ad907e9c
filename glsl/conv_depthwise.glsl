// Depthwise convolution: each channel has one kernel of its own; two spatial axes.
// X: C4 vec4 [N, H, W, p_c4]   W: vec4 [KH, KW, p_c4], then the bias [p_c4]   Y: like X
// One invocation computes TX outputs in a row of one channel vec4, and p_rows such rows,
// one after the other: SY rows of inputs are loaded and added to all rows of outputs that
// they belong to; one of these is whole then. So an input is loaded once, and the code is
// that of one row. With a dilation every p_dx-th pixel makes a row of its own (a phase),
// p_wide tiles long; so down.
// Groups: x: LO channel vec4s; y: ACROSS tiles of a row; z: n * tiles of a column.
// Defines: TX; KW KH SX SY: kernel (at most 7 × 7) and stride (1, 2); KW 0: any kernel,
// stride and dilation, in loops, a row a tile; MASK: the last vec4 has pad channels.
// Params: lo oc c4 w h ow oh px py bias dx dy, wide and tall (tiles of a phase), rows (of
// a tile), down (tiles of a column); for KW 0: kw kh sx sy.
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"
#include "lib/conv_put.glsl"

#if KW != 0
const int NX = (TX - 1) * SX + KW;
const int OPEN = (KH - 1) / SY; // rows of outputs that are begun and not yet whole

// Input j of new row i. Where it is the last one of an output in a row, each sum of the
// output's column takes its terms of the row, and the first sum is whole with the last
// row. Written out, because Mesa does not unroll loops as long as these.
#define KY(i, a) (KH - SY + (i) - (a) * SY)
#define AT(j) clamp(((j) - KW + 1) / SX, 0, TX - 1)
#define INPUT(i, j)                                                               \
    if ((j) < NX)                                                                 \
        d[min(j, NX - 1)] = FETCH(row + column[min(j, NX - 1)]);                  \
    if ((j) < NX && (j) >= KW - 1 && ((j) - KW + 1) % SX == 0) {                  \
        for (int a = 0; a <= OPEN; a++)                                           \
            for (int kx = 0; kx < KW; kx++)                                       \
                if (KY(i, a) >= 0)                                                \
                    sum[a * TX + AT(j)] +=                                        \
                        d[min(j, NX - 1) - KW + 1 + kx] * b[KY(i, a) * KW + kx];  \
        if ((i) == SY - 1 && ty >= y0 && place[AT(j)] >= 0)                       \
            put(to + place[AT(j)], c, sum[AT(j)]);                                \
    }
#define INPUTS_4(i, j) INPUT(i, j) INPUT(i, j + 1) INPUT(i, j + 2) INPUT(i, j + 3)
#define INPUTS(i)                                                                 \
    INPUTS_4(i, 0) INPUTS_4(i, 4) INPUTS_4(i, 8) INPUTS_4(i, 12)                  \
    INPUT(i, 16) INPUT(i, 17) INPUT(i, 18)
#define ROW(i)                                                                    \
    if (KY(i, 0) >= 0) {                                                          \
        int row = uint(y) < uint(h) ? image + y * pitch : NOWHERE;                \
        vec4 d[NX];                                                               \
        INPUTS(i)                                                                 \
    }                                                                             \
    y += dy;
#endif

void main() {
    int c = GROUP.x * LO + LANE;
    int tile = GROUP.y * ACROSS + LANE_ACROSS, n = GROUP.z / p_down;
    int c4 = p_c4, w = p_w, h = p_h, ow = p_ow, oh = p_oh;
    int wide = p_wide, tall = p_tall, dx = p_dx, dy = p_dy;
    int left = tile / wide, x0 = (tile - left * wide) * TX;
    tile = GROUP.z - n * p_down;
    int top = tile / tall, y0 = (tile - top * tall) * p_rows;
#if KW == 0
    bool none = x0 >= ow;
#else
    bool none = left >= dx;
#endif
    if (c >= c4 || none)
        return;
    vec4 bias = LOAD_W(p_bias + c);
    int plane = n * oh * ow;
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
            put((plane + y0 * ow + x0 + t) * c4 + c, c, sum[t]);
#else
    vec4 b[KH * KW];
    for (int ky = 0; ky < KH; ky++) // nested: Mesa unrolls no loop of more than 32 turns
        for (int kx = 0; kx < KW; kx++)
            b[ky * KW + kx] = LOAD_W((ky * KW + kx) * c4 + c);
    int column[NX];
    for (int j = 0; j < NX; j++) {
        int x = (x0 * SX + j) * dx + left - p_px;
        column[j] = uint(x) < uint(w) ? x * c4 + c : NOWHERE;
    }
    int place[TX];
    for (int t = 0; t < TX; t++) {
        int x = (x0 + t) * dx + left;
        place[t] = x < ow ? x * c4 : -1;
    }
    int pitch = w * c4, image = n * h * pitch;
    int out_pitch = dy * ow * c4, out_image = (plane + top * ow) * c4 + c;
    vec4 sum[(OPEN + 1) * TX]; // of the next row that becomes whole, the one behind it, …
    for (int a = 0; a < OPEN; a++)
        for (int t = 0; t < TX; t++)
            sum[a * TX + t] = bias;
    // the first rows begin as if those above the tile were computed, but these are not
    // stored
    int last = min(y0 + p_rows, (oh - top + dy - 1) / dy);
    int y = ((y0 - OPEN) * SY + KH - SY) * dy + top - p_py;
    for (int ty = y0 - OPEN; ty < last; ty++) {
        int to = out_image + ty * out_pitch;
        for (int t = 0; t < TX; t++)
            sum[OPEN * TX + t] = bias;
        ROW(0)
#if SY > 1
        ROW(1)
#endif
        for (int a = 0; a < OPEN; a++)
            for (int t = 0; t < TX; t++)
                sum[a * TX + t] = sum[(a + 1) * TX + t];
    }
#endif
}
