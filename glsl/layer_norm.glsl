// Rows of X brought to mean 0 and variance 1, then scaled and shifted. Mean first, then
// the centred variance, in fp32; lanes' parts are joined as Chan et al. do.
// In:  X; S and B (scale and bias), if there. Out: Y; with STATS M and I (mean,
//   1/deviation), those that HAS_M and HAS_I say.
// Parameters: those of lib/lines.glsl (ALONG); epsilon; count: elements of a row, as
//   float; CHANNELS: a row is `channels` runs of `spatial` units, `turn` rows have scales
//   of their own, run c of row r has those at (r mod turn) * channels + c, or r mod turn
//   if PER_ROW
// Defines: RMS: no mean is taken off. GROUPED: a group takes a row, else an invocation
//   does. SCALE, BIAS: 0 none, 1 as long as a row, 2 one value for all. STATS,
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

// Four units a step: a loop's step costs llvmpipe as much as a load.
#define STEPS_OF_4(k) for (k = FIRST; k < p_size - 3 * SKIP; k += 4 * SKIP)
#define STEPS_LEFT(k) for (; k < p_size; k += SKIP)

V squares(int at, float mean) {
    V sum = V(0.0);
    int k;
    STEPS_OF_4(k) {
        V a = LD(at + k) - mean, b = LD(at + k + SKIP) - mean;
        V c = LD(at + k + 2 * SKIP) - mean, d = LD(at + k + 3 * SKIP) - mean;
        sum += (a * a + b * b) + (c * c + d * d);
    }
    STEPS_LEFT(k) {
        V a = LD(at + k) - mean;
        sum += a * a;
    }
    return sum;
}

// Mean and 1/deviation of the row whose first unit is `at`.
vec2 measure(int at) {
#ifdef RMS
    float square = ADD_ALONG(squares(at, 0.0));
#ifdef GROUPED
    parts[LOCAL] = square;
    memoryBarrierShared();
    barrier();
    square = 0.0;
    for (int i = 0; i < LOCAL_SIZE; i++)
        square += parts[i];
#endif
    return vec2(0.0, 1.0 / sqrt(square / p_count + p_epsilon));
#else
    V sum = V(0.0);
    int k;
    STEPS_OF_4(k)
        sum += (LD(at + k) + LD(at + k + SKIP)) +
               (LD(at + k + 2 * SKIP) + LD(at + k + 3 * SKIP));
    STEPS_LEFT(k)
        sum += LD(at + k);
#ifdef GROUPED
    float n = float((p_size - FIRST + SKIP - 1) / SKIP * LANES);
#else
    float n = p_count;
#endif
    float mean = ADD_ALONG(sum) / max(n, 1.0);
    float part = ADD_ALONG(squares(at, mean));
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
#define WRITE(k) ST(at + (k), (LD(at + (k)) - m.x) * m.y * SCALE_AT(k) + BIAS_AT(k))
    int k;
    STEPS_OF_4(k) {
        WRITE(k);
        WRITE(k + SKIP);
        WRITE(k + 2 * SKIP);
        WRITE(k + 3 * SKIP);
    }
    STEPS_LEFT(k)
        WRITE(k);
#endif
}
