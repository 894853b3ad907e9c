// Gather, GatherElements, GatherND. Element i of Y is
//   X[sum over k of index_k * stride(k) + pick(sum over k of index_k * place(k))],
// index: i in the mixed radix dim(0 ... RANK-1); pick: lib/pick.glsl. In: X, I. Out: Y.
// Params: dim, stride, place; count: units of Y; step: LOCAL_SIZE units as an index;
// axis_dim, axis_stride. Defines: RANK, TUPLE, INDEX64, and
//   UNITS  X and Y have one view; dims and strides are in its units, the innermost index
//          does not matter to I
//   else   Y VEC4, X ELEMENT
//   PIECES with UNITS: a group sees p_piece units of X, from GROUP.z times as many on, and
//          stores what is of these
// One invocation stores four units of Y, LOCAL_SIZE apart.

#define INDEX_STEP
#include "lib/index.glsl"
#include "lib/pick.glsl"

int source(int index[RANK]) {
    int at = 0, place = 0;
    for (int k = 0; k < RANK; k++) {
        at += index[k] * p_stride(k);
        place += index[k] * p_place(k);
    }
    return at + pick(place);
}

void main() {
    int index[RANK];
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
#ifdef UNITS
    index_of(unit, index);
#else
    index_of(unit * 4, index);
#endif
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
#ifdef PIECES
            int at = source(index), from = GROUP.z * p_piece;
            if (at >= from && at < from + p_piece)
                STORE_Y(unit, LOAD_X(at));
#elif defined(UNITS)
            STORE_Y(unit, LOAD_X(source(index)));
#else
            T_Y v = T_Y(LOAD_X(source(index)));
            int e[RANK] = index;
            for (int m = 1; m < 4; m++) {
                index_next(e);
                if (e[0] < p_dim(0))
                    v[m] = LOAD_X(source(e));
            }
            STORE_Y(unit, v);
#endif
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
