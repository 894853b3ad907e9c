// Comparisons, choices, integers and conversions of elementwise expressions, for vec4 and
// scalars alike; uvec2 is a 64-bit integer (INT64, lib/int64.glsl comes first). Booleans
// are uint 0 or 1. Nothing here stops at a division by zero: its result is 0.
// In: FN and FN_name for each function that is wanted, as lib/math.glsl, which comes
// first. May be included twice.
#ifndef INTEGER
#define INTEGER

// ---- comparisons and choices
#define COMPARE(name, vector, op) \
    uvec4 name(vec4 a, vec4 b) { return uvec4(vector(a, b)); } \
    uvec4 name(ivec4 a, ivec4 b) { return uvec4(vector(a, b)); } \
    uvec4 name(uvec4 a, uvec4 b) { return uvec4(vector(a, b)); } \
    uint name(float a, float b) { return uint(a op b); } \
    uint name(int a, int b) { return uint(a op b); } \
    uint name(uint a, uint b) { return uint(a op b); }
#if defined(FN_eq)
COMPARE(eq, equal, ==)
#endif
#if defined(FN_lt) || defined(MASK)
COMPARE(lt, lessThan, <)
#endif
#if defined(FN_le)
COMPARE(le, lessThanEqual, <=)
#endif

// c ? a : b
#define SELECT(V, S) \
    V select(uvec4 c, V a, V b) { return mix(b, a, notEqual(c, uvec4(0u))); } \
    S select(uint c, S a, S b) { return c != 0u ? a : b; }
#if defined(FN_select) || defined(MASK)
SELECT(vec4, float)
SELECT(ivec4, int)
SELECT(uvec4, uint)
#endif

#if defined(FN_ne0)
uvec4 ne0(vec4 a) { return uvec4(notEqual(floatBitsToUint(a) & 0x7fffffffu, uvec4(0u))); }
uvec4 ne0(ivec4 a) { return uvec4(notEqual(a, ivec4(0))); }
uvec4 ne0(uvec4 a) { return uvec4(notEqual(a, uvec4(0u))); }
uint ne0(float a) { return uint((floatBitsToUint(a) & 0x7fffffffu) != 0u); }
uint ne0(int a) { return uint(a != 0); }
uint ne0(uint a) { return uint(a != 0u); }
#endif

#if defined(FN_nan_test) || defined(FN_infinity_test)
uvec4 nan_test(vec4 a) { return uvec4(is_nan(a)); }
uint nan_test(float a) { return nan_test(vec4(a)).x; }
uvec4 infinity_test(vec4 a, float minus, float plus) {
    uvec4 u = floatBitsToUint(a);
    uvec4 m = uvec4(equal(u, uvec4(0xff800000u))), p = uvec4(equal(u, uvec4(0x7f800000u)));
    return (minus != 0.0 ? m : uvec4(0u)) | (plus != 0.0 ? p : uvec4(0u));
}
uint infinity_test(float a, float minus, float plus) {
    return infinity_test(vec4(a), minus, plus).x;
}
#endif

// ---- conversions
#define CONVERT(name, V, S) \
    V name(vec4 a) { return V(a); } \
    V name(ivec4 a) { return V(a); } \
    V name(uvec4 a) { return V(a); } \
    S name(float a) { return S(a); } \
    S name(int a) { return S(a); } \
    S name(uint a) { return S(a); }
#if defined(FN_to_float)
CONVERT(to_float, vec4, float)
#endif
#if defined(FN_to_int)
CONVERT(to_int, ivec4, int)
#endif
#if defined(FN_to_uint)
CONVERT(to_uint, uvec4, uint)
#endif

// Towards zero; NaN gives 0. int saturates; uint too, but what is negative wraps as int.
#if defined(FN_int_of) || defined(FN_uint_of) || defined(FN_power)
ivec4 int_of(vec4 a) {
    ivec4 v = ivec4(clamp(a, -2147483648.0, 2147483520.0));
    v = mix(v, ivec4(0x7fffffff), greaterThanEqual(a, vec4(2147483648.0)));
    return mix(v, ivec4(0), is_nan(a));
}
uvec4 uint_of(vec4 a) {
    uvec4 v = uvec4(clamp(a, 0.0, 4294967040.0));
    v = mix(v, uvec4(0xffffffffu), greaterThanEqual(a, vec4(4294967296.0)));
    v = mix(v, uvec4(int_of(a)), lessThan(a, vec4(0.0)));
    return mix(v, uvec4(0u), is_nan(a));
}
int int_of(float a) { return int_of(vec4(a)).x; }
uint uint_of(float a) { return uint_of(vec4(a)).x; }
#endif

// ---- 32-bit arithmetic
#if defined(FN_div_) || defined(FN_mod_)
ivec4 div_(ivec4 a, ivec4 b) { // towards zero; -2^31 / -1 wraps instead of trapping
    bvec4 zero = equal(b, ivec4(0)), minus = equal(b, ivec4(-1));
    ivec4 q = a / mix(mix(b, ivec4(1), zero), ivec4(1), minus);
    return mix(mix(q, -a, minus), ivec4(0), zero);
}
uvec4 div_(uvec4 a, uvec4 b) {
    bvec4 zero = equal(b, uvec4(0u));
    return mix(a / mix(b, uvec4(1u), zero), uvec4(0u), zero);
}
// The remainder with the sign of a where `truncated`, else with that of b.
ivec4 mod_(ivec4 a, ivec4 b, float truncated) {
    ivec4 r = mix(a - div_(a, b) * b, ivec4(0), equal(b, ivec4(0)));
    bvec4 differ = lessThan(r ^ b, ivec4(0));
    ivec4 floored = mix(r, mix(r + b, r, equal(r, ivec4(0))), differ);
    return truncated != 0.0 ? r : floored;
}
uvec4 mod_(uvec4 a, uvec4 b, float truncated) {
    return mix(a - div_(a, b) * b, uvec4(0u), equal(b, uvec4(0u)));
}
int div_(int a, int b) { return div_(ivec4(a), ivec4(b)).x; }
uint div_(uint a, uint b) { return div_(uvec4(a), uvec4(b)).x; }
int mod_(int a, int b, float truncated) { return mod_(ivec4(a), ivec4(b), truncated).x; }
uint mod_(uint a, uint b, float truncated) { return mod_(uvec4(a), uvec4(b), truncated).x; }
#endif

#if defined(FN_power)
uvec4 power(uvec4 a, uvec4 n) {
    uvec4 p = uvec4(1u);
    for (int i = 0; i < 32; i++) {
        p *= mix(uvec4(1u), a, equal(n & 1u, uvec4(1u)));
        a *= a;
        n >>= 1;
    }
    return p;
}
ivec4 power(ivec4 a, ivec4 n) { // n < 0: 0, but for 1 and -1
    ivec4 p = ivec4(power(uvec4(a), uvec4(abs(n))));
    bvec4 unit = equal(abs(a), ivec4(1));
    return mix(p, mix(ivec4(0), p, unit), lessThan(n, ivec4(0)));
}
// A whole power, exactly, else by floats.
ivec4 power(ivec4 a, vec4 n) {
    bvec4 whole = equal(floor(abs(n)), n);
    ivec4 k = int_of(mix(vec4(0.0), n, whole));
    return mix(int_of(power(vec4(a), n)), power(a, k), whole);
}
int power(int a, int n) { return power(ivec4(a), ivec4(n)).x; }
uint power(uint a, uint n) { return power(uvec4(a), uvec4(n)).x; }
int power(int a, float n) { return power(ivec4(a), vec4(n)).x; }
#endif

#if defined(FN_shift)
uvec4 shift(uvec4 a, uvec4 n, float left) {
    uvec4 m = min(n, uvec4(31u));
    return mix(left != 0.0 ? a << m : a >> m, uvec4(0u), greaterThan(n, uvec4(31u)));
}
uint shift(uint a, uint n, float left) { return shift(uvec4(a), uvec4(n), left).x; }
ivec4 shift(ivec4 a, ivec4 n, float left) { // all bits leave where n < 0 too
    uvec4 m = min(uvec4(n), uvec4(31u));
    return left == 0.0 ? a >> m : mix(a << m, ivec4(0), greaterThan(uvec4(n), uvec4(31u)));
}
int shift(int a, int n, float left) { return shift(ivec4(a), ivec4(n), left).x; }
#endif
#if defined(FN_prelu)
ivec4 prelu(ivec4 a, ivec4 slope) { return mix(a, a * slope, lessThan(a, ivec4(0))); }
int prelu(int a, int slope) { return a < 0 ? a * slope : a; }
#endif

#ifdef INT64
uint eq(uvec2 a, uvec2 b) { return uint(eq64(a, b)); }
uint lt(uvec2 a, uvec2 b) { return uint(lt64(a, b)); }
uint le(uvec2 a, uvec2 b) { return uint(!lt64(b, a)); }
uint ltu(uvec2 a, uvec2 b) { return uint(lt64u(a, b)); }
uint leu(uvec2 a, uvec2 b) { return uint(!lt64u(b, a)); }
uvec2 select(uint c, uvec2 a, uvec2 b) { return c != 0u ? a : b; }
uint ne0(uvec2 a) { return uint((a.x | a.y) != 0u); }
uvec2 shift64(uvec2 a, uvec2 n, float left) {
    return n.y != 0u ? uvec2(0u) : left != 0.0 ? shl64(a, n.x) : shr64u(a, n.x);
}
uvec2 shift64s(uvec2 a, uvec2 n, float left) {
    uvec2 fill = is_negative64(a) && left == 0.0 ? uvec2(0xffffffffu) : uvec2(0u);
    if (n.y != 0u || n.x > 63u)
        return fill;
    return left != 0.0 ? shl64(a, n.x) : fill ^ shr64u(a ^ fill, n.x);
}
uvec2 prelu64(uvec2 a, uvec2 slope) { return is_negative64(a) ? mul64(a, slope) : a; }
#ifdef FN_power64
uvec2 power64(uvec2 a, float n) {
    return floor(abs(n)) == n ? pow64u(a, u64_of_float(n))
                              : i64_of_float(power(float_of64(a), n));
}
#endif
#endif
#endif
