// B of a matrix product in panels of 8 vec4s of columns, so that a tile's rows lie
// together.
// In: B, vec4s along n, or elements (B_ELEMENT) at strides b_row, b_col. Out: Y vec4s
// [matrices][panels][k][8], columns beyond n are 0.
// Parameters: n, n4, k, b_row, b_col in units of B's view; panels; BATCH runs of
// matrices: batch(i), b_batch(i). Groups: y: panels, z: matrices. One invocation: 4 rows
// of a vec4.

vec4 value(int row, int n4) {
#ifdef B_ELEMENT
    int n = 4 * n4, at = row + n * p_b_col;
    return vec4(LOADZ_B(n < p_n, at), LOADZ_B(n + 1 < p_n, at + p_b_col),
                LOADZ_B(n + 2 < p_n, at + 2 * p_b_col),
                LOADZ_B(n + 3 < p_n, at + 3 * p_b_col));
#else
    return LOADZ_B(n4 < p_n4, row + n4);
#endif
}

void main() {
    int i = FLAT, z = GROUP.z, b = 0;
    int k = 4 * (i >> 3), lane = i & 7, n4 = GROUP.y * 8 + lane;
    if (k >= p_k)
        return;
#if BATCH
    int rest = z;
    for (int j = BATCH - 1; j >= 0; j--) {
        int q = rest / p_batch(j);
        b += (rest - q * p_batch(j)) * p_b_batch(j);
        rest = q;
    }
#endif
    int to = ((z * p_panels + GROUP.y) * p_k + k) * 8 + lane;
    int row = b + k * p_b_row;
    for (int j = 0; j < 4; j++)
        if (k + j < p_k)
            STORE_Y(to + 8 * j, value(row + j * p_b_row, n4));
}
