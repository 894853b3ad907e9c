// A strided copy. Element i of Y, in the order Y lies in memory, is
//   X[offset + sum over k of index_k * stride(k)],
// index: i in the mixed radix dim(0 ... RANK-1).
// In: X. Out: Y, whole. Params: offset, dim, stride; count: units of Y; step: LOCAL_SIZE
// units as an index. Defines: RANK 1 ... 16, and
//   UNITS  X and Y have one view; dims, strides and offset are in its units
//   ROWS   Y VEC4, X ELEMENT, dim(RANK-1) is a multiple of 4: a vec4 stays in one row
//          MASK: elements of a row from p_valid on are zeros; SPLAT: the innermost
//          stride is 0
//   else   Y VEC4, X ELEMENT, a vec4 may go over rows
// One invocation stores four units of Y, LOCAL_SIZE apart.

#define INDEX_STEP
#include "lib/index.glsl"

int source(int index[RANK]) {
    int at = p_offset;
    for (int k = 0; k < RANK; k++)
        at += index[k] * p_stride(k);
    return at;
}

void main() {
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    int index[RANK];
#ifdef UNITS
    index_of(unit, index);
#else
    index_of(unit * 4, index);
#endif
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
            int at = source(index);
#ifdef UNITS
            STORE_Y(unit, LOAD_X(at));
#elif defined(SPLAT)
            STORE_Y(unit, T_Y(LOAD_X(at)));
#elif defined(MASK)
            int s = p_stride(RANK - 1), left = p_valid - index[RANK - 1];
            STORE_Y(unit, T_Y(LOADZ_X(left > 0, at), LOADZ_X(left > 1, at + s),
                              LOADZ_X(left > 2, at + 2 * s),
                              LOADZ_X(left > 3, at + 3 * s)));
#elif defined(ROWS)
            int s = p_stride(RANK - 1);
            STORE_Y(unit, T_Y(LOAD_X(at), LOAD_X(at + s), LOAD_X(at + 2 * s),
                              LOAD_X(at + 3 * s)));
#else
            T_Y v = T_Y(LOAD_X(at));
            int e[RANK] = index;
            for (int m = 1; m < 4; m++) {
                index_next(e);
                at = e[0] < p_dim(0) ? source(e) : at; // behind the last: it again
                v[m] = LOAD_X(at);
            }
            STORE_Y(unit, v);
#endif
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
