// Where an output position of Resize lies in the input, and the weights of the inputs
// there.
// Params: lists in (sizes) and, as floats, pp pq pd pr: position i of axis a lies at
// (i * pp + pq) / pd + pr. Defines: TAPS 1 nearest (with ROUND: 0 prefer floor, 1 prefer
// ceil, 2 floor, 3 ceil, 4 ceil where an axis shrinks, else floor), 2 linear, 4 cubic
// (params cubic, exclude).

// The params of an axis: read them in front of loops.
vec4 way(int axis) {
    return vec4(p_pp(axis), p_pq(axis), p_pd(axis), p_pr(axis));
}

float place(vec4 way, int i) {
    float a = float(i) * way.x + way.y, v = a / way.z;
    float whole = floor(v + 0.5);
    // a division that is off by a bit must not lose an exact result
    v = (whole * way.z == a ? whole : v) + way.w;
#ifdef ROUND
#if ROUND == 4
    v = way.z < way.x ? ceil(v) : v;
#endif
#endif
    return v;
}

// Not in [0, last].
bool beyond(float at, int last) {
    return !(at >= 0.0 && at <= float(last));
}

void taps(float at, int last, out int index[TAPS], out float weight[TAPS]) {
    at = clamp(at, -1.0e9, 1.0e9);
#if TAPS == 1
#if ROUND == 0
    float whole = ceil(at - 0.5);
#elif ROUND == 1
    float whole = floor(at + 0.5);
#elif ROUND == 2 || ROUND == 4
    float whole = floor(at);
#else
    float whole = ceil(at);
#endif
    index[0] = clamp(int(whole), 0, last);
    weight[0] = 1.0;
#else
    float whole = floor(at), t = at - whole;
    int first = int(whole) - TAPS / 2 + 1;
#if TAPS == 2
    weight[0] = 1.0 - t;
    weight[1] = t;
#else
    float a = p_cubic, u = 1.0 - t;
    weight[0] = ((a * (t + 1.0) - 5.0 * a) * (t + 1.0) + 8.0 * a) * (t + 1.0) - 4.0 * a;
    weight[1] = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
    weight[2] = ((a + 2.0) * u - (a + 3.0)) * u * u + 1.0;
    weight[3] = ((a * (u + 1.0) - 5.0 * a) * (u + 1.0) + 8.0 * a) * (u + 1.0) - 4.0 * a;
    if (p_exclude != 0) {
        float sum = 0.0;
        for (int k = 0; k < TAPS; k++) {
            weight[k] = uint(first + k) <= uint(last) ? weight[k] : 0.0;
            sum += weight[k];
        }
        for (int k = 0; k < TAPS; k++)
            weight[k] /= sum;
    }
#endif
    for (int k = 0; k < TAPS; k++)
        index[k] = clamp(first + k, 0, last);
#endif
}
