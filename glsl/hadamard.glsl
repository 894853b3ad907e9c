// Rows times the orthonormal Hadamard matrix of p_many * 4, a power of two.
// In: vec4s X at p_x(0) + batch * p_x(1) + head * p_x(2) + row * p_x(3). Out: vec4s Y
// [batch, p_heads, p_length, p_many]. One invocation: one vec4.
#include "lib/hadamard.glsl"

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int row = i / p_many;
    int d = i - row * p_many;
    int rest = row / p_length;
    int b = rest / p_heads;
    int at = p_x(0) + b * p_x(1) + (rest - b * p_heads) * p_x(2) + (row - rest * p_length) * p_x(3);
    vec4 sum = vec4(0.0);
    for (int j = 0; j < p_many; j++)
        sum += sign_of(j & d) * LOAD_X(at + j);
    STORE_Y(i, turned(sum) * inversesqrt(float(4 * p_many)));
}
