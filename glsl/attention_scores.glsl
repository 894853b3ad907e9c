// Products of queries and keys: Y[batch, head, i, j] = p_scale * Q[i] . K[j].
// In: Q and K, rows of p_dim units at p_q(0) + batch * p_q(1) + head * p_q(2) + i *
// p_q(3); p_per query heads share a head of K. One invocation: one product.
float element(int at) {
    int row = at / p_total;
    int j = at - row * p_total;
    int rest = row / p_length;
    int i = row - rest * p_length;
    int b = rest / p_heads;
    int h = rest - b * p_heads;
    int q = p_q(0) + b * p_q(1) + h * p_q(2) + i * p_q(3);
    int k = p_k(0) + b * p_k(1) + h / p_per * p_k(2) + j * p_k(3);
    float sum = 0.0;
    for (int d = 0; d < p_dim; d++)
        sum += dot(LOAD_Q(q + d), LOAD_K(k + d));
    return sum * p_scale;
}

#include "lib/map.glsl"
