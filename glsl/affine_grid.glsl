// Places in [-1, 1] through an affine map. In: X [N, AXES, AXES + 1]. Out: Y [N, size …,
// AXES], the last axis first (lib/map.glsl). Params: size. Defines: AXES 2 or 3, ALIGN.
// One invocation makes a unit of Y.

float place_of(int i, int size) {
#ifdef ALIGN
    return size > 1 ? 2.0 * float(i) / float(size - 1) - 1.0 : -1.0;
#else
    return (2.0 * float(i) + 1.0) / float(size) - 1.0;
#endif
}

S_Y element(int i) {
    int rest = i / AXES, row = i - rest * AXES, n = rest;
    for (int k = 0; k < AXES; k++)
        n /= p_size(k);
    int at = (n * AXES + row) * (AXES + 1);
    float sum = LOAD_X(at + AXES);
    for (int k = 0; k < AXES; k++) {
        int size = p_size(AXES - 1 - k), outer = rest / size;
        sum += LOAD_X(at + k) * place_of(rest - outer * size, size);
        rest = outer;
    }
    return sum;
}

#include "lib/map.glsl"
