// Sums of products of A, B, C (INPUTS of them). An output index is one in the mixed radix
// dim(0 … KEPT-1), a term one in dim(KEPT … LABELS-1); together they are places in the
// inputs by the strides a, b, c. In: A, B, C. Out: Y (lib/map.glsl).
// Params: dim, a, b, c, terms. Defines: INPUTS, KEPT, LABELS. One invocation makes a unit
// of Y.

S_Y element(int i) {
    ivec3 first = ivec3(0);
    int rest = i;
    for (int l = KEPT - 1; l >= 0; l--) {
        int outer = rest / p_dim(l);
        first += (rest - outer * p_dim(l)) * ivec3(p_a(l), p_b(l), p_c(l));
        rest = outer;
    }
    S_Y sum = S_Y(0);
    for (int term = 0; term < p_terms; term++) {
        ivec3 at = first;
        rest = term;
        for (int l = LABELS - 1; l >= KEPT; l--) {
            int outer = rest / p_dim(l);
            at += (rest - outer * p_dim(l)) * ivec3(p_a(l), p_b(l), p_c(l));
            rest = outer;
        }
        S_Y v = S_Y(LOAD_A(at.x));
#if INPUTS > 1
        v *= S_Y(LOAD_B(at.y));
#endif
#if INPUTS > 2
        v *= S_Y(LOAD_C(at.z));
#endif
        sum += v;
    }
    return sum;
}

#include "lib/map.glsl"
