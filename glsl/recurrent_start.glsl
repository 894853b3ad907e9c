// The first state of LSTM, GRU, RNN. In: H, C ELEMENT (initial states), L (lengths). Out:
// S vec4: h [direction][batch][hidden4], c the same, a length (.x) for each of the batch.
// Params: cells (vec4s of h), batch, hidden, h_batch, h_direction. Defines: HAS_H, HAS_C,
// HAS_LENGTHS. One invocation makes a vec4 of h, of c, and a length.

void main() {
    int unit = FLAT;
#ifdef HAS_LENGTHS
    if (unit < p_batch)
        STORE_S(2 * p_cells + unit, vec4(float(LOAD_L(unit))));
#endif
    if (unit >= p_cells)
        return;
    int hidden4 = (p_hidden + 3) >> 2;
    int j = unit % hidden4 * 4, rest = unit / hidden4;
    int d = rest / p_batch;
    int at = d * p_h_direction + (rest - d * p_batch) * p_h_batch + j;
    vec4 h = vec4(0.0), c = vec4(0.0);
    for (int e = 0; e < 4; e++) {
        if (j + e < p_hidden) {
#ifdef HAS_H
            h[e] = LOAD_H(at + e);
#endif
#ifdef HAS_C
            c[e] = LOAD_C(at + e);
#endif
        }
    }
    STORE_S(unit, h);
    STORE_S(p_cells + unit, c);
}
