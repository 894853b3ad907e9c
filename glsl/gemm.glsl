// A tile of a matrix product: Y[z][m][n] = scale * sum of A[z][m][k] B[z][k][n], plus C.
// An invocation computes TM rows × NV vec4s of columns, LO vec4s apart; its lanes lie
// along columns (LO of them) and rows. No shared memory. The order of the loop's body
// matters on llvmpipe: first all of A, then for one vec4 of columns after the other its
// few rows of B, which stay in registers while each accumulator takes all its k.
// In:  A  vec4s along k, or elements (A_ELEMENT) at strides a_row, a_col
//      B  vec4s along n: row k of panel p at b + p * panel + k * b_row, a panel is 8
//         vec4s wide; or elements (B_ELEMENT) at strides b_row, b_col; or vec4s along k
//         (B_ALONG_K), columns b_col apart
//      C  elements at strides c_row, c_col, times beta, if ADD is 2; ADD 1: a row of
//         vec4s behind B's panels, at `bias`
// Out: Y  vec4s, or elements (Y_ELEMENT); dense, or (Y_ROWS) batches y_batch(i) and rows
//         y_row apart, in units of its view
// Parameters: m; n (elements); n4 (vec4s, rounded up); k4 (whole vec4s of k), tail (the
//   rest of k: 0 … 3, if TAIL; a vec4 of A holds it); scale, if SCALE; BATCH runs of
//   batches: batch(i), a_batch(i), b_batch(i), in units of A's and B's views; down: groups
//   are (rows, columns, batch), else (columns, rows, batch)
// Defines: TM (1 … 31), NV (1 … 6), KU (vec4s of k a step: 1 or 2), LO (1, 2, 4, 8), LY
//   (invocations along rows in a group), AT_ONCE (rows stored a turn: lib/turns.glsl says
//   why; TM or 1 … 4), and those above.

#include "lib/gemm_put.glsl"

// F for each row of the tile: TM's binary digits, 16s first
#define ROWS_2(F, i) F(i) F((i + 1))
#define ROWS_4(F, i) ROWS_2(F, i) ROWS_2(F, (i + 2))
#define ROWS_8(F, i) ROWS_4(F, i) ROWS_4(F, (i + 4))
#if TM >= 16
#define ROWS_16_(F) ROWS_8(F, 0) ROWS_8(F, 8)
#else
#define ROWS_16_(F)
#endif
#if (TM & 8) != 0
#define ROWS_8_(F) ROWS_8(F, (TM & 16))
#else
#define ROWS_8_(F)
#endif
#if (TM & 4) != 0
#define ROWS_4_(F) ROWS_4(F, (TM & 24))
#else
#define ROWS_4_(F)
#endif
#if (TM & 2) != 0
#define ROWS_2_(F) ROWS_2(F, (TM & 28))
#else
#define ROWS_2_(F)
#endif
#if (TM & 1) != 0
#define ROWS_1_(F) F((TM & 30))
#else
#define ROWS_1_(F)
#endif
#define ROWS(F) ROWS_16_(F) ROWS_8_(F) ROWS_4_(F) ROWS_2_(F) ROWS_1_(F)
#if NV == 1
#define COLUMNS(F, i) F(i, 0)
#elif NV == 2
#define COLUMNS(F, i) F(i, 0) F(i, 1)
#elif NV == 3
#define COLUMNS(F, i) F(i, 0) F(i, 1) F(i, 2)
#elif NV == 4
#define COLUMNS(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3)
#elif NV == 5
#define COLUMNS(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3) F(i, 4)
#elif NV == 6
#define COLUMNS(F, i) F(i, 0) F(i, 1) F(i, 2) F(i, 3) F(i, 4) F(i, 5)
#endif
#define S(i, j) s[(i) * NV + (j)]

#ifdef B_ALONG_K
#define COLUMN ivec4
#elif defined(B_ELEMENT)
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
    int m = p_down != 0 ? GROUP.x : GROUP.y, n = p_down != 0 ? GROUP.y : GROUP.x;
    m = ((m * LY + LOCAL_ID.y) * (8 / LO) + lane / LO) * TM;
    n = n * LO * NV + lane % LO;
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
#if defined(B_ELEMENT) || defined(B_ALONG_K)
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

#ifdef A_ELEMENT
#define A_STEP (4 * a_col)
#else
#define A_STEP 1
#endif
    int at = 0; // row k of B
    a = 0;      // what k is in A's rows
    for (int k = 0; k < k4; k += KU) {
        vec4 v[TM * KU];
        int at1 = at + b_row, at2 = at1 + b_row, at3 = at2 + b_row;
#if KU == 2
        int at4 = at3 + b_row, at5 = at4 + b_row, at6 = at5 + b_row, at7 = at6 + b_row;
#define LOAD_ROW(i)                         \
    v[2 * (i)] = load_a(row[i] + a, a_col); \
    v[2 * (i) + 1] = load_a(row[i] + a + A_STEP, a_col);
#define LOAD_MORE(j) \
    vec4 w4 = load_b(at4, column[j]), w5 = load_b(at5, column[j]); \
    vec4 w6 = load_b(at6, column[j]), w7 = load_b(at7, column[j]);
#define TERMS(i, j)                                                     \
    S(i, j) += v[2 * (i)].x * w0; S(i, j) += v[2 * (i)].y * w1;         \
    S(i, j) += v[2 * (i)].z * w2; S(i, j) += v[2 * (i)].w * w3;         \
    S(i, j) += v[2 * (i) + 1].x * w4; S(i, j) += v[2 * (i) + 1].y * w5; \
    S(i, j) += v[2 * (i) + 1].z * w6; S(i, j) += v[2 * (i) + 1].w * w7;
#else
#define LOAD_ROW(i) v[i] = load_a(row[i] + a, a_col);
#define LOAD_MORE(j)
#define TERMS(i, j)                                 \
    S(i, j) += v[i].x * w0; S(i, j) += v[i].y * w1; \
    S(i, j) += v[i].z * w2; S(i, j) += v[i].w * w3;
#endif
#ifdef B_ALONG_K
#define LOAD_COLUMN(j) \
    vec4 c0 = LOAD_B(at + column[j].x), c1 = LOAD_B(at + column[j].y); \
    vec4 c2 = LOAD_B(at + column[j].z), c3 = LOAD_B(at + column[j].w); \
    vec4 w0 = vec4(c0.x, c1.x, c2.x, c3.x), w1 = vec4(c0.y, c1.y, c2.y, c3.y); \
    vec4 w2 = vec4(c0.z, c1.z, c2.z, c3.z), w3 = vec4(c0.w, c1.w, c2.w, c3.w);
#else
#define LOAD_COLUMN(j) \
    vec4 w0 = load_b(at, column[j]), w1 = load_b(at1, column[j]);  \
    vec4 w2 = load_b(at2, column[j]), w3 = load_b(at3, column[j]); \
    LOAD_MORE(j)
#endif
#define TERMS_0(i) TERMS(i, 0)
#define TERMS_1(i) TERMS(i, 1)
#define TERMS_2(i) TERMS(i, 2)
#define TERMS_3(i) TERMS(i, 3)
#define TERMS_4(i) TERMS(i, 4)
#define TERMS_5(i) TERMS(i, 5)
        ROWS(LOAD_ROW)
        { LOAD_COLUMN(0) ROWS(TERMS_0) }
#if NV > 1
        { LOAD_COLUMN(1) ROWS(TERMS_1) }
#endif
#if NV > 2
        { LOAD_COLUMN(2) ROWS(TERMS_2) }
#endif
#if NV > 3
        { LOAD_COLUMN(3) ROWS(TERMS_3) }
#endif
#if NV > 4
        { LOAD_COLUMN(4) ROWS(TERMS_4) }
#endif
#if NV > 5
        { LOAD_COLUMN(5) ROWS(TERMS_5) }
#endif
        a += KU * A_STEP;
#ifdef B_ALONG_K
        at++;
#else
        at += 4 * KU * b_row;
#endif
    }
#ifdef TAIL
#ifndef A_ELEMENT
    vec4 v[TM];
#define LOAD_REST(i) v[i] = LOAD_A(row[i] + a);
    ROWS(LOAD_REST)
#endif
    for (int k = 0; k < p_tail; k++) {
        vec4 w[NV];
#define LOAD_LAST(i, j) w[j] = load_b(at, column[j]);
        COLUMNS(LOAD_LAST, 0)
        at += b_row;
#define TERM(i, j) S(i, j) += last * w[j];
#ifdef A_ELEMENT
#define TAIL_STEP(i) { \
        float last = LOAD_A(row[i] + a); \
        COLUMNS(TERM, i) \
    }
#else
#define TAIL_STEP(i) { \
        float last = v[i].x; \
        v[i] = v[i].yzwx; \
        COLUMNS(TERM, i) \
    }
#endif
        ROWS(TAIL_STEP)
#ifdef A_ELEMENT
        a += a_col;
#endif
    }
#endif
#define PUT(i, j) put(z, at + (i), n + j * LO, S(i, j));
#define PUT_ROW(i) COLUMNS(PUT, i)
#if AT_ONCE < TM
#define MOVE(i, j) S(i, j) = S(i + AT_ONCE < TM ? i + AT_ONCE : i, j);
#define MOVE_ROW(i) COLUMNS(MOVE, i)
    int end = min(m + TM, p_m);
    for (at = m; at < end; at += AT_ONCE) {
        PUT_ROW(0)
#if AT_ONCE > 1
        PUT_ROW(1)
#endif
#if AT_ONCE > 2
        PUT_ROW(2)
#endif
#if AT_ONCE > 3
        PUT_ROW(3)
#endif
        ROWS(MOVE_ROW)
    }
#else
    at = m;
    ROWS(PUT_ROW)
#endif
}
