// The place of the largest or smallest element of each line.
// In:  X [outer, size, inner], elements; or vec4s along inner (columns) or size (rows)
// Out: Y [outer, inner], int64. With columns of vec4s an invocation stores four of them.
// Parameters: size, inner (in X's units), lines (in units)
// Defines: SHAPE 0: columns, inner > 1; 1: rows, an invocation takes one; 2: rows, a
//   group takes one, its lanes side by side in X. SMALLEST: minimum, not maximum. LATEST:
//   of equal elements the last, not the first. INT64: elements are uvec2 (64 bits);
//   UNSIGNED: without a sign.
// NaN is never better than anything.

#ifdef INT64
#include "lib/int64.glsl"
#ifdef UNSIGNED
#define LESS(a, b) lt64u(a, b)
#else
#define LESS(a, b) lt64(a, b)
#endif
#else
#define LESS(a, b) ((a) < (b))
#endif
#ifdef SMALLEST
#define BEYOND(a, b) LESS(a, b)
#else
#define BEYOND(a, b) LESS(b, a)
#endif
#ifdef LATEST
#define BETTER(v, i, best, at) (BEYOND(v, best) || (v == best && i > at))
#else
#define BETTER(v, i, best, at) (BEYOND(v, best) || (v == best && i < at))
#endif

void consider(S_X v, int i, inout S_X best, inout int at) {
    bool take = BETTER(v, i, best, at);
    best = take ? v : best;
    at = take ? i : at;
}

#if SHAPE == 0

void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int o = line / p_inner, i = o * (p_size - 1) * p_inner + line;
    T_X best = LOAD_X(i);
#if UNIT_X == 4
    ivec4 at = ivec4(0);
    for (int k = 1; k < p_size; k++) {
        i += p_inner;
        T_X v = LOAD_X(i);
        consider(v.x, k, best.x, at.x);
        consider(v.y, k, best.y, at.y);
        consider(v.z, k, best.z, at.z);
        consider(v.w, k, best.w, at.w);
    }
    STORE_Y(4 * line, uvec2(at.x, 0u));
    STORE_Y(4 * line + 1, uvec2(at.y, 0u));
    STORE_Y(4 * line + 2, uvec2(at.z, 0u));
    STORE_Y(4 * line + 3, uvec2(at.w, 0u));
#else
    int at = 0;
    for (int k = 1; k < p_size; k++) {
        i += p_inner;
        consider(LOAD_X(i), k, best, at);
    }
    STORE_Y(line, uvec2(at, 0u));
#endif
}

#else

// Units k, k + skip, … of the row that starts at `row`.
void search(int row, int k, int skip, out S_X best, out int at) {
#if UNIT_X == 4
    T_X high = LOAD_X(row + k);
    ivec4 where = ivec4(k);
    for (k += skip; k < p_size; k += skip) {
        T_X v = LOAD_X(row + k);
        consider(v.x, k, high.x, where.x);
        consider(v.y, k, high.y, where.y);
        consider(v.z, k, high.z, where.z);
        consider(v.w, k, high.w, where.w);
    }
    where = 4 * where + ivec4(0, 1, 2, 3);
    best = high.x, at = where.x;
    consider(high.y, where.y, best, at);
    consider(high.z, where.z, best, at);
    consider(high.w, where.w, best, at);
#else
    best = LOAD_X(row + k), at = k;
    for (k += skip; k < p_size; k += skip)
        consider(LOAD_X(row + k), k, best, at);
#endif
}

#if SHAPE == 1
void main() {
    int line = FLAT, at;
    S_X best;
    if (line >= p_lines)
        return;
    search(line * p_size, 0, 1, best, at);
    STORE_Y(line, uvec2(at, 0u));
}
#else
shared S_X bests[LOCAL_SIZE];
shared int places[LOCAL_SIZE];

void main() {
    int line = GROUP.x, many = min(p_size, LOCAL_SIZE), at = 0;
    S_X best = S_X(0u);
    if (LOCAL < many) {
        search(line * p_size, LOCAL, LOCAL_SIZE, best, at);
        bests[LOCAL] = best;
        places[LOCAL] = at;
    }
    memoryBarrierShared();
    barrier();
    if (LOCAL == 0) {
        for (int i = 1; i < many; i++)
            consider(bests[i], places[i], best, at);
        STORE_Y(line, uvec2(at, 0u));
    }
}
#endif
#endif
