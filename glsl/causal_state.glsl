// The last p_before values of each line. In: X, lines of p_before + p_length. Out: Y,
// lines of p_before (lib/map.glsl).
S_Y element(int i) {
    int line = i / p_before;
    return LOAD_X(line * (p_before + p_length) + p_length + i - line * p_before);
}

#include "lib/map.glsl"
