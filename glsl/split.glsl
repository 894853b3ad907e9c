// Up to three parts of X at once. X is [outer, row]; this kernel reads [start, start +
// len) of each row: the first p_a units go to A, the next p_b to B, the rest to C. In:
// X. Out: A, B, C (with PARTS >= 2, 3), each [outer, its part]. All have one view.
// Params: count: units that this kernel moves; dim (outer, len); step: LOCAL_SIZE units
// as an index; row, start, a, b, c. Defines: PARTS 1 ... 3. One invocation moves four
// units, LOCAL_SIZE apart.

#define RANK 2
#define INDEX_STEP
#include "lib/index.glsl"

void main() {
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    int index[2];
    index_of(unit, index);
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
            int outer = index[0], at = index[1];
            T_X v = LOAD_X(outer * p_row + p_start + at);
#if PARTS == 1
            STORE_A(outer * p_a + at, v);
#elif PARTS == 2
            if (at < p_a)
                STORE_A(outer * p_a + at, v);
            else
                STORE_B(outer * p_b + at - p_a, v);
#else
            if (at < p_a)
                STORE_A(outer * p_a + at, v);
            else if (at < p_a + p_b)
                STORE_B(outer * p_b + at - p_a, v);
            else
                STORE_C(outer * p_c + at - p_a - p_b, v);
#endif
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
