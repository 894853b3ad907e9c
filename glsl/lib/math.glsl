// Float functions of elementwise expressions (struct esk_elementwise) and of epilogues.
// Each takes a vec4, or a float; attributes are floats. Accuracy: about 1e-6 relative,
// near zero too, whatever the driver's own functions are. NaN goes through; -0 may become
// 0.
// In: FN and FN_name for each function that is wanted (parsing all of them takes a driver
// milliseconds); without FN all are there. May be included twice.
#ifndef MATH
#define MATH

#define SCALAR(f) float f(float x) { return f(vec4(x)).x; }
#define SCALAR_P(f) float f(float x, float p) { return f(vec4(x), p).x; }
#define SCALAR_PQ(f) float f(float x, float p, float q) { return f(vec4(x), p, q).x; }
#define SCALAR_2(f) float f(float x, float y) { return f(vec4(x), vec4(y)).x; }

bvec4 is_nan(vec4 x) {
    return greaterThan(floatBitsToUint(x) & 0x7fffffffu, uvec4(0x7f800000u));
}
vec4 with_sign(vec4 size, vec4 sign_of) {
    return uintBitsToFloat(floatBitsToUint(size) | (floatBitsToUint(sign_of) & 0x80000000u));
}

// ---- choosing
#if !defined(FN) || defined(FN_relu)
// By bits: compilers turn x < 0 ? 0 : x into a maximum, which loses NaN.
vec4 relu(vec4 x) {
    return mix(x, vec4(0.0),
               lessThanEqual(floatBitsToUint(x) - 0x80000000u, uvec4(0x7f800000u)));
}
SCALAR(relu)
#endif

// ---- bounds
#if !defined(FN) || defined(FN_min_) || defined(FN_max_) || defined(FN_clip)
vec4 min_(vec4 a, vec4 b) { return mix(mix(min(a, b), a, is_nan(a)), b, is_nan(b)); }
vec4 max_(vec4 a, vec4 b) { return mix(mix(max(a, b), a, is_nan(a)), b, is_nan(b)); }
vec4 clip(vec4 x, vec4 low, vec4 high) { return mix(min(max(x, low), high), x, is_nan(x)); }
SCALAR_2(min_)
SCALAR_2(max_)
float clip(float x, float low, float high) { return clip(vec4(x), vec4(low), vec4(high)).x; }
#endif

// ---- lines with a kink
#if !defined(FN) || defined(FN_leaky) || defined(FN_prelu) || defined(FN_thresholded) || \
    defined(FN_shrink) || defined(FN_sign_) || defined(FN_hard_sigmoid) || \
    defined(FN_hard_swish)
vec4 leaky(vec4 x, float alpha) { return mix(x, alpha * x, lessThan(x, vec4(0.0))); }
vec4 prelu(vec4 x, vec4 slope) { return mix(x, slope * x, lessThan(x, vec4(0.0))); }
vec4 thresholded(vec4 x, float alpha) {
    return mix(vec4(0.0), x, greaterThan(x, vec4(alpha)));
}
vec4 shrink(vec4 x, float lambd, float bias) {
    vec4 r = mix(vec4(0.0), x + bias, lessThan(x, vec4(-lambd)));
    return mix(r, x - bias, greaterThan(x, vec4(lambd)));
}
vec4 sign_(vec4 x) { return mix(sign(x), x, is_nan(x)); }
vec4 hard_sigmoid(vec4 x, float alpha, float beta) {
    vec4 r = alpha * x + beta;
    return mix(clamp(r, 0.0, 1.0), r, is_nan(r));
}
vec4 hard_swish(vec4 x) { return x * clamp(x * 1.6666667e-1 + 0.5, 0.0, 1.0); }
SCALAR_P(leaky)
SCALAR_2(prelu)
SCALAR_P(thresholded)
SCALAR_PQ(shrink)
SCALAR(sign_)
SCALAR_PQ(hard_sigmoid)
SCALAR(hard_swish)
#endif

// ---- exponentials
#if !defined(FN) || defined(FN_elu) || defined(FN_selu) || defined(FN_celu) || \
    defined(FN_sigmoid) || defined(FN_swish) || defined(FN_mish) || \
    defined(FN_softsign)
vec4 expm1_(vec4 x) {
    vec4 s = x * (1.0 + x * (0.5 + x * (1.6666667e-1 + x * (4.1666667e-2 +
             x * (8.3333333e-3 + x * 1.3888889e-3)))));
    return mix(exp(x) - 1.0, s, lessThan(abs(x), vec4(0.35)));
}
vec4 elu(vec4 x, float alpha) { return mix(x, alpha * expm1_(x), lessThan(x, vec4(0.0))); }
vec4 selu(vec4 x, float alpha, float gamma) { return gamma * elu(x, alpha); }
vec4 celu(vec4 x, float alpha) {
    return mix(x, alpha * expm1_(x / alpha), lessThan(x, vec4(0.0)));
}
vec4 sigmoid(vec4 x) { return 1.0 / (1.0 + exp(-x)); }
vec4 swish(vec4 x, float alpha) { return x / (1.0 + exp(-alpha * x)); }
vec4 softsign(vec4 x) { return x / (1.0 + abs(x)); }
// x tanh(log(1 + e^x)), with tanh(log(u)) = (u² - 1) / (u² + 1)
vec4 mish(vec4 x) {
    vec4 e = exp(min(x, 20.0)), n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}
SCALAR_P(elu)
SCALAR_PQ(selu)
SCALAR_P(celu)
SCALAR(sigmoid)
SCALAR_P(swish)
SCALAR(softsign)
SCALAR(mish)
#endif

// ---- logarithms
#if !defined(FN) || defined(FN_log_) || defined(FN_softplus) || defined(FN_asinh_) || \
    defined(FN_acosh_) || defined(FN_atanh_)
// log(1 + x) = 2 atanh(x / (2 + x))
vec4 log1p_(vec4 x) {
    vec4 s = x / (2.0 + x), z = s * s;
    s *= 2.0 + z * (6.6666667e-1 + z * (0.4 + z * (2.8571429e-1 + z * 2.2222222e-1)));
    return mix(log(1.0 + x), s, lessThan(abs(x), vec4(0.35)));
}
vec4 log_(vec4 x) { return mix(log(x), log1p_(x - 1.0), lessThan(abs(x - 1.0), vec4(0.35))); }
vec4 softplus(vec4 x) { return max(x, 0.0) + log1p_(exp(-abs(x))); }
vec4 asinh_(vec4 x) {
    vec4 a = abs(x), z = a * a;
    vec4 r = log1p_(a + z / (1.0 + sqrt(z + 1.0)));
    return with_sign(mix(r, log(a) + 0.69314718, greaterThan(a, vec4(1e9))), x);
}
vec4 acosh_(vec4 x) {
    vec4 t = x - 1.0, r = log1p_(t + sqrt(t * (t + 2.0)));
    r = mix(r, log(x) + 0.69314718, greaterThan(x, vec4(1e9)));
    return mix(r, vec4(uintBitsToFloat(0x7fc00000u)), lessThan(x, vec4(1.0)));
}
vec4 atanh_(vec4 x) {
    vec4 a = abs(x);
    return with_sign(0.5 * log1p_(2.0 * a / (1.0 - a)), x);
}
SCALAR(log_)
SCALAR(softplus)
SCALAR(asinh_)
SCALAR(acosh_)
SCALAR(atanh_)
#endif

// ---- rational functions in x², numerators and denominators as in Eigen's float tanh and
// erf
#if !defined(FN) || defined(FN_tanh_) || defined(FN_erf_) || defined(FN_gelu)
// Exactly 1 behind the bound.
vec4 settle(vec4 r, vec4 c, float bound, vec4 x) {
    r = mix(r, with_sign(vec4(1.0), x), greaterThanEqual(abs(c), vec4(bound)));
    return mix(r, x, is_nan(x));
}
vec4 tanh_(vec4 x) {
    vec4 c = clamp(x, -8.0, 8.0), z = c * c;
    vec4 p = ((((((-2.76076847742355e-16 * z + 2.00018790482477e-13) * z -
                  8.60467152213735e-11) * z + 5.12229709037114e-08) * z +
                1.48572235717979e-05) * z + 6.37261928875436e-04) * z +
              4.89352455891786e-03);
    vec4 q = ((1.19825839466702e-06 * z + 1.18534705686654e-04) * z +
              2.26843463243900e-03) * z + 4.89352518554385e-03;
    return settle(c * p / q, c, 8.0, x);
}
vec4 erf_(vec4 x) {
    vec4 c = clamp(x, -4.0, 4.0), z = c * c;
    vec4 p = ((((((-2.72614225801306e-10 * z + 2.77068142495902e-08) * z -
                  2.10102402082508e-06) * z - 5.69250639462346e-05) * z -
                7.34990630326855e-04) * z - 2.95459980854025e-03) * z -
              1.60960333262415e-02);
    vec4 q = (((-1.45660718464996e-05 * z - 2.13374055278905e-04) * z -
               1.68282697438203e-03) * z - 7.37332916720468e-03) * z -
             1.42647390514189e-02;
    return settle(c * p / q, c, 4.0, x);
}
// Both forms of Gelu: one rational function, its coefficients chosen by `by_tanh`.
vec4 gelu(vec4 x, float by_tanh) {
    bool t = by_tanh != 0.0;
    vec4 u = x * (t ? 0.79788456 + 0.035677408 * (x * x) : vec4(0.70710678));
    float bound = t ? 8.0 : 4.0;
    vec4 c = clamp(u, -bound, bound), z = c * c;
    vec4 p = (t ? -2.76076847742355e-16 : -2.72614225801306e-10) * z +
             (t ? 2.00018790482477e-13 : 2.77068142495902e-08);
    p = p * z + (t ? -8.60467152213735e-11 : -2.10102402082508e-06);
    p = p * z + (t ? 5.12229709037114e-08 : -5.69250639462346e-05);
    p = p * z + (t ? 1.48572235717979e-05 : -7.34990630326855e-04);
    p = p * z + (t ? 6.37261928875436e-04 : -2.95459980854025e-03);
    p = p * z + (t ? 4.89352455891786e-03 : -1.60960333262415e-02);
    vec4 q = (t ? 0.0 : -1.45660718464996e-05) * z +
             (t ? 1.19825839466702e-06 : -2.13374055278905e-04);
    q = q * z + (t ? 1.18534705686654e-04 : -1.68282697438203e-03);
    q = q * z + (t ? 2.26843463243900e-03 : -7.37332916720468e-03);
    q = q * z + (t ? 4.89352518554385e-03 : -1.42647390514189e-02);
    return 0.5 * x * (1.0 + settle(c * p / q, c, bound, x));
}
SCALAR(tanh_)
SCALAR(erf_)
SCALAR_P(gelu)
#endif

// ---- hyperbolic; e = exp(|x|) / 2 stays finite where the result does
#if !defined(FN) || defined(FN_cosh_) || defined(FN_sinh_)
vec4 cosh_(vec4 x) {
    vec4 e = exp(abs(x) - 0.69314718);
    return e + 0.25 / e;
}
vec4 sinh_(vec4 x) {
    vec4 a = abs(x), e = exp(a - 0.69314718), z = x * x;
    vec4 s = a * (1.0 + z * (1.6666667e-1 + z * (8.3333333e-3 + z * 1.9841270e-4)));
    return with_sign(mix(e - 0.25 / e, s, lessThan(a, vec4(0.7))), x);
}
SCALAR(cosh_)
SCALAR(sinh_)
#endif

// ---- waves; angles are brought to [-π/4, π/4] in three parts, right up to 1e5
#if !defined(FN) || defined(FN_sin_) || defined(FN_cos_) || defined(FN_tan_)
vec4 quarter(vec4 x, out ivec4 q) {
    vec4 n = roundEven(x * 0.63661977);
    q = ivec4(n);
    return ((x - n * 1.5703125) - n * 4.8375129699707031e-4) - n * 7.5497899487686483e-8;
}
vec4 wave(vec4 r, ivec4 q) {
    vec4 z = r * r;
    vec4 s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    vec4 c = 1.0 - 0.5 * z + z * z * (4.1666645683e-2 + z * (-1.3887316255e-3 +
             z * 2.4433157118e-5));
    vec4 w = mix(s, c, equal(q & 1, ivec4(1)));
    return mix(w, -w, equal(q & 2, ivec4(2)));
}
vec4 sin_(vec4 x) {
    ivec4 q;
    vec4 r = quarter(x, q);
    return wave(r, q);
}
vec4 cos_(vec4 x) {
    ivec4 q;
    vec4 r = quarter(x, q);
    return wave(r, q + 1);
}
vec4 tan_(vec4 x) {
    ivec4 q;
    vec4 r = quarter(x, q);
    return wave(r, q) / wave(r, q + 1);
}
SCALAR(sin_)
SCALAR(cos_)
SCALAR(tan_)
#endif

// ---- angles
#if !defined(FN) || defined(FN_atan_) || defined(FN_asin_) || defined(FN_acos_)
vec4 atan_(vec4 x) {
    vec4 a = abs(x);
    bvec4 far = greaterThan(a, vec4(2.4142136)), mid = greaterThan(a, vec4(0.41421356));
    vec4 t = mix(mix(a, (a - 1.0) / (a + 1.0), mid), -1.0 / a, far), z = t * t;
    vec4 r = t + t * z * (((8.05374449538e-2 * z - 1.38776856032e-1) * z +
                           1.99777106478e-1) * z - 3.33329491539e-1);
    return with_sign(r + mix(mix(vec4(0.0), vec4(0.78539816), mid), vec4(1.5707963), far), x);
}
// asin of a in [0, 1/2], z = a²
vec4 asin_near(vec4 a, vec4 z) {
    return a + a * z * ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z +
                         7.4953002686e-2) * z + 1.6666752422e-1);
}
vec4 asin_(vec4 x) {
    vec4 a = abs(x), z = 0.5 - 0.5 * a;
    bvec4 far = greaterThan(a, vec4(0.5));
    vec4 r = asin_near(mix(a, sqrt(z), far), mix(a * a, z, far));
    return with_sign(mix(r, 1.5707963 - 2.0 * r, far), x);
}
vec4 acos_(vec4 x) {
    vec4 a = abs(x), z = 0.5 - 0.5 * a;
    bvec4 far = greaterThan(a, vec4(0.5)), left = lessThan(x, vec4(0.0));
    vec4 r = asin_near(mix(a, sqrt(z), far), mix(a * a, z, far));
    vec4 near = 1.5707963 - mix(r, -r, left);
    return mix(near, mix(2.0 * r, 3.1415927 - 2.0 * r, left), far);
}
SCALAR(atan_)
SCALAR(asin_)
SCALAR(acos_)
#endif

// ---- powers
#if !defined(FN) || defined(FN_power) || defined(FN_power64)
// Whole exponents up to 63 by squaring (exact where the result is), others by logarithms:
// some drivers make pow of exp2(y * log2(a)), and theirs is 0 for every power of 0.
vec4 power(vec4 x, vec4 y) {
    vec4 a = abs(x), n = abs(y), whole = roundEven(n);
    ivec4 k = ivec4(min(whole, 64.0));
    vec4 p = mix(vec4(1.0), a, equal(k & 1, ivec4(1))), b = a;
    for (int bit = 2; bit < 64; bit <<= 1) {
        b *= b;
        p *= mix(vec4(1.0), b, equal(k & bit, ivec4(bit)));
    }
    bvec4 down = lessThan(y, vec4(0.0)), is_whole = equal(whole, n);
    vec4 infinity = vec4(uintBitsToFloat(0x7f800000u));
    vec4 g = exp2(y * log2(a));
    g = mix(g, mix(vec4(0.0), infinity, down), equal(a, vec4(0.0)));
    g = mix(g, vec4(1.0), equal(a, vec4(1.0)));
    vec4 r = mix(g, mix(mix(p, 1.0 / p, down), g, greaterThan(n, vec4(63.5))), is_whole);
    // below zero: by parity; between whole exponents NaN
    bvec4 left = lessThan(floatBitsToInt(x), ivec4(0));
    bvec4 odd = notEqual(floor(0.5 * n), 0.5 * n);
    vec4 nothing = mix(vec4(uintBitsToFloat(0x7fc00000u)), r, equal(a, vec4(0.0)));
    nothing = mix(nothing, r, equal(a, infinity));
    vec4 minus = mix(nothing, mix(r, -r, odd), is_whole);
    r = mix(mix(r, minus, left), r, equal(n, infinity));
    r = mix(mix(r, x, is_nan(x)), y, is_nan(y));
    r = mix(r, vec4(1.0), equal(x, vec4(1.0)));
    return mix(r, vec4(1.0), equal(n, vec4(0.0)));
}
SCALAR_2(power)
#endif

// ---- remainders
#if !defined(FN) || defined(FN_mod_)
vec4 mod_step(vec4 a, vec4 b) { // a less a multiple of b; in parts of 12 bits: exact
    vec4 q = trunc(a / b);
    vec4 qh = uintBitsToFloat(floatBitsToUint(q) & 0xfffff000u), ql = q - qh;
    vec4 bh = uintBitsToFloat(floatBitsToUint(b) & 0xfffff000u), bl = b - bh;
    vec4 r = (((a - qh * bh) - qh * bl) - ql * bh) - ql * bl;
    return mix(r, a, lessThan(abs(a), abs(b)));
}
// The remainder with the sign of a where `truncated` (C's fmod), else with that of b.
vec4 mod_(vec4 a, vec4 b, float truncated) {
    vec4 r = mod_step(mod_step(a, b), b), d = with_sign(abs(b), a);
    r = mix(r, r + d, lessThan(r * d, vec4(0.0)));
    r = mix(r, r - d, greaterThanEqual(abs(r), abs(b)));
    vec4 floored = mix(r, r + b, lessThan(r * b, vec4(0.0)));
    floored = mix(floored, with_sign(floored, b), equal(r, vec4(0.0)));
    return truncated == 0.0 ? floored : r;
}
float mod_(float a, float b, float truncated) { return mod_(vec4(a), vec4(b), truncated).x; }
#endif

#endif
