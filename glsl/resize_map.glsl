// Resize of any axes of a dense tensor; a unit of Y an invocation.
// Defines: RANK; AXES: how many axes move; TAPS ROUND as in lib/resize; CROP: positions
// outside get p_extrapolation.
// Params: count; lists of RANK: dims (of Y), strides (of X; 0 for axes that move); lists
// of AXES: axis, step (its stride in X), and lib/resize's.

#include "lib/resize.glsl"

S_Y element(int i) {
    int at[RANK], base = 0, rest = i;
    for (int k = RANK - 1; k >= 0; k--) {
        int next = rest / p_dims(k);
        at[k] = rest - next * p_dims(k);
        base += at[k] * p_strides(k);
        rest = next;
    }
    int index[AXES * TAPS];
    float weight[AXES * TAPS];
    bool outside = false;
    for (int a = 0; a < AXES; a++) {
        int here = 0;
        for (int k = 0; k < RANK; k++)
            here = k == p_axis(a) ? at[k] : here;
        float where = place(way(a), here);
        int last = p_in(a) - 1;
        int own[TAPS];
        float own_weight[TAPS];
        taps(where, last, own, own_weight);
        outside = outside || beyond(where, last);
        for (int k = 0; k < TAPS; k++) {
            index[a * TAPS + k] = own[k] * p_step(a);
            weight[a * TAPS + k] = own_weight[k];
        }
    }
#if TAPS == 1
    for (int a = 0; a < AXES; a++)
        base += index[a];
    S_Y v = LOAD_X(base);
#else
    const int SHIFT = TAPS / 2; // log2 of 2 or 4
    float v = 0.0;
    for (int t = 0; t < (1 << (SHIFT * AXES)); t++) {
        int from = base;
        float w = 1.0;
        for (int a = 0; a < AXES; a++) {
            int k = a * TAPS + ((t >> (SHIFT * a)) & (TAPS - 1));
            from += index[k];
            w *= weight[k];
        }
        v += LOAD_X(from) * w;
    }
#endif
#ifdef CROP
    if (outside)
        v = S_Y(p_extrapolation);
#endif
    return v;
}

#include "lib/map.glsl"
