// Convolution of few channels that reads its input as it lies in memory; two spatial
// axes, one group. X: dense, [N, IC, H, W] or, with PIXEL > 1, [N, H, W, IC], in vec4s
// along a row or in elements (X_ELEMENT)   W: the form of recipes/conv.h   Y: C4 vec4
// [N, OH, OW, p_oc4]
// A tile is TX outputs of a row and NV vec4s of channels, LO apart. Of each row of the
// input it loads the units that its outputs see once, for all taps; each tap is a known
// component of them, for a tile begins OFF elements behind a unit's start wherever it
// lies. An invocation takes p_reps tiles in turn.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS times p_reps tiles; z: n.
// Defines: TX NV OFF; KW SX DX: taps of a kernel row, stride, dilation; PIXEL: elements
// from pixel to pixel; ROWS, CIN: kernel rows and input channels of a step; WHOLE: one
// step has them all, so that weights are loaded once and sums live in registers; MASK:
// the last vec4 has pad channels.
// Params: lo wide (tiles of a row) reps w (units of a row) h plane (units of a channel)
// image (units) ic oh ow sy dy py kh, left (units in front of a row's first tile), step
// (units from tile to tile) span oc oc4 bias.
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"
#include "lib/conv_put.glsl"

#if PIXEL == 1
#define LINES (ROWS * CIN) // of a step: of each channel its own
#define LINE_OF(r, c) ((r) * CIN + (c))
#define ELEMENT_OF(c) OFF
#else
#define LINES ROWS
#define LINE_OF(r, c) (r)
#define ELEMENT_OF(c) (OFF + (c))
#endif
#define LENGTH (OFF + ((TX - 1) * SX + (KW - 1) * DX + 1) * PIXEL) // elements of a line
#ifdef X_ELEMENT
#define UNITS LENGTH
#define ITEM(line, e) a[line][e]
#else
#define UNITS ((LENGTH + 3) / 4)
#define ITEM(line, e) a[line][(e) / 4][(e) % 4]
#endif

// Arrays as long as the loops, and indexed by their counters, make Mesa unroll these.
void main() {
    int lane = LANE, lo = LO;
    int oc = GROUP.x * (lo * NV) + lane, next = NV * lo, oc4 = p_oc4;
    int reps = p_reps, wide = p_wide, oh = p_oh, ow = p_ow;
    int tile = (GROUP.y * ACROSS + LANE_ACROSS) * reps;
    int y = tile / wide, x = tile - y * wide;
    int block = GROUP.x * p_kh * p_span * KW * (4 * next) + lane;
    vec4 bias[NV];
    for (int j = 0; j < NV; j++)
        bias[j] = LOAD_W(p_bias + oc + j * lo);
    vec4 b[ROWS * CIN][KW][NV];
#define LOAD_WEIGHTS(tap)                                                          \
    for (int r = 0; r < ROWS * CIN; r++)                                           \
        for (int k = 0; k < KW; k++)                                               \
            for (int j = 0; j < NV; j++)                                           \
                b[r][k][j] = LOAD_W(                                               \
                    tap + (((r / CIN * KW + k) * 4 + r % CIN) * NV + j) * lo);
#ifdef WHOLE
    LOAD_WEIGHTS(block)
#endif
    for (int rep = 0; rep < reps && y < oh; rep++) {
        int column[UNITS], w = p_w, h = p_h, plane = p_plane;
        for (int i = 0; i < UNITS; i++) {
            int at = x * p_step - p_left + i;
            column[i] = uint(at) < uint(w) ? at : NOWHERE;
        }
        int image = GROUP.z * p_image, top = y * p_sy - p_py;
        int x0 = x * TX, place[TX];
        for (int t = 0; t < TX; t++)
            place[t] = x0 + t < ow ? ((GROUP.z * oh + y) * ow + x0 + t) * oc4 + oc : -1;
#ifdef WHOLE
        {
#else
        vec4 sum[TX][NV];
        for (int t = 0; t < TX; t++)
            for (int j = 0; j < NV; j++)
                sum[t][j] = vec4(0.0);
        for (int ky = 0; ky < p_kh; ky++) {
            int tap = block + ky * p_span * KW * (4 * next);
#endif
            int row[ROWS];
            for (int r = 0; r < ROWS; r++) {
#ifdef WHOLE
                int at = top + r * p_dy;
#else
                int at = top + ky * p_dy;
#endif
                row[r] = uint(at) < uint(h) ? image + at * w : NOWHERE;
            }
#if !defined WHOLE && CIN == 1
            for (int c = 0; c < p_ic; c++) {
                LOAD_WEIGHTS(tap + ((c >> 2) * KW * 4 + (c & 3)) * next)
#else
            {
#ifndef WHOLE
                LOAD_WEIGHTS(tap)
#endif
#endif
#ifdef X_ELEMENT
                float a[LINES][UNITS];
#else
                vec4 a[LINES][UNITS];
#endif
                for (int l = 0; l < LINES; l++)
                    for (int i = 0; i < UNITS; i++)
                        a[l][i] = FETCH(row[l * ROWS / LINES] +
                                        l % (LINES / ROWS) * plane + column[i]);
                // One sum takes all its terms at a time, added up by themselves first,
                // which rounds less.
                for (int t = 0; t < TX; t++)
                    for (int j = 0; j < NV; j++) {
                        vec4 s = vec4(0.0);
                        for (int r = 0; r < ROWS * CIN; r++)
                            for (int k = 0; k < KW; k++)
                                s += b[r][k][j] *
                                     ITEM(LINE_OF(r / CIN, r % CIN),
                                          ELEMENT_OF(r % CIN) + (t * SX + k * DX) * PIXEL);
#ifdef WHOLE
                        if (place[t] >= 0 && oc + j * lo < oc4)
                            put(place[t] + j * lo, oc + j * lo, s + bias[j]);
#else
                        sum[t][j] += s;
#endif
                    }
#if !defined WHOLE && CIN == 1
                row[0] += plane;
#endif
            }
        }
#ifndef WHOLE
        for (int t = 0; t < TX; t++)
            for (int j = 0; j < NV; j++)
                if (place[t] >= 0 && oc + j * lo < oc4)
                    put(place[t] + j * lo, oc + j * lo, sum[t][j] + bias[j]);
#endif
        x++;
        bool over = x >= wide;
        x = over ? 0 : x;
        y += over ? 1 : 0;
    }
}
