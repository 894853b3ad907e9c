// Up to three inputs side by side. Y is [outer, row]; this kernel writes [start, start +
// len) of each row: the first p_a units from A, the next p_b from B, the rest from C.
// In: A, B, C (with PARTS >= 2, 3), each [outer, its part]. Out: Y. Params: count: units
// (or, without UNITS, vec4s) that this kernel stores; dim (outer, len); step: LOCAL_SIZE
// units as an index; row, start, a, b; c: of C, in units. Defines: PARTS 1 ... 3; UNITS:
// all have one view; else Y VEC4, the inputs ELEMENT, and the kernel writes whole rows
// (start 0, len row). One invocation stores four units, LOCAL_SIZE apart.

#define RANK 2
#define INDEX_STEP
#include "lib/index.glsl"

T_A part(int outer, int at) {
#if PARTS >= 2
    if (at >= p_a) {
        at -= p_a;
#if PARTS == 3
        if (at >= p_b)
            return LOAD_C(outer * p_c + at - p_b);
#endif
        return LOAD_B(outer * p_b + at);
    }
#endif
    return LOAD_A(outer * p_a + at);
}

void main() {
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    int index[2];
#ifdef UNITS
    index_of(unit, index);
#else
    index_of(unit * 4, index);
#endif
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
#ifdef UNITS
            STORE_Y(index[0] * p_row + p_start + index[1], part(index[0], index[1]));
#else
            T_Y v = T_Y(part(index[0], index[1]));
            int e[2] = index;
            for (int m = 1; m < 4; m++) {
                index_next(e);
                v[m] = e[0] < p_dim(0) ? part(e[0], e[1]) : v[0];
            }
            STORE_Y(unit, v);
#endif
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
