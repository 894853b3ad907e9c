// A depthwise convolution that looks back only. In: X, lines of p_before + p_length, one
// a batch entry and channel; W [p_channels, p_before + 1]; B [p_channels] (BIAS). Out: Y,
// lines of p_length (lib/map.glsl). SILU: x * sigmoid(x) of the sums.
S_Y element(int i) {
    int line = i / p_length, t = i - line * p_length;
    int channel = line - line / p_channels * p_channels, k = p_before + 1;
    int x = line * (p_before + p_length) + t, w = channel * k;
#if BIAS
    float sum = LOAD_B(channel);
#else
    float sum = 0.0;
#endif
    for (int j = 0; j < k; j++)
        sum += LOAD_X(x + j) * LOAD_W(w + j);
#if SILU
    sum /= 1.0 + exp(-sum);
#endif
    return sum;
}

#include "lib/map.glsl"
