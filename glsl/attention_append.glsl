// Old keys (or values) and the new ones behind them.
// In: X, the new: p_x(0) + batch * p_x(1) + head * p_x(2) + row * p_x(3), p_fresh rows;
// P, the old (PAST), p_old likewise, p_past rows; lengths (LENGTHS, lib/lengths.glsl):
// the new ones end at row length of batch + p_plus, else they begin at p_start. Out: Y
// [batch, heads, p_present, dim].
#ifdef LENGTHS
#include "lib/lengths.glsl"
#endif

float element(int i) {
    int row = i / p_dim;
    int d = i - row * p_dim;
    int rest = row / p_present;
    int t = row - rest * p_present;
    int b = rest / p_heads;
    int h = rest - b * p_heads;
    int start = p_start;
#ifdef LENGTHS
    start = max(length_of(b) + p_plus - p_fresh, 0);
#endif
    int s = t - start;
    if (s >= 0 && s < p_fresh)
        return LOAD_X(p_x(0) + b * p_x(1) + h * p_x(2) + s * p_x(3) + d);
#ifdef PAST
    if (t < min(p_past, start))
        return LOAD_P(p_old(0) + b * p_old(1) + h * p_old(2) + t * p_old(3) + d);
#endif
    return 0.0;
}

#include "lib/map.glsl"
