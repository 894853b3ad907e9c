// Rows of X brought to mean 0 and variance 1, then scaled and shifted. Mean first, then the
// centred variance, in fp32; lanes' parts are joined as Chan et al. do.
// In:  X; S and B (scale and bias), if there. Out: Y; with STATS M and I (mean, 1/deviation), those
//   that HAS_M and HAS_I say.
// Parameters: those of lib/lines.glsl (ALONG); epsilon; count: elements of a row, as float;
//   CHANNELS: a row is `channels` runs of `spatial` units, `turn` rows have scales of their
//   own, run c of row r has those at (r mod turn) * channels + c, or r mod turn if PER_ROW
// Defines: RMS: no mean is taken off. GROUPED: a group takes a row, else an invocation does.
//   SCALE, BIAS: 0 none, 1 as long as a row, 2 one value for all. STATS,
//   CHANNELS: above (SCALE and BIAS are 0).
#include "lib/lines.glsl"

#ifdef GROUPED
#define FIRST LOCAL
#define SKIP LOCAL_SIZE
#else
#define FIRST 0
#define SKIP 1
#endif

#ifdef GROUPED
#ifdef RMS
shared float parts[LOCAL_SIZE];
#else
shared vec3 parts[LOCAL_SIZE];
#endif
#endif

// Mean and 1/deviation of the row whose first unit is `at`.
vec2 measure(int at) {
    V sum = V(0.0);
#ifdef RMS
    for (int k = FIRST; k < p_size; k += SKIP) {
        V v = LD(at + k);
        sum += v * v;
    }
    float square = ADD_ALONG(sum);
#ifdef GROUPED
    parts[LOCAL] = square;
    memoryBarrierShared();
    barrier();
    square = 0.0;
    for (int i = 0; i < LOCAL_SIZE; i++)
        square += parts[i];
#endif
    return vec2(0.0, inversesqrt(square / p_count + p_epsilon));
#else
    float n = 0.0;
    for (int k = FIRST; k < p_size; k += SKIP) {
        sum += LD(at + k);
        n += float(LANES);
    }
    float mean = ADD_ALONG(sum) / max(n, 1.0);
    V square = V(0.0);
    for (int k = FIRST; k < p_size; k += SKIP) {
        V v = LD(at + k) - mean;
        square += v * v;
    }
    float part = ADD_ALONG(square);
#ifdef GROUPED
    parts[LOCAL] = vec3(n, mean, part);
    memoryBarrierShared();
    barrier();
    mean = 0.0, part = 0.0;
    for (int i = 0; i < LOCAL_SIZE; i++)
        mean += parts[i].x * parts[i].y;
    mean /= p_count;
    for (int i = 0; i < LOCAL_SIZE; i++) {
        float away = parts[i].y - mean;
        part += parts[i].z + parts[i].x * away * away;
    }
#endif
    return vec2(mean, 1.0 / sqrt(part / p_count + p_epsilon));
#endif
}

#if SCALE == 1 && LANES == 2
#define SCALE_AT(k) vec2(LOAD_S(2 * (k)), LOAD_S(2 * (k) + 1))
#elif SCALE == 1
#define SCALE_AT(k) LOAD_S(k)
#elif SCALE == 2
#define SCALE_AT(k) LOAD_S(0)
#else
#define SCALE_AT(k) 1.0
#endif
#if BIAS == 1 && LANES == 2
#define BIAS_AT(k) vec2(LOAD_B(2 * (k)), LOAD_B(2 * (k) + 1))
#elif BIAS == 1
#define BIAS_AT(k) LOAD_B(k)
#elif BIAS == 2
#define BIAS_AT(k) LOAD_B(0)
#else
#define BIAS_AT(k) 0.0
#endif

void main() {
#ifdef GROUPED
    int row = GROUP.x;
#else
    int row = FLAT;
    if (row >= p_lines)
        return;
#endif
    int at = row * p_size;
    vec2 m = measure(at);
#if defined STATS
    if (FIRST == 0) {
#ifdef HAS_M
        STORE_M(row, m.x);
#endif
#ifdef HAS_I
        STORE_I(row, m.y);
#endif
    }
#elif defined CHANNELS
    int from = row % p_turn;
#ifndef PER_ROW
    from *= p_channels;
#endif
    for (int c = 0; c < p_channels; c++) {
#ifdef PER_ROW
        float scale = LOAD_S(from) * m.y, bias = LOAD_B(from) - m.x * scale;
#else
        float scale = LOAD_S(from + c) * m.y, bias = LOAD_B(from + c) - m.x * scale;
#endif
        int end = at + p_spatial;
        for (int i = at + FIRST; i < end; i += SKIP)
            ST(i, LD(i) * scale + bias);
        at = end;
    }
#else
    for (int k = FIRST; k < p_size; k += SKIP)
        ST(at + k, (LD(at + k) - m.x) * m.y * SCALE_AT(k) + BIAS_AT(k));
#endif
}
