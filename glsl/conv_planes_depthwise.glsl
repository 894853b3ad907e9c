// Depthwise convolution of dense tensors: each channel, a plane, has one kernel of its
// own; two spatial axes. X: [N, C, H, W], in vec4s along a row or in elements (X_ELEMENT)
// W: floats [KH, KW, p_c4 * 4], then the bias   Y: [N, C, OH, OW], in vec4s along a row,
// in elements (Y_ELEMENT) or in pairs of packed halves (Y_PAIRS)
// One invocation computes p_rows rows of TX outputs of a channel, each from the KH rows
// of the input that it sees; weights are loaded once for all.
// Groups: x: tiles, along a row, then down, then plane by plane.
// Defines: TX (a multiple of 4 where Y is in vec4s); KW KH SX DX: kernel, stride and
// dilation of a row; OFF: elements in front of a tile's first; KW 0: any kernel, in
// loops, X in elements.
// Params: count (tiles) wide (of a row) down (of a column) rows c c4 w (units of a row) h
// oh ow (units of a row, elements where Y_PAIRS) step (units from tile to tile) left
// (units in front of a row's first tile) sy dy py bias; KW 0: kw kh sx dx px.
#include "lib/fetch.glsl"

#if KW != 0
#define LENGTH (OFF + (TX - 1) * SX + (KW - 1) * DX + 1) // elements of a row
#define ELEMENT_OF(t, k) (OFF + (t) * SX + (k) * DX)
#ifdef X_ELEMENT
#define UNITS LENGTH
#define ITEM(e) a[e]
#else
#define UNITS ((LENGTH + 3) / 4)
#define ITEM(e) a[(e) / 4][(e) % 4]
#endif
#endif

void main() {
    int tile = FLAT;
    if (tile >= p_count)
        return;
    int wide = p_wide, down = p_down, channels = p_c, w = p_w, h = p_h, oh = p_oh, ow = p_ow;
    int rest = tile / wide, x = tile - rest * wide;
    int plane = rest / down, y0 = (rest - plane * down) * p_rows, y1 = min(y0 + p_rows, oh);
    int c = plane - plane / channels * channels, c4 = p_c4 * 4;
    float bias = LOAD_W(p_bias * 4 + c);
#if KW != 0
    float b[KH * KW];
    for (int k = 0; k < KH * KW; k++)
        b[k] = LOAD_W(k * c4 + c);
    int column[UNITS];
    for (int i = 0; i < UNITS; i++) {
        int at = x * p_step - p_left + i;
        column[i] = uint(at) < uint(w) ? at : NOWHERE;
    }
#endif
    for (int y = y0; y < y1; y++) {
        float sum[TX];
        for (int t = 0; t < TX; t++)
            sum[t] = bias;
        int top = y * p_sy - p_py;
#if KW != 0
        for (int ky = 0; ky < KH; ky++) {
            int at_y = top + ky * p_dy;
            int row = uint(at_y) < uint(h) ? (plane * h + at_y) * w : NOWHERE;
#ifdef X_ELEMENT
            float a[UNITS];
#else
            vec4 a[UNITS];
#endif
            for (int i = 0; i < UNITS; i++)
                a[i] = FETCH(row + column[i]);
            for (int t = 0; t < TX; t++)
                for (int k = 0; k < KW; k++)
                    sum[t] += ITEM(ELEMENT_OF(t, k)) * b[ky * KW + k];
        }
#else
        for (int ky = 0; ky < p_kh; ky++) {
            int at_y = top + ky * p_dy;
            int row = uint(at_y) < uint(h) ? (plane * h + at_y) * w : NOWHERE;
            for (int kx = 0; kx < p_kw; kx++) {
                float b = LOAD_W((ky * p_kw + kx) * c4 + c);
                for (int t = 0; t < TX; t++) {
                    int at = (x * TX + t) * p_sx - p_px + kx * p_dx;
                    sum[t] += FETCH(row + (uint(at) < uint(w) ? at : NOWHERE)) * b;
                }
            }
        }
#endif
        int line = (plane * oh + y) * ow;
#ifdef Y_ELEMENT
        for (int t = 0; t < TX; t++) {
            int at = x * TX + t, place = line + at;
            if (at < ow)
                STORE_Y(place, EPILOGUE(sum[t], place));
        }
#elif defined Y_PAIRS
        for (int t = 0; t < TX / 2; t++) {
            int at = x * TX + t * 2, place = line + at;
            if (at < ow)
                STORE2_Y(place / 2, vec2(EPILOGUE(sum[t * 2], place),
                                         EPILOGUE(sum[t * 2 + 1], place + 1)));
        }
#else
        for (int t = 0; t < TX / 4; t++) {
            int at = x * (TX / 4) + t, place = line + at;
            vec4 v = vec4(sum[t * 4], sum[t * 4 + 1], sum[t * 4 + 2], sum[t * 4 + 3]);
            if (at < ow)
                STORE_Y(place, EPILOGUE(v, place));
        }
#endif
    }
}
