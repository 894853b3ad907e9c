// The cosine and sine that turn each pair of elements of each token.
// In: C, S: caches, rows of p_half; positions or lengths, lib/lengths.glsl. Out: Y [batch,
// p_length, p_half, 2]. Defines: POSITIONS (enum esk_positions). One invocation: one value.
#if POSITIONS == 1 || POSITIONS == 2 || POSITIONS == 4
#include "lib/lengths.glsl"
#endif

float element(int i) {
    int pair = i >> 1;
    int token = pair / p_half;
    int j = pair - token * p_half;
    int b = token / p_length;
    int s = token - b * p_length;
#if POSITIONS == 0
    int row = token;
#elif POSITIONS == 1
    int row = length_of(token);
#elif POSITIONS == 2
    int row = length_of(0) + s;
#elif POSITIONS == 3
    int row = p_first + s;
#else
    int row = max(length_of(b) + p_first, 0) + s;
#endif
    row = clamp(row, 0, p_rows - 1);
    int at = row * p_half + j;
    return (i & 1) == 0 ? LOAD_C(at) : LOAD_S(at);
}

#include "lib/map.glsl"
