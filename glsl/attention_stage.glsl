// Scores as an output shows them, after STAGE; see lib/attention.glsl. Out: Y like S.
// Defines: UNSEEN_ZERO: those of keys that are not seen are zeros.
#include "lib/attention.glsl"

float element(int i) {
    int row = i / p_total;
    float x = score(row_of(row), row, i - row * p_total);
#ifdef UNSEEN_ZERO
    x = floatBitsToUint(x) == 0xff800000u ? 0.0 : x;
#endif
    return x;
}

#include "lib/map.glsl"
