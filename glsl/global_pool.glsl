// Reduces pixels of each channel. X: vec4 [N, p_pixels, p_c4]   Y: vec4 [N, p_parts,
// p_c4]
// One invocation reduces p_length pixels (the last of them perhaps fewer) of one channel
// vec4.
// Groups: x: LO channel vec4s; y: ACROSS parts; z: n.
// Defines: MAX: the greatest, else the sum; BEFORE, AFTER: what becomes of an item v and
// of the result v (expressions).
// Params: lo c4 pixels parts length, and those of the expressions.
#include "lib/lanes.glsl"

vec4 power(vec4 v, float p) {
    vec4 a = abs(v);
    if (p == 1.0)
        return a;
    if (p == 2.0)
        return a * a;
    if (p == 0.5)
        return sqrt(a);
    return mix(vec4(0.0), pow(a, vec4(p)), greaterThan(a, vec4(0.0)));
}

#ifdef MAX
#define JOIN(a, b) max(a, b)
#else
#define JOIN(a, b) ((a) + (b))
#endif

void main() {
    int c = GROUP.x * LO + LANE;
    int part = GROUP.y * ACROSS + LANE_ACROSS;
    int c4 = p_c4, n = GROUP.z;
    if (c >= c4 || part >= p_parts)
        return;
    int first = part * p_length, last = min(first + p_length, p_pixels);
    int base = n * p_pixels * c4 + c;
#ifdef MAX
    vec4 a = LOAD_X(base + first * c4), b = a, d = a, e = a;
#else
    vec4 a = vec4(0.0), b = a, d = a, e = a;
#endif
    int at = base + first * c4, whole = first + (last - first) / 4 * 4;
    for (int i = first; i < whole; i += 4) {
        vec4 v = LOAD_X(at);
        a = JOIN(a, BEFORE);
        v = LOAD_X(at + c4);
        b = JOIN(b, BEFORE);
        v = LOAD_X(at + 2 * c4);
        d = JOIN(d, BEFORE);
        v = LOAD_X(at + 3 * c4);
        e = JOIN(e, BEFORE);
        at += 4 * c4;
    }
    for (int i = whole; i < last; i++) {
        vec4 v = LOAD_X(at);
        a = JOIN(a, BEFORE);
        at += c4;
    }
    vec4 v = JOIN(JOIN(a, b), JOIN(d, e));
    STORE_Y((n * p_parts + part) * c4 + c, AFTER);
}
