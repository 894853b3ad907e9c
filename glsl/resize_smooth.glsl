// Resize with antialiasing of one or two axes of a dense tensor: filters as wide as what
// an output covers. A unit of Y an invocation.
// Defines: RANK; AXES 1 or 2; CUBIC, else linear.
// Params: count cubic exclude; lists of RANK: dims, strides; of AXES: axis, step, in,
// floats pp pq pd pr (see lib/resize), stretch (1, or the scale where it shrinks), start
// (of the filter, from the floor of the place on).

float kernel(float x) {
    float t = abs(x);
#ifdef CUBIC
    float a = p_cubic;
    if (t <= 1.0)
        return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    return t < 2.0 ? ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a : 0.0;
#else
    return max(1.0 - t, 0.0);
#endif
}

S_Y element(int i) {
    int at[RANK], base = 0, rest = i;
    for (int k = RANK - 1; k >= 0; k--) {
        int next = rest / p_dims(k);
        at[k] = rest - next * p_dims(k);
        base += at[k] * p_strides(k);
        rest = next;
    }
    int first[2], last[2], limit[2], step[2];
    float place[2], scale[2];
    for (int a = 0; a < 2; a++) {
        int b = min(a, AXES - 1), here = 0;
        for (int k = 0; k < RANK; k++)
            here = k == p_axis(b) ? at[k] : here;
        place[a] = (float(here) * p_pp(b) + p_pq(b)) / p_pd(b) + p_pr(b);
        first[a] = int(floor(place[a])) + p_start(b);
        last[a] = int(floor(place[a])) + 1 - p_start(b);
        limit[a] = p_in(b) - 1;
        step[a] = p_step(b);
        scale[a] = p_stretch(b);
    }
#if AXES == 1
    first[1] = last[1] = 0;
    place[1] = 0.0;
    limit[1] = step[1] = 0;
#endif
    float sum = 0.0, weights = 0.0;
    for (int y = first[1]; y <= last[1]; y++) {
        float line = 0.0, wy = kernel((float(y) - place[1]) * scale[1]), row = 0.0;
        if (p_exclude != 0 && uint(y) > uint(limit[1]))
            wy = 0.0;
        int from = base + clamp(y, 0, limit[1]) * step[1];
        for (int x = first[0]; x <= last[0]; x++) {
            float wx = kernel((float(x) - place[0]) * scale[0]);
            if (p_exclude != 0 && uint(x) > uint(limit[0]))
                wx = 0.0;
            line += LOAD_X(from + clamp(x, 0, limit[0]) * step[0]) * wx;
            row += wx;
        }
        sum += line * wy;
        weights += row * wy;
    }
    return sum / weights;
}

#include "lib/map.glsl"
