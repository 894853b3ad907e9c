// Old rows of keys (or values) as they are kept and new ones behind them, quantised; see
// lib/recipes/kv_cache.h.
// In: X, the new ones as vec4s: p_x(0) + batch * p_x(1) + head * p_x(2) + row * p_x(3),
// p_fresh rows of p_many; P, the old ones as words [batch, heads, p_past, p_words]
// (PAST); lengths (LENGTHS, lib/lengths.glsl): the new ones end at row length of batch +
// p_plus, else they begin at p_start. Out: words Y [batch, heads, p_present, p_words];
// p_words is 1 + 4 * p_many * BITS / 32. Defines: BITS 4 or 8. One invocation: one word.
#ifdef LENGTHS
#include "lib/lengths.glsl"
#endif
#include "lib/hadamard.glsl"

#if BITS == 8
uint kept(int at, int w) {
    uvec4 most = uvec4(0u); // of positive floats the bits are in their order, NaN above all
    for (int j = 0; j < p_many; j++)
        most = max(most, floatBitsToUint(LOAD_X(at + j)) & 0x7fffffffu);
    float scale = uintBitsToFloat(max(max(most.x, most.y), max(most.z, most.w))) / 127.0;
    bool some = scale > 0.0 && floatBitsToUint(scale) < 0x7f800000u;
    if (w == 0 || !some)
        return w == 0 ? floatBitsToUint(scale) : 0u;
    ivec4 q = ivec4(clamp(roundEven(LOAD_X(at + w - 1) / scale), -127.0, 127.0)) & 255;
    return uint(q.x | q.y << 8 | q.z << 16 | q.w << 24);
}
#else
uint codes(vec4 x, float inverse) {
    vec4 u = abs(x) * inverse;
    vec4 n = 8.0 + step(0.26295, u) + step(0.52805, u) + step(0.80095, u) + step(1.09435, u) +
             step(1.43165, u) + step(1.8505, u) + step(2.40625, u);
    ivec4 q = ivec4(mix(n, 15.0 - n, lessThan(x, vec4(0.0))));
    return uint(q.x | q.y << 4 | q.z << 8 | q.w << 12);
}

uint kept(int at, int w) {
    vec4 low = vec4(0.0), high = vec4(0.0), squares = vec4(0.0);
    for (int j = 0; 2 * j < p_many; j++) { // element 8j + e of the row; w - 1 is 8 of the sums
        vec4 x = LOAD_X(at + 2 * j), y = LOAD_X(at + 2 * j + 1);
        squares += x * x + y * y;
        float sign = sign_of(j & (w - 1));
        low += sign * x;
        high += sign * y;
    }
    float scale = sqrt((squares.x + squares.y + squares.z + squares.w) / float(4 * p_many));
    bool some = scale > 0.0 && floatBitsToUint(scale) < 0x7f800000u;
    if (w == 0 || !some)
        return w == 0 ? floatBitsToUint(scale) : 0u;
    float inverse = inversesqrt(float(4 * p_many)) / scale;
    return codes(turned(low + high), inverse) | codes(turned(low - high), inverse) << 16;
}
#endif

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int row = i / p_words;
    int w = i - row * p_words;
    int rest = row / p_present;
    int t = row - rest * p_present;
    int b = rest / p_heads;
    int h = rest - b * p_heads;
    int start = p_start;
#ifdef LENGTHS
    start = max(length_of(b) + p_plus - p_fresh, 0);
#endif
    int s = t - start;
    uint y = 0u;
    if (s >= 0 && s < p_fresh)
        y = kept(p_x(0) + b * p_x(1) + h * p_x(2) + s * p_x(3), w);
#ifdef PAST
    else if (t < min(p_past, start))
        y = LOAD_P((rest * p_past + t) * p_words + w);
#endif
    STORE_Y(i, y);
}
