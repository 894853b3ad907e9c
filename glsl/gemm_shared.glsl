// A tile of a matrix product for devices whose shared memory is near: parameters and
// operands as gemm.glsl. A group of 16 × 8 invocations computes 64 rows × 16 vec4s of
// columns. Step by step of 16 k, half of them bring A's rows to shared memory, turned so
// that a vec4 holds four rows of one k, the others B's; then each multiplies 8 rows by
// a vec4 of columns in registers. What lies beyond the edges is not stored, and beyond k
// it is zero on both sides (a NaN of the last row of B must not meet A's zeros).
// In: A (vec4s along k, or A_ELEMENT), B (vec4s along n in panels, or B_ELEMENT), C.
// Out: Y, vec4s or elements. Shared memory: 8 KiB.
// Parameters: those of gemm.glsl but k4 and tail; k
#include "lib/gemm_put.glsl"

const int STEP = 16; // of k

shared vec4 a_tile[STEP * 16]; // [k][rows / 4]
shared vec4 b_tile[STEP * 16]; // [k][vec4s of columns]

// A's row at `at`, k to k + 3
vec4 a_of(int at, int k) {
#ifdef A_ELEMENT
    ivec4 i = k + ivec4(0, 1, 2, 3), in_k = min(i, ivec4(p_k - 1));
    vec4 v = vec4(LOAD_A(at + in_k.x * p_a_col), LOAD_A(at + in_k.y * p_a_col),
                  LOAD_A(at + in_k.z * p_a_col), LOAD_A(at + in_k.w * p_a_col));
    return mix(v, vec4(0.0), greaterThanEqual(i, ivec4(p_k)));
#else
    return k < p_k ? LOAD_A(at + (k >> 2)) : vec4(0.0);
#endif
}

// B's row k, vec4 n of its columns
vec4 b_of(int b, int k, int n) {
    if (k >= p_k)
        return vec4(0.0);
    int row = b + k * p_b_row;
#ifdef B_ELEMENT
    ivec4 at = min(4 * n + ivec4(0, 1, 2, 3), ivec4(p_n - 1)) * p_b_col;
    return vec4(LOAD_B(row + at.x), LOAD_B(row + at.y), LOAD_B(row + at.z),
                LOAD_B(row + at.w));
#else
    n = min(n, p_n4 - 1);
    return LOAD_B(row + (n >> 3) * p_panel + (n & 7));
#endif
}

void main() {
    int local = LOCAL, z = GROUP.z, a, b;
    int m = GROUP.y * 64, n = GROUP.x * 16;
    batch_at(z, a, b);
    int tx = local & 15, ty = local >> 4; // of the tile: vec4 of columns, 8 rows
    int task = local & 63;
    int load_k = task & 3, load_row = task >> 2; // A: 4 k, 4 rows; B: 4 rows of k
    ivec4 row = a + min(m + 4 * load_row + ivec4(0, 1, 2, 3), ivec4(p_m - 1)) * p_a_row;
    vec4 first = vec4(0.0);
#if ADD == 1
    first = LOAD_B(p_bias + min(n + tx, p_n4 - 1));
#endif
    vec4 s0 = first, s1 = first, s2 = first, s3 = first;
    vec4 s4 = first, s5 = first, s6 = first, s7 = first;
    for (int k = 0; k < p_k; k += STEP) {
        if (local < 64) {
            int at = k + 4 * load_k;
            vec4 v0 = a_of(row.x, at), v1 = a_of(row.y, at);
            vec4 v2 = a_of(row.z, at), v3 = a_of(row.w, at);
            int to = load_k * 64 + load_row;
            a_tile[to] = vec4(v0.x, v1.x, v2.x, v3.x);
            a_tile[to + 16] = vec4(v0.y, v1.y, v2.y, v3.y);
            a_tile[to + 32] = vec4(v0.z, v1.z, v2.z, v3.z);
            a_tile[to + 48] = vec4(v0.w, v1.w, v2.w, v3.w);
        } else {
            for (int i = 0; i < 4; i++) {
                int at = 4 * i + (task >> 4);
                b_tile[at * 16 + (task & 15)] = b_of(b, k + at, n + (task & 15));
            }
        }
        memoryBarrierShared();
        barrier();
        for (int i = 0; i < STEP; i++) {
            vec4 v = a_tile[i * 16 + 2 * ty], w = a_tile[i * 16 + 2 * ty + 1];
            vec4 c = b_tile[i * 16 + tx];
            s0 += v.x * c;
            s1 += v.y * c;
            s2 += v.z * c;
            s3 += v.w * c;
            s4 += w.x * c;
            s5 += w.y * c;
            s6 += w.z * c;
            s7 += w.w * c;
        }
        memoryBarrierShared();
        barrier();
    }
    m += 8 * ty;
    n += tx;
    put(z, m, n, s0);
    put(z, m + 1, n, s1);
    put(z, m + 2, n, s2);
    put(z, m + 3, n, s3);
    put(z, m + 4, n, s4);
    put(z, m + 5, n, s5);
    put(z, m + 6, n, s6);
    put(z, m + 7, n, s7);
}
