// Rows of X times weights of BITS bits: Y[m][n] = sum over k of X[m][k] * w(k, n) + bias.
// In: X [p_m, p_k], vec4s along k (SINGLE: elements); W: 16 bytes of a column,
// [p_chunks][COLS][p_units]; Z: (scale, -zero * scale) of each span, in the same order,
// then the bias; with 4 columns vec4s: of two columns each, [span][2][p_units], or of
// four (MIDDLE: every zero is that), scales alone. Out: Y [p_m, COLS * p_units]. Defines:
// BITS, COLS (columns of an invocation: 4, 2 or 1), ROWS (of it: 4 or 1), SPANS (scales
// in a chunk), TAIL (p_k is no multiple of a chunk), SINGLE, MIDDLE, LEVELS (numbers name
// levels). One invocation: ROWS rows of COLS columns. A column of the tile is a vec4 over
// its rows, so that nothing is an array.
const int WORD = 8 / BITS;      // vec4s of numbers in a word
const int CHUNK = 4 * WORD;     // and in a chunk
const int SPAN = CHUNK / SPANS; // and with one scale

vec4 row4(int row, int at) {
#ifdef SINGLE
    int k = at * 4, i = row * p_k + k;
    return vec4(LOADZ_X(k < p_k, i), LOADZ_X(k + 1 < p_k, i + 1),
                LOADZ_X(k + 2 < p_k, i + 2), LOADZ_X(k + 3 < p_k, i + 3));
#elif defined(TAIL)
    return LOADZ_X(at * 4 < p_k, row * (p_k >> 2) + at);
#else
    return LOAD_X(row * (p_k >> 2) + at);
#endif
}

#ifdef LEVELS
#include "lib/levels.glsl"
vec4 numbers(uint word, int part) {
    uint w = word >> uint(16 * part);
    return vec4(level(w), level(w >> 4), level(w >> 8), level(w >> 12));
}
vec4 scaled(vec4 x, int part) { return x; }
#elif ROWS == 1
// Numbers stay where they are in the word, and count 2^place times as much; x is scaled
// by 2^-place instead, once for all columns. The uppermost is shifted: as an int it
// would be negative.
vec4 numbers(uint word, int part) {
    uvec4 mask = uvec4(1, 1 << BITS, 1 << (2 * BITS), 0) * uint((1 << BITS) - 1);
    int first = 4 * BITS * part, last = first + 3 * BITS;
    uvec4 at = uvec4(word) & (mask << uint(first));
    at.w = last + BITS == 32 ? word >> uint(last) : word & (uint((1 << BITS) - 1) << uint(last));
    return vec4(ivec4(at));
}
vec4 scaled(vec4 x, int part) {
    int first = 4 * BITS * part, last = first + 3 * BITS;
    float unit = 1.0 / float(1 << first);
    const float step = 1.0 / float(1 << BITS);
    return x * vec4(unit, unit * step, unit * step * step,
                    last + BITS == 32 ? 1.0 : unit * step * step * step);
}
#else
vec4 numbers(uint word, int part) {
    uvec4 shift = uvec4(0, BITS, 2 * BITS, 3 * BITS) + uint(4 * BITS * part);
    return vec4((uvec4(word) >> shift) & uint((1 << BITS) - 1));
}
#endif

#if ROWS == 1
#define TILE float
#define PRODUCT(q) dot(x0, q)
#else
#define TILE vec4
#define PRODUCT(q) (q.x * x0 + q.y * x1 + q.z * x2 + q.w * x3)
#endif

// The numbers of vec4 `at` of the chunk: x0 … x3 are its four k, each over the rows.
#if ROWS == 1
#define READ(at)                              \
    vec4 x0 = row4(first, chunk * CHUNK + (at)); \
    all += dot(x0, vec4(1.0));                \
    x0 = scaled(x0, (at) % WORD);
#else
#define READ(at)                                                                     \
    vec4 r0 = row4(first, chunk * CHUNK + (at)), r1 = row4(row1, chunk * CHUNK + (at)); \
    vec4 r2 = row4(row2, chunk * CHUNK + (at)), r3 = row4(row3, chunk * CHUNK + (at));  \
    vec4 x0 = vec4(r0.x, r1.x, r2.x, r3.x), x1 = vec4(r0.y, r1.y, r2.y, r3.y);        \
    vec4 x2 = vec4(r0.z, r1.z, r2.z, r3.z), x3 = vec4(r0.w, r1.w, r2.w, r3.w);        \
    all += x0 + x1 + x2 + x3;
#endif
#define COLUMN(part, w, word, v) { vec4 q = numbers(w.word, v); part += PRODUCT(q); }
#if COLS == 4
#define COLUMNS(word, v) COLUMN(part0, w0, word, v) COLUMN(part1, w1, word, v) \
    COLUMN(part2, w2, word, v) COLUMN(part3, w3, word, v)
#elif COLS == 2
#define COLUMNS(word, v) COLUMN(part0, w0, word, v) COLUMN(part1, w1, word, v)
#else
#define COLUMNS(word, v) COLUMN(part0, w0, word, v)
#endif
#define STEP(i, word, v) { READ((i) * WORD + (v)) COLUMNS(word, v) }
#if BITS == 8
#define STEPS(i, word) STEP(i, word, 0)
#elif BITS == 4
#define STEPS(i, word) STEP(i, word, 0) STEP(i, word, 1)
#else
#define STEPS(i, word) STEP(i, word, 0) STEP(i, word, 1) STEP(i, word, 2) STEP(i, word, 3)
#endif
#define CLEAR all = part0 = part1 = part2 = part3 = TILE(0.0);
#if COLS == 4
#ifdef MIDDLE
#define SCALES 1
#define FINISH                                                 \
    {                                                          \
        vec4 z = LOAD_Z(span * p_units + unit);                \
        all *= float(MIDDLE);                                  \
        sum0 += (part0 - all) * z.x, sum1 += (part1 - all) * z.y; \
        sum2 += (part2 - all) * z.z, sum3 += (part3 - all) * z.w; \
    }
#else
#define SCALES 2
#define FINISH                                                 \
    {                                                          \
        int at = span * p_units + unit;                        \
        vec4 z0 = LOAD_Z(at), z1 = LOAD_Z(at + p_units);       \
        sum0 += part0 * z0.x + all * z0.y, sum1 += part1 * z0.z + all * z0.w; \
        sum2 += part2 * z1.x + all * z1.y, sum3 += part3 * z1.z + all * z1.w; \
    }
#endif
#else
#define SCALES COLS
#define SCALE(sum, part, j)                                    \
    {                                                          \
        int z = ((span + j) * p_units + unit) * 2;             \
        sum += part * LOAD_Z(z) + all * LOAD_Z(z + 1);         \
    }
#if COLS == 2
#define FINISH SCALE(sum0, part0, 0) SCALE(sum1, part1, 1)
#else
#define FINISH SCALE(sum0, part0, 0)
#endif
#endif
#define NEXT { FINISH CLEAR span += SCALES; }

void store(int row, int unit, vec4 v) {
    if (row >= p_m)
        return;
    int at = row * p_units + unit;
#if COLS == 4
    STORE_Y(at, v);
#elif COLS == 2
    STORE2_Y(at, v.xy);
#else
    STORE_Y(at, v.x);
#endif
}

vec4 bias_of(int unit) {
    int at = p_chunks * SPANS * SCALES * p_units + unit;
#if COLS == 4 && defined(MIDDLE)
    return LOAD_Z(at);
#elif COLS == 4
    return vec4(LOAD_Z(at).xz, LOAD_Z(at + p_units).xz);
#elif COLS == 2
    return vec4(LOAD_Z(at * 2), LOAD_Z((at + p_units) * 2), 0.0, 0.0);
#else
    return vec4(LOAD_Z(at * 2), 0.0, 0.0, 0.0);
#endif
}

void main() {
    int unit = GROUP.x * LOCAL_SIZE + LOCAL;
    int first = GROUP.y * ROWS;
    if (unit >= p_units)
        return;
#if ROWS == 4
    int row1 = min(first + 1, p_m - 1), row2 = min(first + 2, p_m - 1);
    int row3 = min(first + 3, p_m - 1);
#endif
    TILE sum0 = TILE(0.0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    TILE all, part0, part1, part2, part3;
    CLEAR
    for (int chunk = 0; chunk < p_chunks; chunk++) {
        int span = chunk * SPANS * SCALES, at = chunk * COLS * p_units + unit;
        uvec4 w0 = LOAD_W(at);
#if COLS > 1
        uvec4 w1 = LOAD_W(at + p_units);
#endif
#if COLS > 2
        uvec4 w2 = LOAD_W(at + 2 * p_units), w3 = LOAD_W(at + 3 * p_units);
#endif
        STEPS(0, x)
#if SPANS == 4
        NEXT
#endif
        STEPS(1, y)
#if SPANS >= 2
        NEXT
#endif
        STEPS(2, z)
#if SPANS == 4
        NEXT
#endif
        STEPS(3, w)
        NEXT
    }
    vec4 bias = bias_of(unit);
#if ROWS == 1
    store(first, unit, vec4(sum0, sum1, sum2, sum3) + bias);
#else
    store(first, unit, vec4(sum0.x, sum1.x, sum2.x, sum3.x) + bias);
    store(first + 1, unit, vec4(sum0.y, sum1.y, sum2.y, sum3.y) + bias);
    store(first + 2, unit, vec4(sum0.z, sum1.z, sum2.z, sum3.z) + bias);
    store(first + 3, unit, vec4(sum0.w, sum1.w, sum2.w, sum3.w) + bias);
#endif
}
