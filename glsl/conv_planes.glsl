// Convolution of dense tensors, whose channels are planes, of any kernel, stride,
// dilation and group; up to three spatial axes.
// X: [N, IC, D, H, W], in vec4s along a row or in elements (X_ELEMENT)   W: the form of
// recipes/conv.h   Y: [N, OC, OD, OH, OW], in vec4s along a row, in elements (Y_ELEMENT)
// or in pairs of packed halves (Y_PAIRS)
// A tile is TX outputs of a row and NV vec4s of channels, LO apart. Of each row of the
// input it loads the units that its outputs see once, for all taps, and CIN channels a
// step; each tap is a known component of them, for a tile begins OFF elements behind a
// unit's start.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles; z: n * OD + od.
// Defines: TX (a multiple of 4 where Y is in vec4s) NV OFF; KW SX DX: taps of an unrolled
// kernel row, stride, dilation, KW 0: p_kw taps of stride p_sx and dilation p_dx in a
// loop, X in elements; CIN: live channels of an input vec4 (4, or fewer when there is
// only one); VOLUME: three axes; GROUPED: input channels depend on the output's (NV 1).
// Params: lo wide (tiles of a row) turns (of storing) w (units of a row) h plane (units
// of a channel) ic oh ow (units of a row, elements where Y_PAIRS) step (units from tile
// to tile) left (units in front of a row's first tile) sy dy py kd kh kw span oc oc4
// bias, out_plane (units of a channel, elements where Y_PAIRS); KW 0: sx dx px; VOLUME: d
// od sz dz pz; GROUPED: icg ocg ic4.
#include "lib/lanes.glsl"
#include "lib/fetch.glsl"

#if KW == 0
#define TAPS 1
#define UNITS TX
#define ITEM(q, e) a[q][e]
#define ELEMENT_OF(t, k) (t)
#else
#define TAPS KW
#define LENGTH (OFF + (TX - 1) * SX + (KW - 1) * DX + 1) // elements of a row
#define ELEMENT_OF(t, k) (OFF + (t) * SX + (k) * DX)
#ifdef X_ELEMENT
#define UNITS LENGTH
#define ITEM(q, e) a[q][e]
#else
#define UNITS ((LENGTH + 3) / 4)
#define ITEM(q, e) a[q][(e) / 4][(e) % 4]
#endif
#endif
#ifdef Y_ELEMENT
const int EACH = 1; // outputs of a row that a turn stores
#elif defined Y_PAIRS
const int EACH = 2;
#else
const int EACH = 4;
#endif
// Written out: where their loop is not unrolled in time, the sums lie in memory.
#define UP(t)                         \
    if ((t) + EACH < TX)              \
        for (int j = 0; j < NV; j++)  \
            sum[min(t, TX - 1)][j] = sum[min((t) + EACH, TX - 1)][j];

// Arrays as long as the loops, and indexed by their counters, make Mesa unroll these.
void main() {
    int lane = LANE, lo = LO;
    int oc = GROUP.x * (lo * NV) + lane, next = NV * lo, oc4 = p_oc4;
    int wide = p_wide, tile = GROUP.y * ACROSS + LANE_ACROSS;
    int y = tile / wide, x = tile - y * wide, oh = p_oh;
    if (y >= oh || oc >= oc4)
        return;
    int w = p_w, h = p_h, plane = p_plane, span = p_span;
#ifdef GROUPED
    int channel = max(min(oc * 4 / p_ocg * p_icg / 4, p_ic4 - span), 0) * 4;
#else
    int channel = 0;
#endif
#ifdef VOLUME
    int n = GROUP.z / p_od, oz = GROUP.z - n * p_od, z0 = oz * p_sz - p_pz;
#else
    int n = GROUP.z;
#endif
    int image = (n * p_ic + channel) * plane, top = y * p_sy - p_py;
    int live = p_ic - channel;
#if KW == 0
    int before[TX];
    for (int t = 0; t < TX; t++)
        before[t] = (x * TX + t) * p_sx - p_px;
#else
    int column[UNITS];
    for (int i = 0; i < UNITS; i++) {
        int at = x * p_step - p_left + i;
        column[i] = uint(at) < uint(w) ? at : NOWHERE;
    }
#endif
    vec4 sum[TX][NV];
    for (int t = 0; t < TX; t++)
        for (int j = 0; j < NV; j++)
            sum[t][j] = vec4(0.0);
    int tap = GROUP.x * p_kd * p_kh * span * p_kw * (4 * next) + lane;
#ifdef VOLUME
    for (int kz = 0; kz < p_kd; kz++) {
    int z = z0 + kz * p_dz;
    int slice = uint(z) < uint(p_d) ? image + z * h * w : NOWHERE;
#else
    int slice = image;
#endif
    for (int ky = 0; ky < p_kh; ky++) {
        int at_y = top + ky * p_dy;
        bool inside = uint(at_y) < uint(h) && slice >= 0;
        int row = inside ? slice + at_y * w : NOWHERE;
#if KW == 0
        for (int kx = 0; kx < p_kw; kx++) {
        int column[UNITS], advance = p_kw * (4 * next), from = tap + kx * (4 * next);
        for (int t = 0; t < TX; t++) {
            int at = before[t] + kx * p_dx;
            column[t] = uint(at) < uint(w) ? at : NOWHERE;
        }
#else
        int advance = KW * 4 * next, from = tap;
#endif
        // rows in the padding alone are passed over
        for (int c = 0, last = inside ? span : 0; c < last; c++) {
            vec4 b[CIN][TAPS][NV];
            for (int q = 0; q < CIN; q++)
                for (int k = 0; k < TAPS; k++)
                    for (int j = 0; j < NV; j++)
                        b[q][k][j] = LOAD_W(from + ((k * 4 + q) * NV + j) * lo);
#if defined X_ELEMENT || KW == 0
            float a[CIN][UNITS];
#else
            vec4 a[CIN][UNITS];
#endif
            for (int q = 0; q < CIN; q++) {
                int line = c * 4 + q < live ? row + (c * 4 + q) * plane : NOWHERE;
                for (int i = 0; i < UNITS; i++)
                    a[q][i] = FETCH(line + column[i]);
            }
            // One sum takes all its terms at a time, added up by themselves first, which
            // rounds less.
            for (int t = 0; t < TX; t++)
                for (int j = 0; j < NV; j++) {
                    vec4 s = vec4(0.0);
                    for (int k = 0; k < TAPS; k++)
                        for (int q = 0; q < CIN; q++)
                            s += b[q][k][j] * ITEM(q, ELEMENT_OF(t, k));
                    sum[t][j] += s;
                }
            from += advance;
        }
#if KW == 0
        }
#endif
        tap += span * p_kw * (4 * next);
    }
#ifdef VOLUME
    }
#endif
    // A few outputs a turn, each channel's by themselves; then the sums move up. The
    // loop's bound is none that a compiler finds out (lib/turns.glsl says why).
    vec4 bias[NV];
    for (int j = 0; j < NV; j++)
        bias[j] = LOAD_W(p_bias + oc + j * lo);
    int ow = p_ow, out_plane = p_out_plane, channels = p_oc;
#ifdef VOLUME
    int line = (oz * oh + y) * ow;
#else
    int line = y * ow;
#endif
#if defined Y_ELEMENT || defined Y_PAIRS
    int to = x * TX;
#else
    int to = x * (TX / 4);
#endif
    for (int t = 0; t < p_turns; t++) {
        for (int j = 0; j < NV; j++) {
            int first = (oc + j * lo) * 4;
            int place = (n * channels + first) * out_plane + line + to;
            vec4 v[EACH];
            for (int i = 0; i < EACH; i++)
                v[i] = sum[min(i, TX - 1)][j] + bias[j];
            for (int q = 0; q < 4; q++) {
                if (to < ow && first + q < channels) {
#ifdef Y_ELEMENT
                    STORE_Y(place, EPILOGUE(v[0][q], place));
#elif defined Y_PAIRS
                    STORE2_Y(place / 2, vec2(EPILOGUE(v[0][q], place),
                                             EPILOGUE(v[EACH - 1][q], place + 1)));
#else
                    vec4 value = vec4(v[0][q], v[1][q], v[2][q], v[3][q]);
                    STORE_Y(place, EPILOGUE(value, place));
#endif
                }
                place += out_plane;
            }
        }
#if defined Y_PAIRS
        to += 2;
#else
        to++;
#endif
        UP(0) UP(1) UP(2) UP(3) UP(4) UP(5) UP(6) UP(7)
        UP(8) UP(9) UP(10) UP(11) UP(12) UP(13) UP(14)
    }
}
