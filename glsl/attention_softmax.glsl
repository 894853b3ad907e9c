// Softmax of masked scores, row by row; a row that sees no key gives zeros.
// In: S and masks, see lib/attention.glsl; one more score for each head: H (SINK 1) or 0
// (2).
// Out: Y like S. One invocation: one row, of p_rows.
#include "lib/attention.glsl"

void main() {
    int row = FLAT;
    if (row >= p_rows)
        return;
    Row r = row_of(row);
    float top = NEVER;
#ifdef SINK
#if SINK == 1
    float sink = LOAD_H(r.h);
#else
    float sink = 0.0;
#endif
    top = sink;
#endif
    for (int j = 0; j < p_total; j++) {
        float x = score(r, row, j);
        top = x > top ? x : top;
    }
    bool none = floatBitsToUint(top) == 0xff800000u;
    float sum = 0.0;
#ifdef SINK
    sum = exp(sink - top);
#endif
    for (int j = 0; j < p_total; j++) {
        float x = score(r, row, j);
        sum += none || floatBitsToUint(x) == 0xff800000u ? 0.0 : exp(x - top);
    }
    float factor = none ? 0.0 : 1.0 / sum;
    for (int j = 0; j < p_total; j++) {
        float x = score(r, row, j);
        bool zero = none || floatBitsToUint(x) == 0xff800000u;
        STORE_Y(row * p_pitch + j, zero ? 0.0 : exp(x - top) * factor);
    }
}
