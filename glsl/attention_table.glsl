// The cosine and sine that turn each pair of elements of each token.
// In: C, S: caches, rows of p_half; positions or lengths, lib/lengths.glsl. Out: Y [batch,
// p_length, p_half, 2]. Defines: POSITIONS (enum esk_positions), SPLIT:
// rows from p_split on are those of sequences longer than that. One invocation: one value.
#if POSITIONS == 1 || POSITIONS == 2 || POSITIONS == 4
#include "lib/lengths.glsl"
#endif

int row_of(int b, int s) {
#if POSITIONS == 0
    return b * p_length + s;
#elif POSITIONS == 1
    return length_of(b * p_length + s);
#elif POSITIONS == 2
    return length_of(0) + s;
#elif POSITIONS == 3
    return p_first + s;
#else
    return max(length_of(b) + p_first, 0) + s;
#endif
}

float element(int i) {
    int pair = i >> 1;
    int token = pair / p_half;
    int j = pair - token * p_half;
    int b = token / p_length;
    int s = token - b * p_length;
    int row = row_of(b, s);
#ifdef SPLIT
    row += row_of(b, p_length - 1) >= p_split ? p_split : 0;
#endif
    row = clamp(row, 0, p_rows - 1);
    int at = row * p_half + j;
    return (i & 1) == 0 ? LOAD_C(at) : LOAD_S(at);
}

#include "lib/map.glsl"
