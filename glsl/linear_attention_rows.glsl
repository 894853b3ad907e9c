// Rows for linear_attention: one for each token and head of keys, [k p_dk][decay p_dk]
// [v p_dv][q p_group * p_dk][beta], p_row floats. SECOND 0: In: A, keys; B, decay in log
// space (HAS_B; else 1); C, beta (HAS_C; else 1). SECOND 1: A, queries; B, values. Out:
// Y, those parts of the rows. An invocation takes an element.
void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int line = i / p_row; // token * p_heads + head
    int at = i - line * p_row, token = line / p_heads, head = line - token * p_heads;
    int keys = 2 * p_dk, values = keys + p_dv, queries = values + p_group * p_dk;
#if SECOND
    if (at >= keys && at < values)
        STORE_Y(i, LOAD_B(line * p_dv + at - keys));
    else if (at >= values && at < queries)
        STORE_Y(i, LOAD_A(line * p_group * p_dk + at - values));
#else
    if (at < p_dk)
        STORE_Y(i, LOAD_A(line * p_dk + at));
    else if (at < keys)
#if HAS_B
        STORE_Y(i, exp(LOAD_B(p_decay_a_key != 0 ? line * p_dk + at - p_dk : line)));
#else
        STORE_Y(i, 1.0);
#endif
    else if (at == queries)
#if HAS_C
        STORE_Y(i, LOAD_C(p_beta_a_head != 0 ? line : token));
#else
        STORE_Y(i, 1.0);
#endif
#endif
}
