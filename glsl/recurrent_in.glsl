// The inputs of all steps times W, and the bias. In: X [rows, input]; W vec4
// [direction][input padded to 4, then the bias][columns]. Out: Y vec4
// [direction][rows][columns].
// Params: input, rows, columns (vec4s). Defines: ROWS 1 or 4; WIDE: X VEC4, else ELEMENT.
// One invocation makes a vec4 of ROWS rows.

void main() {
    int column = GROUP.x * LOCAL_SIZE + LOCAL, row = GROUP.y * ROWS, d = GROUP.z;
    if (column >= p_columns)
        return;
    int steps = (p_input + 3) >> 2;
    int w = d * (steps * 4 + 1) * p_columns + column;
    vec4 sum[ROWS];
    int x[ROWS];
    vec4 bias = LOAD_W(w + steps * 4 * p_columns);
    for (int m = 0; m < ROWS; m++) {
        sum[m] = bias;
        x[m] = min(row + m, p_rows - 1) * p_input;
    }
    for (int k = 0; k < steps; k++) {
        vec4 w0 = LOAD_W(w), w1 = LOAD_W(w + p_columns);
        vec4 w2 = LOAD_W(w + 2 * p_columns), w3 = LOAD_W(w + 3 * p_columns);
        w += 4 * p_columns;
        for (int m = 0; m < ROWS; m++) {
#ifdef WIDE
            vec4 v = LOAD_X((x[m] >> 2) + k);
#else
            int at = x[m] + k * 4, left = p_input - k * 4;
            vec4 v = vec4(LOAD_X(at), LOADZ_X(left > 1, at + 1), LOADZ_X(left > 2, at + 2),
                          LOADZ_X(left > 3, at + 3));
#endif
            sum[m] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
        }
    }
    for (int m = 0; m < ROWS; m++) {
        if (row + m < p_rows)
            STORE_Y((d * p_rows + row + m) * p_columns + column, sum[m]);
    }
}
