// QuantizeLinear and, with DEQUANTIZE, its inverse, where scales differ. In: X, S
// (scales), with ZERO also Z (zero points, as many). Out: Y. Each element of Y on its
// own.
// Params: p_count; X is [outer, p_axis, p_inner]; element (o, a, i) has scale a, with
// BLOCKS scale (o * p_blocks + a / p_block) * p_inner + i. To quantize: p_low, p_high,
// Y's range.
#ifdef ZERO
#define ZERO_AT(s) int(LOAD_Z(s))
#else
#define ZERO_AT(s) 0
#endif

S_Y element(int i) {
    int row = i / p_inner, o = row / p_axis, a = row - o * p_axis;
#ifdef BLOCKS
    int s = (o * p_blocks + a / p_block) * p_inner + i - row * p_inner;
#else
    int s = a;
#endif
#ifdef DEQUANTIZE
    return float(int(LOAD_X(i)) - ZERO_AT(s)) * LOAD_S(s);
#else
    float v = roundEven(float(LOAD_X(i)) / LOAD_S(s)) + float(ZERO_AT(s));
    bool nan = (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u;
    v = clamp(nan ? 0.0 : v, float(p_low), float(p_high));
    return S_Y(nan ? clamp(0, p_low, p_high) : int(v));
#endif
}

#include "lib/map.glsl"
