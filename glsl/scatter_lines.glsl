// ScatterElements, ScatterND with a reduction: after Y was made a copy of the data, the
// updates of a line are joined with it one after the other, in their order; lines share
// no place.
// In: U (updates), I. Out: Y, read too. Update q of the line with index i (mixed radix
// dim(0 ... RANK-1)) lies at sum of i_k * from(k) + q * from_step; its tuple of indices
// at sum of i_k * place(k) + q * place_step; its place is sum of i_k * stride(k) + pick
// (lib/pick.glsl).
// Params: dim, stride, place, from; count: lines (PAIRS: neighbours, two an invocation);
// many: lines in the last dimension; first, n: updates [first, first + n) of each line;
// place_step, from_step; axis_dim, axis_stride. U and Y have one view; strides are in its
// units.
// Defines: RANK, TUPLE, INDEX64; HOW 0: set 1: add 2: multiply 3: maximum 4: minimum;
// KIND 0: float 1: int 2: uint 3: int64 4: uint64 5: bool; PAIRS: neighbours may share
// words.

#include "lib/index.glsl"
#include "lib/pick.glsl"
#if KIND == 3 || KIND == 4
#include "lib/int64.glsl"
#endif

#if KIND == 0 && HOW > 2
// NaN stays, whatever max() makes of it.
float keep_nan(float v, float a, float b) {
    v = (floatBitsToUint(a) & 0x7fffffffu) > 0x7f800000u ? a : v;
    return (floatBitsToUint(b) & 0x7fffffffu) > 0x7f800000u ? b : v;
}
#if UNIT_Y == 4
vec4 keep_nan(vec4 v, vec4 a, vec4 b) {
    return vec4(keep_nan(v.x, a.x, b.x), keep_nan(v.y, a.y, b.y), keep_nan(v.z, a.z, b.z),
                keep_nan(v.w, a.w, b.w));
}
#endif
#endif

T_Y joined(T_Y a, T_Y b) {
#if HOW == 0
    return b;
#elif KIND == 5 // logic: or, and
    return HOW == 1 || HOW == 3 ? max(a, b) : min(a, b);
#elif KIND >= 3 && HOW == 1
    return add64(a, b);
#elif KIND >= 3 && HOW == 2
    return mul64(a, b);
#elif HOW == 1
    return a + b;
#elif HOW == 2
    return a * b;
#elif KIND == 3
    return HOW == 3 ? max64(a, b) : min64(a, b);
#elif KIND == 4
    return HOW == 3 ? max64u(a, b) : min64u(a, b);
#elif KIND == 0
    return keep_nan(HOW == 3 ? max(a, b) : min(a, b), a, b);
#else
    return HOW == 3 ? max(a, b) : min(a, b);
#endif
}

void join(int at, T_Y v) {
#if UNIT_Y == 2
    float other = LOAD_Y(at ^ 1);
    v = joined(LOAD_Y(at), v);
    STORE2_Y(at >> 1, (at & 1) == 0 ? vec2(v, other) : vec2(other, v));
#else
    STORE_Y(at, joined(LOAD_Y(at), v));
#endif
}

void line(int at, int place, int from) {
    for (int q = p_first; q < p_first + p_n; q++)
        join(at + pick(place + q * p_place_step), LOAD_U(from + q * p_from_step));
}

void main() {
    int unit = FLAT, index[RANK];
    if (unit >= p_count)
        return;
    index_of(unit, index);
    int at = 0, place = 0, from = 0;
#ifdef PAIRS
    index[RANK - 1] *= 2;
#endif
    for (int k = 0; k < RANK; k++) {
        at += index[k] * p_stride(k);
        place += index[k] * p_place(k);
        from += index[k] * p_from(k);
    }
    line(at, place, from);
#ifdef PAIRS
    if (index[RANK - 1] + 1 < p_many)
        line(at + 1, place + p_place(RANK - 1), from + p_from(RANK - 1));
#endif
}
