// A cache with new rows put in. In: X, the cache [batch, p_per, p_rows, p_inner]; U, the
// new rows [batch, p_per, p_fresh, p_inner]; I: the first row of each batch (INDICES 1:
// 32 bit, 2: 64 bit; none: 0). CIRCULAR: rows behind the last go to the front. Out: Y
// like X.
S_Y element(int i) {
    int line = i / p_inner;
    int inner = i - line * p_inner;
    int rest = line / p_rows;
    int s = line - rest * p_rows;
#if !defined(INDICES)
    int first = 0;
#elif INDICES == 1
    int first = int(LOAD_I(rest / p_per));
#else
    int first = int(LOAD_I(rest / p_per).x);
#endif
#ifdef CIRCULAR
    s -= first % p_rows;
    s = s < 0 ? s + p_rows : s;
#else
    s -= first;
#endif
    if (s >= 0 && s < p_fresh)
        return LOAD_U((rest * p_fresh + s) * p_inner + inner);
    return LOAD_X(i);
}

#include "lib/map.glsl"
