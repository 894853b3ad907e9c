// Columns times weights, by groups. In: X F32 [N, all_terms, places], W [outputs, terms],
// B [outputs] (BIAS). Out: Y [N, outputs, places] (lib/map.glsl); outputs of a group of
// per_group share `terms` rows of X. Params: outputs, per_group, all_terms, terms,
// places.
// Defines: BIAS. One invocation makes a unit of Y.

S_Y element(int i) {
    int row = i / p_places, place = i - row * p_places;
    int n = row / p_outputs, oc = row - n * p_outputs;
    int at = (n * p_all_terms + oc / p_per_group * p_terms) * p_places + place;
    int w = oc * p_terms;
#ifdef BIAS
    float sum = LOAD_B(oc);
#else
    float sum = 0.0;
#endif
    for (int k = 0; k < p_terms; k++, at += p_places)
        sum += LOAD_X(at) * LOAD_W(w + k);
    return sum;
}

#include "lib/map.glsl"
