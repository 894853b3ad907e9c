// The first steps of each batch entry in reverse. In: X [first, p_second, p_inner], one
// of the two axes being time (p_steps long), the other batch (BATCH_FIRST 1: the first);
// L, int64 lengths, one a batch entry. Out: Y like X (lib/map.glsl).
S_Y element(int i) {
    int place = i / p_inner, inner = i - place * p_inner;
    int a = place / p_second, b = place - a * p_second;
#if BATCH_FIRST
    int entry = a, t = b;
#else
    int entry = b, t = a;
#endif
    int length = clamp(int(LOAD_L(entry).x), 0, p_steps);
    t = t < length ? length - 1 - t : t;
#if BATCH_FIRST
    return LOAD_X((a * p_second + t) * p_inner + inner);
#else
    return LOAD_X((t * p_second + b) * p_inner + inner);
#endif
}

#include "lib/map.glsl"
