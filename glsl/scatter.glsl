// ScatterElements, ScatterND: after Y was made a copy of the data, update i goes to
// Y[sum over k of index_k * stride(k) + pick(sum over k of index_k * place(k))], index:
// i in the mixed radix dim(0 ... RANK-1); pick: lib/pick.glsl. Of two updates of one
// place either stays. In: U (updates, in order), I. Out: Y, in part. Params: dim,
// stride, place; count: units of U; step: LOCAL_SIZE units as an index; axis_dim,
// axis_stride. U and Y have one view; dims and strides are in its units. Defines: RANK,
// TUPLE, INDEX64. One invocation moves four units of U, LOCAL_SIZE apart.

#define INDEX_STEP
#include "lib/index.glsl"
#include "lib/pick.glsl"

void main() {
    int index[RANK];
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    index_of(unit, index);
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
            int at = 0, place = 0;
            for (int k = 0; k < RANK; k++) {
                at += index[k] * p_stride(k);
                place += index[k] * p_place(k);
            }
            STORE_Y(at + pick(place), LOAD_U(unit));
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
