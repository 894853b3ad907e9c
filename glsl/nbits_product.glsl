// Y[m][n] = sum over k of X[m][k] * W[n][k] + C[n] (BIAS). In: X [m, p_k], W [p_n, p_k].
// Out: Y [m, p_n]. One invocation: one element, or a pair.
float element(int i) {
    int m = i / p_n;
    int n = i - m * p_n;
    float sum = 0.0;
    for (int k = 0; k < p_k; k++)
        sum += LOAD_X(m * p_k + k) * LOAD_W(n * p_k + k);
#ifdef BIAS
    sum += LOAD_C(n);
#endif
    return sum;
}

#include "lib/map.glsl"
