// Y = X * scale + shift, channel by channel. X, Y: dense [N, p_c, p_inner]
// P: floats, p_c scales, p_at floats behind the first the shifts. A unit of Y an
// invocation.
// Params: count c inner at.

S_Y element(int i) {
    int rest = i / p_inner, c = rest - rest / p_c * p_c;
    float v = LOAD_X(i) * LOAD_P(c) + LOAD_P(p_at + c);
    v = EPILOGUE(v, i);
    return v;
}

#include "lib/map.glsl"
