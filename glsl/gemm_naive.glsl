// A matrix product element by element, for integers and what the tiles do not do.
// In:  A, B elements at any strides; C, if ADD: times beta. Without K: neither A nor B.
// Out: Y. An invocation computes a unit of it.
// Parameters: m, n, k; a_row, a_col, b_row, b_col, c_row, c_col; scale, beta; BATCH runs
//   of batches: batch(i), a_batch(i), b_batch(i); count
// Defines: KIND of the elements: 0 float, 1 int, 2 uint, 3 int64. ADD, BATCH, K.

#if KIND == 3
#include "lib/int64.glsl"
#define SUM(a, b) add64(a, b)
#define PRODUCT(a, b) mul64(a, b)
#else
#define SUM(a, b) ((a) + (b))
#define PRODUCT(a, b) ((a) * (b))
#endif

S_Y element(int i) {
    int row = i / p_n, n = i - row * p_n, z = row / p_m, m = row - z * p_m;
    S_Y sum = S_Y(0u);
#ifdef K
    int a = m * p_a_row, b = n * p_b_col;
#if BATCH > 0
    for (int d = BATCH - 1; d >= 0; d--) {
        int q = z / p_batch(d), r = z - q * p_batch(d);
        a += r * p_a_batch(d);
        b += r * p_b_batch(d);
        z = q;
    }
#endif
    for (int k = 0; k < p_k; k++) {
        sum = SUM(sum, PRODUCT(LOAD_A(a), LOAD_B(b)));
        a += p_a_col;
        b += p_b_row;
    }
#endif
#if KIND == 0
    sum *= p_scale;
#endif
#if ADD
#if KIND == 0
    sum += p_beta * LOAD_C(m * p_c_row + n * p_c_col);
#else
    sum = SUM(sum, LOAD_C(m * p_c_row + n * p_c_col));
#endif
#endif
    return EPILOGUE(sum, i);
}
#include "lib/map.glsl"
