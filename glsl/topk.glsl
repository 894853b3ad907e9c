// The k largest (or smallest) elements of each line, in order. An element's place among
// the answers is the number of elements that go before it: greater ones, and equal ones
// on its left. So every invocation works alone.
// Step 0: an invocation takes an element of X [outer, size, inner] and writes its place
//   on the line to I [outer, k, inner] (int64), if it is among the answers.
// Step 1: Y [outer, k, inner] is gathered from X by I.
// Parameters: size, inner, k, count (elements: of X in step 0, of Y in step 1)
// Defines: STEP. SMALLEST. KIND 0: float, 1: int, 2: uint, 3: int64, 4: uint64.
//   ROW4 (STEP 0): inner = 1 and X is read as vec4s.

#if STEP == 0

#if KIND > 2
#include "lib/int64.glsl"
#endif
#if KIND == 0
// NaN is greater than all numbers; -0 equals 0
bool less(float a, float b) {
    uint i = floatBitsToUint(a), j = floatBitsToUint(b);
    bool nan_a = (i & 0x7fffffffu) > 0x7f800000u, nan_b = (j & 0x7fffffffu) > 0x7f800000u;
    return nan_a || nan_b ? !nan_a && nan_b : a < b;
}
#elif KIND == 3
#define less(a, b) lt64(a, b)
#elif KIND == 4
#define less(a, b) lt64u(a, b)
#else
#define less(a, b) ((a) < (b))
#endif
#ifdef SMALLEST
#define BEFORE(a, b) less(a, b)
#else
#define BEFORE(a, b) less(b, a)
#endif

void main() {
    int e = FLAT;
    if (e >= p_count)
        return;
    int o = e / (p_size * p_inner), in_line = e - o * p_size * p_inner;
    int own = in_line / p_inner, i = in_line - own * p_inner, before = 0;
#ifdef ROW4
    // a row of p_size / 4 vec4s: those on the left, the own, those on the right
    int row = o * (p_size >> 2), mine = own >> 2, part = own & 3;
    vec4 unit = LOAD_X(row + mine);
    float v = part == 0 ? unit.x : part == 1 ? unit.y : part == 2 ? unit.z : unit.w;
    for (int u = 0; u < p_size >> 2; u++) {
        vec4 w = LOAD_X(row + u);
        int at = 4 * u;
        before += int(BEFORE(w.x, v) || (at < own && !BEFORE(v, w.x)));
        before += int(BEFORE(w.y, v) || (at + 1 < own && !BEFORE(v, w.y)));
        before += int(BEFORE(w.z, v) || (at + 2 < own && !BEFORE(v, w.z)));
        before += int(BEFORE(w.w, v) || (at + 3 < own && !BEFORE(v, w.w)));
    }
#else
    int at = o * p_size * p_inner + i;
    T_X v = LOAD_X(at + own * p_inner);
    for (int k = 0; k < p_size; k++, at += p_inner) {
        T_X w = LOAD_X(at);
        before += int(BEFORE(w, v) || (k < own && !BEFORE(v, w)));
    }
#endif
    if (before < p_k)
        STORE_I((o * p_k + before) * p_inner + i, uvec2(own, 0u));
}

#else

S_Y element(int e) {
    int n = e / p_inner, i = e - n * p_inner, o = n / p_k;
    return LOAD_X((o * p_size + int(LOAD_I(e).x)) * p_inner + i);
}
#include "lib/map.glsl"
#endif
