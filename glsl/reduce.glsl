// One step of a reduction.
// In:  X   [outer, size, inner], elements; or vec4s along inner (columns) or size (rows)
// Out: Y   [outer, chunks, inner]: chunk c joins [c * chunk, (c + 1) * chunk)
// Parameters: size, chunk (in X's units), chunks, inner (in X's units), count (elements
//   of Y), total (members of a mean), scale (1 / total)
// Defines:
//   SHAPE  0: columns, inner > 1 and an invocation computes a unit of Y
//          1: rows, inner = 1 and an invocation computes a unit of Y
//          2: rows, and a group computes a unit of Y, its lanes side by side in X
//   COLUMNS4 (SHAPE 0): X and Y are vec4s
//   MAP    0: x  1: |x|  2: x²
//   JOIN   0: add  1: multiply  2: maximum  3: minimum  4: log(sum(exp))
//   LAST   0: nothing  1: square root  2: logarithm  3: divide by total
//   X_KIND: X's elements are 0: float  1: int  2: uint  3: uvec2 (64 bits)
//   UNSIGNED: 64-bit elements are unsigned

#if X_KIND == 3
#include "lib/int64.glsl"
#ifdef UNSIGNED
#define MAX(a, b) max64u(a, b)
#define MIN(a, b) min64u(a, b)
#else
#define MAX(a, b) max64(a, b)
#define MIN(a, b) min64(a, b)
#endif
#define ADD(a, b) add64(a, b)
#define MUL(a, b) mul64(a, b)
uvec2 map_(uvec2 v) {
#if MAP == 1 && !defined UNSIGNED
    return abs64(v);
#elif MAP == 2
    return mul64(v, v);
#else
    return v;
#endif
}
#else
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#if X_KIND == 0 && (JOIN == 2 || JOIN == 3)
// max() and min() may lose NaN, so the greatest size of an element, by bits, is kept too.
#define NAN_TEST 1
#if UNIT_X == 4
#define SIZES uvec4
#else
#define SIZES uint
#endif
#define SIZE(v) (floatBitsToUint(v) & 0x7fffffffu)
float with_nan(float v, uint size) {
    return size > 0x7f800000u ? uintBitsToFloat(0x7fc00000u) : v;
}
#if UNIT_X == 4
vec4 with_nan(vec4 v, uvec4 size) {
    return mix(v, uintBitsToFloat(uvec4(0x7fc00000u)), greaterThan(size, uvec4(0x7f800000u)));
}
#endif
#define MAX(a, b) with_nan(max(a, b), max(SIZE(a), SIZE(b)))
#define MIN(a, b) with_nan(min(a, b), max(SIZE(a), SIZE(b)))
#else
#define MAX(a, b) max(a, b)
#define MIN(a, b) min(a, b)
#endif
T_X map_(T_X v) {
#if MAP == 1 && X_KIND != 2
    return abs(v);
#elif MAP == 2
    return v * v;
#else
    return v;
#endif
}
#endif

#if JOIN == 0
#define JOINED(a, b) ADD(a, b)
#elif JOIN == 1
#define JOINED(a, b) MUL(a, b)
#elif JOIN == 2
#define JOINED(a, b) MAX(a, b)
#elif JOIN == 3
#define JOINED(a, b) MIN(a, b)
#endif

// A logarithm that is right at 0 and infinity.
float log_(float v) {
    float inf = uintBitsToFloat(0x7f800000u);
    return v == 0.0 ? -inf : v == inf ? inf : log(v);
}
// A point that exponents are taken relative to: the maximum, unless that is infinite.
float point_(float m) { return abs(m) <= 3.4028235e38 ? m : 0.0; }
#if X_KIND == 0 && UNIT_X == 4
vec4 point_(vec4 m) { return vec4(point_(m.x), point_(m.y), point_(m.z), point_(m.w)); }
vec4 log_(vec4 v) { return vec4(log_(v.x), log_(v.y), log_(v.z), log_(v.w)); }
#endif

// Elements [k, end) of a line that starts at `at`, `step` apart (in X's units), `skip` of
// them at a time: four units a step, as a loop's step costs llvmpipe as much as a load.
// Sums are taken in blocks, so that rounding errors do not pile up.
#if JOIN == 4
T_X line_max(int at, int step, int k, int end, int skip) {
    int i = at + k * step, stride = skip * step;
    T_X m = LOAD_X(i);
    for (k += skip, i += stride; k < end - 3 * skip; k += 4 * skip, i += 4 * stride)
        m = max(max(max(m, LOAD_X(i)), LOAD_X(i + stride)),
                max(LOAD_X(i + 2 * stride), LOAD_X(i + 3 * stride)));
    for (; k < end; k += skip, i += stride)
        m = max(m, LOAD_X(i));
    return m;
}
T_X line_sum(int at, int step, int k, int end, int skip, T_X m) {
    int i = at + k * step, stride = skip * step;
    T_X sum = T_X(0);
    for (; k < end - 3 * skip; k += 4 * skip, i += 4 * stride)
        sum += (exp(LOAD_X(i) - m) + exp(LOAD_X(i + stride) - m)) +
               (exp(LOAD_X(i + 2 * stride) - m) + exp(LOAD_X(i + 3 * stride) - m));
    for (; k < end; k += skip, i += stride)
        sum += exp(LOAD_X(i) - m);
    return sum;
}
#elif defined NAN_TEST
#if JOIN == 2
#define RAW(a, b) max(a, b)
#else
#define RAW(a, b) min(a, b)
#endif
T_X line_join(int at, int step, int k, int end, int skip) {
    int i = at + k * step, stride = skip * step;
    T_X total = LOAD_X(i);
    SIZES size = SIZE(total);
    for (k += skip, i += stride; k < end - 3 * skip; k += 4 * skip, i += 4 * stride) {
        T_X a = LOAD_X(i), b = LOAD_X(i + stride);
        T_X c = LOAD_X(i + 2 * stride), d = LOAD_X(i + 3 * stride);
        total = RAW(total, RAW(RAW(a, b), RAW(c, d)));
        size = max(size, max(max(SIZE(a), SIZE(b)), max(SIZE(c), SIZE(d))));
    }
    for (; k < end; k += skip, i += stride) {
        T_X a = LOAD_X(i);
        total = RAW(total, a);
        size = max(size, SIZE(a));
    }
    return with_nan(total, size);
}
#else
#define JOIN4(a, b, c, d) JOINED(JOINED(a, b), JOINED(c, d))
T_X line_join(int at, int step, int k, int end, int skip) {
    int i = at + k * step, stride = skip * step;
    T_X total = map_(LOAD_X(i));
    k += skip, i += stride;
    while (k < end - 3 * skip) {
        int stop = min(k + 256 * skip, end - 3 * skip);
        T_X part = JOIN4(map_(LOAD_X(i)), map_(LOAD_X(i + stride)),
                         map_(LOAD_X(i + 2 * stride)), map_(LOAD_X(i + 3 * stride)));
        for (k += 4 * skip, i += 4 * stride; k < stop; k += 4 * skip, i += 4 * stride) {
            T_X more = JOIN4(map_(LOAD_X(i)), map_(LOAD_X(i + stride)),
                             map_(LOAD_X(i + 2 * stride)), map_(LOAD_X(i + 3 * stride)));
            part = JOINED(part, more);
        }
        total = JOINED(total, part);
    }
    for (; k < end; k += skip, i += stride)
        total = JOINED(total, map_(LOAD_X(i)));
    return total;
}
#endif

#ifdef COLUMNS4
#define R T_X
#else
#define R S_X
#endif

R last_(R v) {
#if LAST == 1
    return sqrt(v);
#elif LAST == 2
    return log_(v);
#elif LAST == 3 && X_KIND == 0
    return v * p_scale;
#elif LAST == 3 && X_KIND == 3 && defined UNSIGNED
    return div64u(v, u64(uint(p_total)));
#elif LAST == 3 && X_KIND == 3
    return div64(v, i64(p_total));
#elif LAST == 3
    return v / R(p_total);
#else
    return v;
#endif
}

// The four parts of a vec4 along a row, as one.
#if SHAPE != 0 && UNIT_X == 4
#if JOIN == 4
float across_max(vec4 v) { return max(max(v.x, v.y), max(v.z, v.w)); }
float across_sum(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
#else
R across(T_X v) { return JOINED(JOINED(v.x, v.y), JOINED(v.z, v.w)); }
#endif
#else
#define across_max(v) (v)
#define across_sum(v) (v)
#define across(v) (v)
#endif

#if SHAPE == 2
#if JOIN == 4
shared vec2 parts[LOCAL_SIZE];
#else
shared R parts[LOCAL_SIZE];
#endif

// Row o of Y's elements, by the whole group; lane 0 has the answer.
R group_row(int o) {
    int row = o / p_chunks, c = o - row * p_chunks;
    int begin = c * p_chunk, end = min(begin + p_chunk, p_size), k = begin + LOCAL;
    int many = min(end - begin, LOCAL_SIZE);
#if JOIN == 4
    if (LOCAL < many) {
        float m = across_max(line_max(row * p_size, 1, k, end, LOCAL_SIZE));
        float from = point_(m);
        parts[LOCAL] = vec2(m, across_sum(line_sum(row * p_size, 1, k, end, LOCAL_SIZE,
                                                   T_X(from))));
    }
#else
    if (LOCAL < many)
        parts[LOCAL] = across(line_join(row * p_size, 1, k, end, LOCAL_SIZE));
#endif
    memoryBarrierShared();
    barrier();
    R v = R(0u);
    if (LOCAL == 0) {
#if JOIN == 4
        float m = parts[0].x, sum = 0.0;
        for (int i = 1; i < many; i++)
            m = max(m, parts[i].x);
        float from = point_(m);
        for (int i = 0; i < many; i++)
            sum += parts[i].y == 0.0 ? 0.0 : parts[i].y * exp(point_(parts[i].x) - from);
        v = from + log_(sum);
#else
        v = parts[0];
        for (int i = 1; i < many; i++)
            v = JOINED(v, parts[i]);
#endif
        v = last_(v);
    }
    memoryBarrierShared();
    barrier();
    return v;
}

void main() {
    int unit = GROUP.x;
#if UNIT_Y == 1
    R v = group_row(unit);
    if (LOCAL == 0)
        STORE_Y(unit, v);
#else
    R a = group_row(2 * unit), b = group_row(min(2 * unit + 1, p_count - 1));
    if (LOCAL == 0)
        STORE2_Y(unit, vec2(a, b));
#endif
}

#else

R unit_(int o) {
#if SHAPE == 0
    int n = o / p_inner, i = o - n * p_inner, row = n / p_chunks, c = n - row * p_chunks;
    int at = row * p_size * p_inner + i, step = p_inner;
#else
    int row = o / p_chunks, c = o - row * p_chunks, at = row * p_size;
    const int step = 1;
#endif
    int begin = c * p_chunk, end = min(begin + p_chunk, p_size);
#if JOIN == 4
    R m = across_max(line_max(at, step, begin, end, 1)), from = point_(m);
    return from + log_(R(across_sum(line_sum(at, step, begin, end, 1, T_X(from)))));
#else
    return last_(across(line_join(at, step, begin, end, 1)));
#endif
}

#ifdef COLUMNS4
void main() {
    int i = FLAT;
    if (i >= p_count / 4)
        return;
    STORE_Y(i, unit_(i));
}
#else
S_Y element(int i) { return unit_(i); }
#include "lib/map.glsl"
#endif
#endif
