// An expression over up to four operands, element by element, with broadcasting.
// In: operands A … D (those that have a KIND). Out: Y. One invocation computes four units
// of
// Y, LOCAL_SIZE apart; a unit is what one STORE writes (UNIT_Y: a vec4, an element, two
// packed halves). In layout C4 a unit is four channels of one place.
// Params: p_units; where RANK > 0 p_dims(i), the extents of the index space in units of
// LOAD, and p_steps(i), the digits of LOCAL_SIZE in it; strides over it in units of each
// operand's own view: p_sa(i), p_sb(i), p_sc(i), p_sd(i); p_ga … p_gd, the gap of GATHER;
// p_channels in layout C4; p_e… of the expression.
// Defines: BODY, statements over a, b, c, d (none: absent), EXPR, over them and what they
// make; VALUE_x the type of operand x's value (as wide as Y's); RANK 0: no operand needs
// coordinates; MASK: zeros go to pad lanes; INT64: the expression uses 64-bit integers;
// KIND_x:
//   0 FLAT     unit i of X
//   1 STRIDED  the unit at strides sx
//   2 SPLAT    the element at strides sx, repeated
//   3 SPLATX   the vec4 at strides sx, its first lane repeated
//   4 GATHER   four elements gx apart, for channels of a dense tensor; zeros in pad lanes
#include "lib/math.glsl"
#ifdef INT64
#include "lib/int64.glsl"
#endif
#include "lib/integer.glsl"

#if RANK > 0
int at_[RANK];
void locate(int i) {
    for (int d = RANK - 1; d > 0; d--) {
        int q = i / p_dims(d);
        at_[d] = i - q * p_dims(d);
        i = q;
    }
    at_[0] = i;
}
void advance() { // by LOCAL_SIZE: no division
    int carry = 0;
    for (int d = RANK - 1; d > 0; d--) {
        int c = at_[d] + p_steps(d) + carry;
        carry = int(c >= p_dims(d));
        at_[d] = carry != 0 ? c - p_dims(d) : c;
    }
    at_[0] += p_steps(0) + carry;
}
#else
void locate(int i) {}
void advance() {}
#endif

#define SUM1(s) at_[0] * s(0)
#define SUM2(s) SUM1(s) + at_[1] * s(1)
#define SUM3(s) SUM2(s) + at_[2] * s(2)
#define SUM4(s) SUM3(s) + at_[3] * s(3)
#define SUM5(s) SUM4(s) + at_[4] * s(4)
#define SUM6(s) SUM5(s) + at_[5] * s(5)
#define SUM7(s) SUM6(s) + at_[6] * s(6)
#define SUM8(s) SUM7(s) + at_[7] * s(7)
#if RANK == 0
#define OFFSET(s) 0
#elif RANK == 1
#define OFFSET(s) (SUM1(s))
#elif RANK == 2
#define OFFSET(s) (SUM2(s))
#elif RANK == 3
#define OFFSET(s) (SUM3(s))
#elif RANK == 4
#define OFFSET(s) (SUM4(s))
#elif RANK == 5
#define OFFSET(s) (SUM5(s))
#elif RANK == 6
#define OFFSET(s) (SUM6(s))
#elif RANK == 7
#define OFFSET(s) (SUM7(s))
#else
#define OFFSET(s) (SUM8(s))
#endif

#ifdef KIND_A
VALUE_A get_a(int i) {
#if KIND_A == 0
    return LOAD_A(i);
#elif KIND_A == 1
    return LOAD_A(OFFSET(p_sa));
#elif KIND_A == 2
    return VALUE_A(LOAD_A(OFFSET(p_sa)));
#elif KIND_A == 3
    return VALUE_A(LOAD_A(OFFSET(p_sa)).x);
#else
    int j = OFFSET(p_sa), left = p_channels - 4 * at_[RANK - 1];
    return VALUE_A(LOAD_A(j), LOADZ_A(left > 1, j + p_ga),
                   LOADZ_A(left > 2, j + 2 * p_ga), LOADZ_A(left > 3, j + 3 * p_ga));
#endif
}
#endif
#ifdef KIND_B
VALUE_B get_b(int i) {
#if KIND_B == 0
    return LOAD_B(i);
#elif KIND_B == 1
    return LOAD_B(OFFSET(p_sb));
#elif KIND_B == 2
    return VALUE_B(LOAD_B(OFFSET(p_sb)));
#elif KIND_B == 3
    return VALUE_B(LOAD_B(OFFSET(p_sb)).x);
#else
    int j = OFFSET(p_sb), left = p_channels - 4 * at_[RANK - 1];
    return VALUE_B(LOAD_B(j), LOADZ_B(left > 1, j + p_gb),
                   LOADZ_B(left > 2, j + 2 * p_gb), LOADZ_B(left > 3, j + 3 * p_gb));
#endif
}
#endif
#ifdef KIND_C
VALUE_C get_c(int i) {
#if KIND_C == 0
    return LOAD_C(i);
#elif KIND_C == 1
    return LOAD_C(OFFSET(p_sc));
#elif KIND_C == 2
    return VALUE_C(LOAD_C(OFFSET(p_sc)));
#elif KIND_C == 3
    return VALUE_C(LOAD_C(OFFSET(p_sc)).x);
#else
    int j = OFFSET(p_sc), left = p_channels - 4 * at_[RANK - 1];
    return VALUE_C(LOAD_C(j), LOADZ_C(left > 1, j + p_gc),
                   LOADZ_C(left > 2, j + 2 * p_gc), LOADZ_C(left > 3, j + 3 * p_gc));
#endif
}
#endif
#ifdef KIND_D
VALUE_D get_d(int i) {
#if KIND_D == 0
    return LOAD_D(i);
#elif KIND_D == 1
    return LOAD_D(OFFSET(p_sd));
#elif KIND_D == 2
    return VALUE_D(LOAD_D(OFFSET(p_sd)));
#elif KIND_D == 3
    return VALUE_D(LOAD_D(OFFSET(p_sd)).x);
#else
    int j = OFFSET(p_sd), left = p_channels - 4 * at_[RANK - 1];
    return VALUE_D(LOAD_D(j), LOADZ_D(left > 1, j + p_gd),
                   LOADZ_D(left > 2, j + 2 * p_gd), LOADZ_D(left > 3, j + 3 * p_gd));
#endif
}
#endif

T_Y value(int i) {
#ifdef KIND_A
    VALUE_A a = get_a(i);
#endif
#ifdef KIND_B
    VALUE_B b = get_b(i);
#endif
#ifdef KIND_C
    VALUE_C c = get_c(i);
#endif
#ifdef KIND_D
    VALUE_D d = get_d(i);
#endif
#ifdef BODY
    BODY
#endif
    T_Y v = EXPR;
#ifdef MASK
    ivec4 channel = 4 * at_[RANK - 1] + ivec4(0, 1, 2, 3);
    v = select(lt(channel, ivec4(p_channels)), v, T_Y(0));
#endif
    return v;
}

#if UNIT_Y == 2
float element(int i) {
    locate(i);
    return value(i);
}
#define UNIT(u) STORE2_Y(u, vec2(element(2 * u), element(2 * u + 1)))
#else
#define UNIT(u) STORE_Y(u, value(u)); advance()
#endif
#define UNIT_OR_RETURN if (u >= p_units) return; UNIT(u); u += LOCAL_SIZE;

void main() {
    int u = GROUP.x * LOCAL_SIZE * 4 + LOCAL;
#if UNIT_Y != 2
    locate(u);
#endif
    UNIT_OR_RETURN
    UNIT_OR_RETURN
    UNIT_OR_RETURN
    UNIT_OR_RETURN
}
