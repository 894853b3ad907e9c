// X [N, channels, size(3 - AXES) …] at places G [N, places, AXES], in [-1, 1], last axis
// first. In: X, G. Out: Y [N, channels, places] (lib/map.glsl).
// Params: channels, places, size. Defines: AXES 1 to 3; TAPS 1 (nearest), 2 (linear), 4
// (cubic); PADDING 0 (zeros), 1 (border), 2 (reflection); ALIGN.
// One invocation makes a unit of Y.

float reflected(float x, float low, float high) {
    float range = high - low;
    if (!(range > 0.0))
        return 0.0;
    float by = x < low ? low - x : x > high ? x - high : -1.0;
    if (by < 0.0)
        return x;
    float times = floor(by / range), rest = by - times * range;
    bool even = times - 2.0 * floor(times * 0.5) == 0.0;
    return (x < low) == even ? low + rest : high - rest;
}

// Where tap 0 is (x: a coordinate of an axis of n) and how far behind it the place lies.
vec2 place_of(float x, float n, float low, float high) {
#ifdef ALIGN
    x = (x + 1.0) * 0.5 * (n - 1.0);
#else
    x = ((x + 1.0) * n - 1.0) * 0.5;
#endif
#if TAPS == 1
    x = roundEven(x);
#endif
#if PADDING == 1 && TAPS == 4 // as PyTorch: places are clamped, x keeps its fraction
    x = clamp(x, -3.0, n + 2.0);
#elif PADDING == 1
    x = clamp(x, 0.0, n - 1.0);
#elif PADDING == 2
    x = reflected(x, low, high);
#endif
    x = clamp(x, -4.0, n + 4.0);
#if TAPS == 1
    return vec2(roundEven(x), 0.0);
#else
    float first = floor(x);
#if TAPS == 4
    return vec2(first - 1.0, x - first);
#else
    return vec2(first, x - first);
#endif
#endif
}

float weight_of(int k, float t) {
#if TAPS == 1
    return 1.0;
#elif TAPS == 2
    return k == 0 ? 1.0 - t : t;
#else
    float d = abs(t + 1.0 - float(k)), a = -0.75;
    return d <= 1.0 ? ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
                    : ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
#endif
}

// The index of a tap, or -1.
int index_of(float at, float n, float low, float high) {
#if PADDING == 1
    at = clamp(at, 0.0, n - 1.0);
#elif PADDING == 2
    at = clamp(trunc(reflected(at, low, high)), 0.0, n - 1.0);
#endif
    return at >= 0.0 && at < n ? int(at) : -1;
}

S_Y element(int i) {
    int row = i / p_places, place = i - row * p_places;
    int from = (row / p_channels * p_places + place) * AXES;
    vec3 n = vec3(float(p_size(0)), float(p_size(1)), float(p_size(2)));
#ifdef ALIGN
    vec3 low = vec3(0.0), high = n - 1.0;
#else
    vec3 low = vec3(-0.5), high = n - 0.5;
#endif
    vec2 x = place_of(LOAD_G(from), n.z, low.z, high.z), y = vec2(0.0), z = vec2(0.0);
#if AXES > 1
    y = place_of(LOAD_G(from + 1), n.y, low.y, high.y);
#endif
#if AXES > 2
    z = place_of(LOAD_G(from + 2), n.x, low.x, high.x);
#endif
    float sum = 0.0;
#if AXES > 2
    for (int a = 0; a < TAPS; a++) {
        int k = index_of(z.x + float(a), n.x, low.x, high.x);
        float wz = weight_of(a, z.y);
#else
    {
        int k = 0;
        float wz = 1.0;
#endif
#if AXES > 1
        for (int b = 0; b < TAPS; b++) {
            int j = index_of(y.x + float(b), n.y, low.y, high.y);
            float wy = weight_of(b, y.y) * wz;
#else
        {
            int j = 0;
            float wy = wz;
#endif
            for (int e = 0; e < TAPS; e++) {
                int l = index_of(x.x + float(e), n.z, low.z, high.z);
                bool ok = k >= 0 && j >= 0 && l >= 0;
                int at = ((row * p_size(0) + k) * p_size(1) + j) * p_size(2) + l;
                sum += LOADZ_X(ok, at) * (weight_of(e, x.y) * wy);
            }
        }
    }
    return sum;
}

#include "lib/map.glsl"
