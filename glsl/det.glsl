// Determinants. In: X [count, size, size]. Out: Y (lib/map.glsl). Params: size ≤ MOST.
// Defines: MOST. One invocation makes a unit of Y.

S_Y element(int at) {
    float m[MOST * MOST];
    int n = p_size, from = at * n * n;
    for (int i = 0; i < n * n; i++)
        m[i] = LOAD_X(from + i);
    float result = 1.0;
    for (int k = 0; k < n; k++) {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
            if (abs(m[i * n + k]) > abs(m[pivot * n + k]))
                pivot = i;
        if (pivot != k) {
            result = -result;
            for (int j = k; j < n; j++) {
                float v = m[k * n + j];
                m[k * n + j] = m[pivot * n + j];
                m[pivot * n + j] = v;
            }
        }
        float head = m[k * n + k];
        result *= head;
        if (head != 0.0) {
            for (int i = k + 1; i < n; i++) {
                float f = m[i * n + k] / head;
                for (int j = k + 1; j < n; j++)
                    m[i * n + j] -= f * m[k * n + j];
            }
        }
    }
    return result;
}

#include "lib/map.glsl"
