// Attention through a state: tokens p_first … of each head update a matrix and read it.
// In: P, rows (linear_attention_rows.glsl). In and out: S, states [batch, p_heads, p_dk,
// p_dv]. Out: Y [batch, p_length, p_heads * p_group, p_dv]. An invocation owns a column
// of a state and walks p_tokens tokens. Defines: DECAYS: the state fades before. DELTA:
// what the key reads already is taken off the value.
void main() {
    int column = FLAT;
    if (column >= p_columns)
        return;
    int line = column / p_dv; // batch * p_heads + head
    int j = column - line * p_dv, b = line / p_heads, head = line - b * p_heads;
    int state = line * p_dk * p_dv + j;
    for (int t = p_first; t < p_first + p_tokens; t++) {
        int token = b * p_length + t, row = (token * p_heads + head) * p_row;
        int queries = row + 2 * p_dk + p_dv;
        float value = LOAD_P(row + 2 * p_dk + j);
#if DELTA
        float seen = 0.0;
        for (int i = 0; i < p_dk; i++) {
            float s = LOAD_S(state + i * p_dv);
#if DECAYS
            s *= LOAD_P(row + p_dk + i);
#endif
            seen += s * LOAD_P(row + i);
        }
        value = (value - seen) * LOAD_P(queries + p_group * p_dk);
#endif
        for (int i = 0; i < p_dk; i++) {
            float s = LOAD_S(state + i * p_dv);
#if DECAYS
            s *= LOAD_P(row + p_dk + i);
#endif
            STORE_S(state + i * p_dv, s + LOAD_P(row + i) * value);
        }
        for (int g = 0; g < p_group; g++) {
            float sum = 0.0;
            for (int i = 0; i < p_dk; i++)
                sum += LOAD_P(queries + g * p_dk + i) * LOAD_S(state + i * p_dv);
            STORE_Y(((token * p_heads + head) * p_group + g) * p_dv + j, sum * p_scale);
        }
    }
}
