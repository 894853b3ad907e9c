// A tile of a matrix product: Y[z][m][n] = scale * sum of A[z][m][k] B[z][k][n], plus C.
// An invocation computes TM rows × NV vec4s of columns, LO vec4s apart; its lanes lie
// along columns (LO of them) and rows. No shared memory. The order of the loop's body
// matters on llvmpipe: one row after the other, one accumulator after the other, each
// takes all its k.
// In:  A  vec4s along k, or elements (A_ELEMENT) at strides a_row, a_col
//      B  vec4s along n: row k of panel p at b + p * panel + k * b_row, a panel is 8
//         vec4s wide; or elements (B_ELEMENT) at strides b_row, b_col
//      C  elements at strides c_row, c_col, times beta, if ADD is 2; ADD 1: a row of
//         vec4s behind B's panels, at `bias`
// Out: Y  vec4s, or elements (Y_ELEMENT)
// Parameters: m; n (elements); n4 (vec4s, rounded up); k4 (whole vec4s of k), tail (the
//   rest of k: 0 … 3, if TAIL); scale, if SCALE; BATCH runs of batches: batch(i),
//   a_batch(i), b_batch(i), in units of A's and B's views
// Defines: TM, NV, KU (vec4s of k a step: 1 or 2), LO (1, 2, 4, 8), LY (invocations along
//   rows in a group), and those above.

#include "lib/gemm_put.glsl"

#if TM == 1
#define ROWS(F) F(0)
#elif TM == 2
#define ROWS(F) F(0) F(1)
#elif TM == 4
#define ROWS(F) F(0) F(1) F(2) F(3)
#elif TM == 7
#define ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6)
#elif TM == 8
#define ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#endif
#if NV == 1
#define COLUMNS(F, i) F(i, 0)
#elif NV == 2
#define COLUMNS(F, i) F(i, 0) F(i, 1)
#elif NV == 4
#define COLUMNS(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3)
#endif
#define S(i, j) s[(i) * NV + (j)]
#define W(q, j) w[(q) * NV + (j)]

#ifdef B_ELEMENT
#define COLUMN ivec4
vec4 load_b(int row, ivec4 at) {
    return vec4(LOAD_B(row + at.x), LOAD_B(row + at.y), LOAD_B(row + at.z),
                LOAD_B(row + at.w));
}
#else
#define COLUMN int
#define load_b(row, at) LOAD_B((row) + (at))
#endif

#ifdef A_ELEMENT
vec4 load_a(int at, int step) {
    return vec4(LOAD_A(at), LOAD_A(at + step), LOAD_A(at + 2 * step),
                LOAD_A(at + 3 * step));
}
#else
#define load_a(at, step) LOAD_A(at)
#endif

void main() {
    int lane = LOCAL_ID.x, z = GROUP.z;
    int m = ((GROUP.y * LY + LOCAL_ID.y) * (8 / LO) + lane / LO) * TM;
    int n = GROUP.x * LO * NV + lane % LO;
    int a, b;
    batch_at(z, a, b);
    int k4 = p_k4, b_row = p_b_row;
#ifdef A_ELEMENT
    int a_col = p_a_col;
#else
    const int a_col = 1;
#endif
    int row[TM];
    COLUMN column[NV];
    vec4 s[TM * NV];
#define SET_ROW(i) row[i] = a + min(m + i, p_m - 1) * p_a_row;
    ROWS(SET_ROW)
#ifdef B_ELEMENT
#define SET_COLUMN(i, j) \
    column[j] = b + min(4 * (n + j * LO) + ivec4(0, 1, 2, 3), ivec4(p_n - 1)) * p_b_col;
#else
#define AT(j) min(n + j * LO, p_n4 - 1)
#define SET_COLUMN(i, j) column[j] = b + (AT(j) >> 3) * p_panel + (AT(j) & 7);
#endif
    COLUMNS(SET_COLUMN, 0)
#if ADD == 1
#define SET_SUM(i, j) S(i, j) = first[j];
    vec4 first[NV];
#define SET_FIRST(i, j) first[j] = LOAD_B(p_bias + min(n + j * LO, p_n4 - 1));
    COLUMNS(SET_FIRST, 0)
#else
#define SET_SUM(i, j) S(i, j) = vec4(0.0);
#endif
#define SET_SUMS(i) COLUMNS(SET_SUM, i)
    ROWS(SET_SUMS)

    int at = 0; // row k of B
    for (int k = 0; k < k4; k += KU) {
        vec4 w[4 * KU * NV];
#define LOAD_W(q, j) W(q, j) = load_b(at, column[j]);
#define LOAD_ROW(q) COLUMNS(LOAD_W, q) at += b_row;
        LOAD_ROW(0) LOAD_ROW(1) LOAD_ROW(2) LOAD_ROW(3)
#if KU == 2
        LOAD_ROW(4) LOAD_ROW(5) LOAD_ROW(6) LOAD_ROW(7)
#endif
#define TERMS_1(i, j) \
    S(i, j) += v.x * W(0, j); S(i, j) += v.y * W(1, j); \
    S(i, j) += v.z * W(2, j); S(i, j) += v.w * W(3, j);
#if KU == 2
#define TERMS(i, j) TERMS_1(i, j) \
    S(i, j) += u.x * W(4, j); S(i, j) += u.y * W(5, j); \
    S(i, j) += u.z * W(6, j); S(i, j) += u.w * W(7, j);
#define STEP(i) { \
        vec4 v = load_a(row[i], a_col), u = load_a(row[i] + A_STEP, a_col); \
        row[i] += 2 * A_STEP; \
        COLUMNS(TERMS, i) \
    }
#else
#define STEP(i) { \
        vec4 v = load_a(row[i], a_col); \
        row[i] += A_STEP; \
        COLUMNS(TERMS_1, i) \
    }
#endif
#ifdef A_ELEMENT
#define A_STEP (4 * a_col)
#else
#define A_STEP 1
#endif
        ROWS(STEP)
    }
#ifdef TAIL
    for (int k = 0; k < p_tail; k++) {
        vec4 w[NV];
        COLUMNS(LOAD_W, 0)
        at += b_row;
#define TERM(i, j) S(i, j) += v * W(0, j);
#define TAIL_STEP(i) { \
        float v = LOAD_A(row[i]); \
        row[i] += a_col; \
        COLUMNS(TERM, i) \
    }
        ROWS(TAIL_STEP)
    }
#endif
#define PUT(i, j) put(z, m + i, n + j * LO, S(i, j));
#define PUT_ROW(i) COLUMNS(PUT, i)
    ROWS(PUT_ROW)
}
