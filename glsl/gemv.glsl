// Rows times a matrix: for products of few rows, or few columns. As gemm.glsl, but a
// group computes LO vec4s of columns of one row, its LOCAL_SIZE / LO lanes for each share
// k, and a barrier joins them.
// In: A vec4s along k; B vec4s along n in panels; C. Out: Y. Parameters as gemm.glsl.
// Defines: LO, BATCH, ADD, SCALE, Y_ELEMENT.
#include "lib/gemm_put.glsl"

shared vec4 parts[LOCAL_SIZE];

void main() {
    int lane = LOCAL % LO, share = LOCAL / LO, z = GROUP.z, m = GROUP.y;
    int n = GROUP.x * LO + lane, a, b;
    batch_at(z, a, b);
    n = min(n, p_n4 - 1);
    const int shares = LOCAL_SIZE / LO;
    int b_row = p_b_row, k4 = p_k4;
    b += (n >> 3) * p_panel + (n & 7) + 4 * share * b_row;
    a += m * p_a_row + share;
    vec4 s = vec4(0.0);
    for (int k = share; k < k4; k += shares) {
        vec4 v = LOAD_A(a);
        int row = b;
        s += v.x * LOAD_B(row);
        row += b_row;
        s += v.y * LOAD_B(row);
        row += b_row;
        s += v.z * LOAD_B(row);
        row += b_row;
        s += v.w * LOAD_B(row);
        a += shares;
        b += 4 * shares * b_row;
    }
    parts[LOCAL] = s;
    memoryBarrierShared();
    barrier();
    if (share == 0) {
        for (int i = 1; i < shares; i++)
            s += parts[i * LO + lane];
#if ADD == 1
        s += LOAD_B(p_bias + n);
#endif
        put(z, m, GROUP.x * LO + lane, s);
    }
}
