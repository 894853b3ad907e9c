// Weights of BITS bits as floats. In: B [n, p_blocks, bytes], S: scales [n, p_blocks]; Z:
// zero points (ZEROS 1: packed, rows of p_zero_row bytes; 2: floats; none: half the
// range).
// Out: Y [n, p_k]. LEVELS: numbers name levels. One invocation: one number.
uint number_in(uint byte, int i) {
    return (byte >> uint((i * BITS) & 7)) & uint((1 << BITS) - 1);
}

#ifdef LEVELS
#include "lib/levels.glsl"

float element(int i) { // blocks go on from one column to the next, high bits come first
    uint byte = LOAD_B(i >> 1);
    return level((i & 1) == 0 ? byte >> 4 : byte) * LOAD_S(i / p_block);
}
#else
float element(int i) {
    int n = i / p_k;
    int k = i - n * p_k;
    int g = k / p_block;
    int bytes = p_blocks * p_block * BITS / 8;
    float q = float(number_in(LOAD_B(n * bytes + k * BITS / 8), k));
#if !defined(ZEROS)
    float zero = float(1 << (BITS - 1));
#elif ZEROS == 1
    float zero = float(number_in(LOAD_Z(n * p_zero_row + g * BITS / 8), g));
#else
    float zero = LOAD_Z(n * p_blocks + g);
#endif
    return (q - zero) * LOAD_S(n * p_blocks + g);
}
#endif

#include "lib/map.glsl"
