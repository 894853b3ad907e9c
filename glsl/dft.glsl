// DFT and STFT as direct sums. Y is [a][mid][inner][parts]; its value is the sum over
// i < taps of X[at + i * tap] * e^(-2*pi*I*k*i/length) (INVERSE: +, divided by length),
// at = a * a_stride + mid * mid_stride + inner * inner_stride; k is mid, or inner (STFT).
// In: X, W (WINDOW: factors of the taps). Out: Y (lib/map.glsl).
// Params: length, taps, mid, inner, a_stride, mid_stride, inner_stride, tap,
// nought: 0.
// Defines: STFT, INVERSE, WINDOW; PARTS: 1 (X is real) or 2; REAL_OUT: X has the first
// half of a spectrum, Y is real. One invocation makes a unit of Y.
#include "lib/math.glsl"

// The sum of sums is kept with what rounding took from it: terms cancel. The compiler
// must not see through this arithmetic: p_nought is 0.
#define OPAQUE(v) intBitsToFloat(floatBitsToInt(v) ^ p_nought)

S_Y element(int i) {
#ifdef REAL_OUT
    int part = 0, rest = i;
#else
    int part = i & 1, rest = i >> 1;
#endif
    int inner = rest % p_inner;
    rest /= p_inner;
    int mid = rest % p_mid;
    int at = rest / p_mid * p_a_stride + mid * p_mid_stride + inner * p_inner_stride;
#ifdef STFT
    int k = inner;
#else
    int k = mid;
#endif
    int phase = 0;
    float sum = 0.0, rest_of_sum = 0.0, turn = 1.5707963267948966 / float(p_length);
    for (int n = 0; n < p_taps; n++, at += p_tap) {
        // angles in [-pi/4, pi/4] from whole quarters of a turn: zeros and ones are exact
        int quarter = (phase * 4 + (p_length >> 1)) / p_length;
        float angle = float(phase * 4 - quarter * p_length) * turn;
        float c0 = cos_(angle), s0 = sin_(angle);
        float cs = (quarter & 1) == 0 ? c0 : -s0, sn = (quarter & 1) == 0 ? s0 : c0;
        cs = (quarter & 2) == 0 ? cs : -cs;
        sn = (quarter & 2) == 0 ? sn : -sn;
#ifndef INVERSE
        sn = -sn;
#endif
        float re = LOAD_X(at);
#if PARTS == 2
        float im = LOAD_X(at + 1);
#else
        float im = 0.0;
#endif
        float v = part == 0 ? re * cs - im * sn : re * sn + im * cs;
#ifdef REAL_OUT
        if (n > 0 && 2 * n != p_length)
            v += v;
#endif
#ifdef WINDOW
        v *= LOAD_W(n);
#endif
        float total = OPAQUE(sum + v), part_of_v = OPAQUE(total - sum);
        rest_of_sum += (sum - OPAQUE(total - part_of_v)) + (v - part_of_v);
        sum = total;
        phase += k;
        if (phase >= p_length)
            phase -= p_length;
    }
    sum += rest_of_sum;
#ifdef INVERSE
    sum /= float(p_length);
#endif
    return sum;
}

#include "lib/map.glsl"
