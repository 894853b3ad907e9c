// Sums of values: Y[i] = sum over j of W[batch, head, i, j] * V[j]; p_per heads share
// V's.
// In: W [batch, p_heads, p_length, p_total]; V, rows of p_dim units, see
// attention_scores.
// Out: Y [batch, heads, length, dim] (Y_MAJOR) or [batch, length, heads, dim].
// Defines: VECTOR: units are vec4s. A weight of 0 takes no value, not even a NaN.
T_V sum_at(int at) {
    int row = at / p_dim;
    int d = at - row * p_dim;
#ifdef Y_MAJOR
    int rest = row / p_length;
    int i = row - rest * p_length;
    int b = rest / p_heads;
    int h = rest - b * p_heads;
    int w = row * p_total;
#else
    int rest = row / p_heads;
    int h = row - rest * p_heads;
    int b = rest / p_length;
    int i = rest - b * p_length;
    int w = ((b * p_heads + h) * p_length + i) * p_total;
#endif
    int v = p_v(0) + b * p_v(1) + h / p_per * p_v(2) + d;
    T_V sum = T_V(0.0);
    for (int j = 0; j < p_total; j++) {
        float weight = LOAD_W(w + j);
        T_V x = LOAD_V(v);
        sum += weight == 0.0 ? T_V(0.0) : x * weight;
        v += p_v(3);
    }
    return sum;
}

#ifdef VECTOR
void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    STORE_Y(i, sum_at(i));
}
#else
float element(int i) { return sum_at(i); }

#include "lib/map.glsl"
#endif
