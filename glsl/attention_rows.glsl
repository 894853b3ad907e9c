// Softmax of masked scores, row by row, by vec4s; what fills a row's last vec4 becomes 0.
// In: S and masks, see lib/attention.glsl; one more score for each head: H (SINK 1) or 0
// (2).
// Out: Y like S. One invocation: one row, of p_rows.
// Defines: EMPTY: what a row gives that sees no key: 0 zeros, 1 NaN (which NaN scores
// give in any case), 2 zeros, where the sum is no number too.
#define PITCHED 1
#include "lib/attention.glsl"

vec4 powers(vec4 x, float top) {
    return mix(exp(x - top), vec4(0.0), equal(x, vec4(NEVER)));
}

void main() {
    int row = FLAT;
    if (row >= p_rows)
        return;
    Row r = row_of(row);
    int many = (p_total + 3) >> 2, at = row * (p_pitch >> 2);
    vec4 most = vec4(NEVER);
    for (int j = 0; j < many; j++) {
        vec4 x = scores(r, row, j);
        most = mix(most, x, greaterThan(x, most));
    }
    float top = most.x > most.y ? most.x : most.y, other = most.z > most.w ? most.z : most.w;
    top = top > other ? top : other;
#ifdef SINK
#if SINK == 1
    float sink = LOAD_H(r.h);
#else
    float sink = 0.0;
#endif
    top = sink > top ? sink : top;
#endif
    bool none = floatBitsToUint(top) == 0xff800000u;
    top = none ? 0.0 : top; // then all powers are 0, but those of NaN scores
    vec4 part = vec4(0.0);
    for (int j = 0; j < many; j++)
        part += powers(scores(r, row, j), top);
    float sum = (part.x + part.y) + (part.z + part.w);
#ifdef SINK
    sum += none ? 0.0 : exp(sink - top);
#endif
    float factor = 1.0 / sum;
#if EMPTY == 1
    bool zero = false;
    factor = none ? uintBitsToFloat(0x7fc00000u) : factor;
#elif EMPTY == 2
    bool zero = none || (floatBitsToUint(sum) & 0x7fffffffu) > 0x7f800000u;
#else
    bool zero = none;
#endif
    for (int j = 0; j < many; j++) {
        vec4 y = powers(scores(r, row, j), top) * factor;
        y = zero ? vec4(0.0) : y;
        ivec4 key = 4 * j + ivec4(0, 1, 2, 3);
        STORE_Y(at + j, mix(y, vec4(0.0), greaterThanEqual(key, ivec4(p_total))));
    }
}
