// Convolution of any kernel, stride, dilation and group; up to three spatial axes.
// X: C4 vec4 [N, D, H, W, p_step]   W: the form of recipes/conv.h
// Y: C4 vec4 [N, OD, OH, OW, p_oc4]
// Rows of outputs are laid end to end, p_row positions each; one invocation computes TILE
// positions and NV vec4s of channels, LO apart. An input pixel is loaded once for all
// taps of a kernel row; positions p_wrap inputs apart lie in different rows. With a
// dilation every p_dx-th pixel of a row makes a row of its own (a phase).
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles (p_turn: x and y the other
// way round, so that a block of weights serves all tiles in turn); z: n * OD + od.
// Defines: TILE NV; RUN: a tile is TILE / RUN pieces of rows, each in a row of its own
// place (else TILE: one piece); KW, SX: width and stride of an unrolled kernel row, KW 0:
// p_kw taps of stride p_sx and dilation p_dx in a loop; CIN: live channels of an input
// vec4 (4, or fewer when there is only one); VOLUME: three axes; GROUPED: input channels
// depend on the output's; MASK: the last vec4 has pad channels.
// Params: run (RUN) lo step span (input vec4s a pixel, and of one group) icg ocg oc oc4
// bias (vec4s in front of it) row wrap turn kd kh kw sx dx sy dy px py w h ow oh; VOLUME:
// sz dz pz d od.
#include "lib/lanes.glsl"
#include "lib/turns.glsl"
#include "lib/fetch.glsl"

#if KW == 0
#define TAPS 1
#define STRIDE p_sx
#define REACH RUN
#define PHASES 1
#else
#define TAPS KW
#define STRIDE SX
#define REACH ((RUN - 1) * SX + KW)
#define PHASES p_dx
#endif
const int POSITIONS = TILE / RUN * REACH;
const int N_WEIGHTS = TAPS * CIN * NV;

void main() {
    int lane = LANE, lo = LO;
    int turn = p_turn, part = turn != 0 ? GROUP.y : GROUP.x;
    int oc = part * (lo * NV) + lane;
    int first = ((turn != 0 ? GROUP.x : GROUP.y) * ACROSS + LANE_ACROSS) * TILE;
    ivec3 start[TILE / RUN]; // of each piece: column and row of outputs, phase
    for (int i = 0; i < TILE / RUN; i++) {
        int at = first + i * RUN, line = at / p_row, y = line / PHASES;
        start[i] = ivec3(at - line * p_row, y, line - y * PHASES);
    }
    int step = p_step, span = p_span, w = p_w, h = p_h, rows = p_oh;
    if (start[0].y >= rows)
        return;
#ifdef GROUPED
    int channel = max(min(oc * 4 / p_ocg * p_icg / 4, step - span), 0);
#else
    int channel = 0;
#endif
#ifdef VOLUME
    int n = GROUP.z / p_od, z0 = (GROUP.z - n * p_od) * p_sz - p_pz;
    int image = n * p_d;
#else
    int image = GROUP.z;
#endif
    // column and row of each input position
    int column[POSITIONS], row[POSITIONS];
    {
        int x, y, phase;
        for (int i = 0; i < POSITIONS; i++) {
            if (i % REACH == 0) {
                x = start[i / REACH].x * STRIDE;
                y = start[i / REACH].y * p_sy - p_py;
                phase = start[i / REACH].z;
            }
            column[i] = x * PHASES + phase - p_px;
            row[i] = y;
#if KW == 0
            x += p_sx;
#else
            x++;
#endif
            bool over = x >= p_wrap;
            x -= over ? p_wrap : 0;
            phase += over ? 1 : 0;
            bool next = phase >= PHASES;
            phase = next ? 0 : phase;
            y += next ? p_sy : 0;
        }
    }
#if KW != 0
    for (int i = 0; i < POSITIONS; i++)
        column[i] = uint(column[i]) < uint(w) ? column[i] * step + channel : NOWHERE;
#endif
    int block = part * p_kd * p_kh * span * p_kw * (4 * NV * lo) + lane;
    vec4 sum[TILE * NV], bias[NV];
    for (int j = 0; j < NV; j++) {
        bias[j] = LOAD_W(p_bias + oc + j * lo);
        for (int t = 0; t < TILE; t++)
            sum[t * NV + j] = vec4(0.0);
    }
    int at = block;
#ifdef VOLUME
    for (int kz = 0; kz < p_kd; kz++) {
    int z = z0 + kz * p_dz;
    int plane = uint(z) < uint(p_d) ? (image + z) * h * w * step : NOWHERE;
#else
    int plane = image * h * w * step;
#endif
    for (int ky = 0; ky < p_kh; ky++) {
        int offset[POSITIONS];
#if KW == 0
        for (int kx = 0; kx < p_kw; kx++) {
        for (int i = 0; i < POSITIONS; i++) {
            int y = row[i] + ky * p_dy, x = column[i] + kx * p_dx;
            offset[i] = uint(y) < uint(h) && uint(x) < uint(w) && plane >= 0
                            ? plane + (y * w + x) * step + channel : NOWHERE;
        }
        int last = NOWHERE;
        for (int i = 0; i < POSITIONS; i++)
            last = max(last, offset[i]);
        int tap = at + kx * (4 * NV * lo);
        int advance = p_kw * (4 * NV * lo);
#else
        for (int i = 0; i < POSITIONS; i++) {
            int y = row[i] + ky * p_dy;
            offset[i] = (uint(y) < uint(h) ? plane + y * w * step : NOWHERE) + column[i];
        }
        int last = NOWHERE;
        for (int i = 0; i < POSITIONS; i++)
            last = max(last, offset[i]);
        int tap = at;
        int advance = KW * 4 * NV * lo;
#endif
        int live = last >= 0 ? span : 0; // taps in the padding alone are passed over
        for (int c = 0; c < live; c++) {
            vec4 b[N_WEIGHTS];
            for (int k = 0; k < TAPS; k++)
                for (int q = 0; q < CIN; q++)
                    for (int j = 0; j < NV; j++)
                        b[(k * CIN + q) * NV + j] = LOAD_W(tap + ((k * 4 + q) * NV + j) * lo);
            vec4 a[POSITIONS];
            for (int i = 0; i < POSITIONS; i++) {
                a[i] = FETCH(offset[i] + c);
#if KW == 0
                const int back = 0, every = 1;
#else
                const int back = KW - 1, every = SX;
#endif
                // The last input of an output: one sum takes all its terms at a time,
                // added up by themselves first, which rounds less.
                int last_at = i % REACH - back;
                if (last_at >= 0 && last_at % every == 0) {
                    int t = i / REACH * RUN + last_at / every;
                    for (int j = 0; j < NV; j++) {
                        vec4 s = vec4(0.0);
                        for (int k = 0; k < TAPS; k++)
                            for (int q = 0; q < CIN; q++)
                                s += a[i - back + k][q] * b[(k * CIN + q) * NV + j];
                        sum[t * NV + j] += s;
                    }
                }
            }
            tap += advance;
        }
#if KW == 0
        }
#endif
        at += span * p_kw * (4 * NV * lo);
    }
#ifdef VOLUME
    }
#endif
    // One position of each piece a turn (lib/turns.glsl). `start`, `bias`: arrays as long
    // as the loops and indexed by their counters make Mesa unroll these.
    int ow = p_ow, oc4 = p_oc4, out_plane = GROUP.z * rows * ow;
    for (int t = 0; t < p_run; t++) {
        for (int k = 0; k < TILE / RUN; k++) {
            ivec3 at = start[k];
            int to = at.x * PHASES + at.z;
            to = to < ow && at.y < rows ? (out_plane + at.y * ow + to) * oc4 + oc : -1;
            for (int j = 0; j < NV; j++)
                if (to >= 0 && oc + j * lo < oc4) {
                    vec4 v = sum[k * RUN * NV + j] + bias[j];
                    int place = to + j * lo;
                    v = EPILOGUE(v, place);
#ifdef MASK
                    v = mix(vec4(0.0), v, lessThan(ivec4(oc + j * lo) * 4 + ivec4(0, 1, 2, 3),
                                                   ivec4(p_oc)));
#endif
                    STORE_Y(place, v);
                }
            bool over = at.x + 1 >= p_row;
            at.z += over ? 1 : 0;
            bool next = at.z >= PHASES;
            start[k] = ivec3(over ? 0 : at.x + 1, at.y + (next ? 1 : 0), next ? 0 : at.z);
        }
        MOVE_UP
    }
}
