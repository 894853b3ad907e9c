// The cosine and sine that turn each pair of elements of each token.
// In: C, S: caches, rows of p_half; positions or lengths, lib/lengths.glsl. Out: Y
// [batch, p_length, p_half, 2]. Defines: POSITIONS (enum esk_positions; 5: pair j goes by
// one of three positions, sections of p_section(k) pairs, one behind the other or WOVEN),
// SPLIT: rows from p_split on are those of sequences longer than that. One invocation:
// one value.
#if POSITIONS == 1 || POSITIONS == 2 || POSITIONS == 4 || POSITIONS == 5
#include "lib/lengths.glsl"
#endif

int row_of(int b, int s, int j) {
#if POSITIONS == 0
    return b * p_length + s;
#elif POSITIONS == 1
    return length_of(b * p_length + s);
#elif POSITIONS == 2
    return length_of(0) + s;
#elif POSITIONS == 3
    return p_first + s;
#elif POSITIONS == 5
#if WOVEN
    int k = j % 3;
    int stream = k > 0 && j / 3 < p_section(k) ? k : 0;
#else
    int stream = j < p_section(0) ? 0 : j < p_section(0) + p_section(1) ? 1 : 2;
#endif
    return length_of(stream * p_tokens + b * p_length + s);
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
    int row = row_of(b, s, j);
#ifdef SPLIT
    row += row_of(b, p_length - 1, j) >= p_split ? p_split : 0;
#endif
    row = clamp(row, 0, p_rows - 1);
    int at = row * p_half + j;
    return (i & 1) == 0 ? LOAD_C(at) : LOAD_S(at);
}

#include "lib/map.glsl"
