// Weights of LSTM, GRU or RNN, transposed and padded. In: W [direction, gates * hidden,
// k];
// B: elements of each gate's bias. Out: Y vec4 [direction][rows + 1][gates][hidden4]: W's
// column, zeros behind p_k, last the bias: B[d * p_other + first(gate) + j] + the same
// from second(gate), where these are not negative.
// Params: units (of Y), gates, hidden, k, rows, other, first, second. Defines: OTHER: has
// B. One invocation makes one vec4.

void main() {
    int unit = FLAT;
    if (unit >= p_units)
        return;
    int hidden4 = (p_hidden + 3) >> 2;
    int j = unit % hidden4 * 4, rest = unit / hidden4;
    int gate = rest % p_gates;
    rest /= p_gates;
    int row = rest % (p_rows + 1), d = rest / (p_rows + 1);
    vec4 v = vec4(0.0);
    for (int e = 0; e < 4; e++) {
        if (j + e < p_hidden) {
            if (row < p_k)
                v[e] = LOAD_W(((d * p_gates + gate) * p_hidden + j + e) * p_k + row);
#ifdef OTHER
            if (row == p_rows) {
                int at = d * p_other + j + e;
                if (p_first(gate) >= 0)
                    v[e] += LOAD_B(at + p_first(gate));
                if (p_second(gate) >= 0)
                    v[e] += LOAD_B(at + p_second(gate));
            }
#endif
        }
    }
    STORE_Y(unit, v);
}
