// Scores as an output shows them, after STAGE; see lib/attention.glsl. Out: Y like S.
#include "lib/attention.glsl"

float element(int i) {
    int row = i / p_total;
    return score(row_of(row), row, i - row * p_total);
}

#include "lib/map.glsl"
