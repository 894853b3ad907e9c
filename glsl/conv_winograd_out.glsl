// Winograd F(4×4, 3×3), last of three kernels: Y = Aᵀ M A, bias and epilogue.
// M: vec4 [36][p_pieces][p_c4]   W: the form's bias, vec4 [p_c4] from p_bias on
// Y: C4 vec4 [N, OH, OW, p_c4]. One invocation makes the 4 × 4 outputs of one piece.
// Groups: x: LO channel vec4s; y: ACROSS pieces of an image; z: n.
// Defines: MASK: the last vec4 has pad channels.
// Params: lo c c4 ow oh across (pieces a row) each (pieces an image) pieces bias.
#include "lib/lanes.glsl"

const float R2 = 1.41421356, R1 = 0.70710678;

// Aᵀ times the six values m(0) … m(5).
#define TRANSFORM(t, m)                                                     \
    {                                                                       \
        vec4 a = m(1) + m(2), b = m(1) - m(2);                              \
        vec4 p = m(3) + m(4), q = m(3) - m(4);                              \
        t[0] = m(0) + (a + p);                                              \
        t[1] = R1 * b + R2 * q;                                             \
        t[2] = 0.5 * a + 2.0 * p;                                           \
        t[3] = m(5) + (0.5 * R1 * b + 2.0 * R2 * q);                        \
    }

void main() {
    int c = GROUP.x * LO + LANE;
    int piece = GROUP.y * ACROSS + LANE_ACROSS;
    int c4 = p_c4, ow = p_ow, oh = p_oh, each = p_each;
    if (c >= c4 || piece >= each)
        return;
    int plane = p_pieces * c4, at = (GROUP.z * each + piece) * c4 + c;
    vec4 e[24], t[4], bias = LOAD_W(p_bias + c);
    for (int j = 0; j < 6; j++) {
        vec4 m[6];
        for (int i = 0; i < 6; i++)
            m[i] = LOAD_M(at + (i * 6 + j) * plane);
#define DOWN(i) m[i]
        TRANSFORM(t, DOWN)
        for (int i = 0; i < 4; i++)
            e[i * 6 + j] = t[i];
    }
    int down = piece / p_across;
    int x0 = (piece - down * p_across) * 4, y0 = down * 4;
    int start = ((GROUP.z * oh + y0) * ow + x0) * c4 + c;
    // see conv.glsl for `place`
    int place[16];
    for (int i = 0; i < 16; i++)
        place[i] = y0 + i / 4 < oh && x0 + i % 4 < ow ? start + (i / 4 * ow + i % 4) * c4 : -1;
    for (int i = 0; i < 4; i++) {
#define ALONG(j) e[i * 6 + j]
        TRANSFORM(t, ALONG)
        for (int j = 0; j < 4; j++) {
            int to = place[i * 4 + j];
            if (to >= 0) {
                vec4 v = t[j] + bias;
                v = EPILOGUE(v, to);
#ifdef MASK
                v = mix(vec4(0.0), v, lessThan(ivec4(c) * 4 + ivec4(0, 1, 2, 3), ivec4(p_c)));
#endif
                STORE_Y(to, v);
            }
        }
    }
}
