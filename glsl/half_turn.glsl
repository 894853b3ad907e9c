// Y = X * C + turned(X) * S, where turned(X) of a row is its second half, negated, then
// its first. X, C, S: vec4s, rows of 2 * p_half at strides of their own   Y: vec4 [batch,
// p_heads, p_rows, 2 * p_half]
// One invocation computes a vec4 of the first half and its fellow of the second.
// Params: count (of all pairs) half rows heads offset (of X), xs cs ss: vec4s from one
// row, head and batch item to the next.

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int half_row = p_half, row = i / half_row, at = i - row * half_row;
    int line = row / p_rows, token = row - line * p_rows;
    int n = line / p_heads, head = line - n * p_heads;
    int x = p_offset + token * p_xs(0) + head * p_xs(1) + n * p_xs(2) + at;
    int c = token * p_cs(0) + head * p_cs(1) + n * p_cs(2) + at;
    int s = token * p_ss(0) + head * p_ss(1) + n * p_ss(2) + at;
    vec4 a = LOAD_X(x), b = LOAD_X(x + half_row);
    int y = row * 2 * half_row + at;
    STORE_Y(y, a * LOAD_C(c) - b * LOAD_S(s));
    STORE_Y(y + half_row, b * LOAD_C(c + half_row) + a * LOAD_S(s + half_row));
}
