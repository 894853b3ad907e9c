// Gathered rows of BITS bit numbers as floats. In: D, the numbers' words; I: indices
// (INDEX_LATE: the one there is is p_index); Z:
// (scale, zero point) of each block. The gathered axis has p_dim rows of p_inner
// elements, the quantized one p_q_dim of p_q_inner in p_blocks blocks of p_block. Out: Y
// [.., p_indices, ..].
float element(int i) {
    int row = i / p_inner;
    int inner = i - row * p_inner;
    int outer = row / p_indices;
#if defined(INDEX_LATE)
    int index = p_index;
#elif defined(INDICES_64)
    int index = int(LOAD_I(row - outer * p_indices).x);
#else
    int index = int(LOAD_I(row - outer * p_indices));
#endif
    index = index < 0 ? index + p_dim : index;
    if (index < 0 || index >= p_dim)
        return 0.0;
    int e = (outer * p_dim + index) * p_inner + inner;
    int line = e / p_q_inner;
    int before = line / p_q_dim;
    int block = (before * p_blocks + (line - before * p_q_dim) / p_block) * p_q_inner + e -
                line * p_q_inner;
    const int PER = 32 / BITS;
    int word = e / PER;
    uint bits = LOAD_D(word) >> uint((e - word * PER) * BITS);
#ifdef SIGNED
    float q = float(bitfieldExtract(int(bits), 0, BITS));
#else
    float q = float(bits & uint((1 << BITS) - 1));
#endif
    return (q - LOAD_Z(2 * block + 1)) * LOAD_Z(2 * block);
}

#include "lib/map.glsl"
