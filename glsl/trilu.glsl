// Trilu: keeps one triangle of the matrices in X [count / (rows * columns), rows,
// columns], zeros the other. In: X. Out: Y in the same view. Params: count: units;
// columns, matrix (rows * columns), given (the diagonal, any int). Defines: UPPER:
// column >= row + diagonal stays, else column <= that. One invocation stores one unit.

#if UNIT_X == 4
#define LANES 4
#else
#define LANES 1
#endif

bool stays(int i) {
    int in_matrix = i - int(uint(i) / uint(p_matrix)) * p_matrix;
    // clamped: the sum must not overflow
    int diagonal = clamp(p_given, -p_matrix - 1, p_matrix + 1);
    int row = int(uint(in_matrix) / uint(p_columns));
    int column = in_matrix - row * p_columns;
#ifdef UPPER
    return column >= row + diagonal;
#else
    return column <= row + diagonal;
#endif
}

void main() {
    int unit = FLAT;
    if (unit >= p_count)
        return;
    T_X v = LOAD_X(unit), none = T_X(0);
#if LANES == 4
    int i = unit * 4;
    STORE_Y(unit, T_X(stays(i) ? v.x : none.x, stays(i + 1) ? v.y : none.y,
                      stays(i + 2) ? v.z : none.z, stays(i + 3) ? v.w : none.w));
#else
    STORE_Y(unit, stays(unit) ? v : none);
#endif
}
