// Y = X / (bias + alpha * sum of squares over neighbouring channels) ^ beta.
// X, Y: dense [N, p_c, p_inner]. A unit of Y an invocation.
// Params: count c inner; before, after: neighbours; alpha (over the size) beta bias.

S_Y element(int i) {
    int rest = i / p_inner, c = rest - rest / p_c * p_c;
    int first = max(c - p_before, 0), last = min(c + p_after, p_c - 1);
    int at = i + (first - c) * p_inner;
    float sum = 0.0;
    for (int k = first; k <= last; k++) {
        float v = LOAD_X(at);
        sum += v * v;
        at += p_inner;
    }
    return LOAD_X(i) / pow(p_bias + p_alpha * sum, p_beta);
}

#include "lib/map.glsl"
