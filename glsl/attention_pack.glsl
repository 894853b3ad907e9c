// Rows of heads, turned (rotary embedding) and with a bias added.
// In: X, at p_x(0) + batch * p_x(1) + head * p_x(2) + row * p_x(3); B: a value an element
// of a token, from p_bias on (BIAS); T: cosines and sines (ROTATE 1: halves, 2:
// neighbours).
// Out: Y [batch, heads, length, dim] (Y_MAJOR) or [batch, length, heads, dim].
float element(int i) {
    int row = i / p_dim;
    int d = i - row * p_dim;
#ifdef Y_MAJOR
    int rest = row / p_length;
    int s = row - rest * p_length;
    int b = rest / p_heads;
    int h = rest - b * p_heads;
#else
    int rest = row / p_heads;
    int h = row - rest * p_heads;
    int b = rest / p_length;
    int s = rest - b * p_length;
#endif
    int at = p_x(0) + b * p_x(1) + h * p_x(2) + s * p_x(3);
    float x = LOAD_X(at + d);
#ifdef BIAS
    int bias = p_bias + h * p_dim;
    x += LOAD_B(bias + d);
#endif
#ifdef ROTATE
    if (d < 2 * p_half) {
#if ROTATE == 1
        bool second = d >= p_half;
        int j = second ? d - p_half : d;
        int other = second ? j : d + p_half;
#else
        bool second = (d & 1) == 1;
        int j = d >> 1;
        int other = d ^ 1;
#endif
        float y = LOAD_X(at + other);
#ifdef BIAS
        y += LOAD_B(bias + other);
#endif
        int place = ((b * p_length + s) * p_half + j) * 2;
        float cosine = LOAD_T(place), sine = LOAD_T(place + 1);
        x = (second ? y * sine + x * cosine : x * cosine - y * sine) * p_scale;
    }
#endif
    return x;
}

#include "lib/map.glsl"
