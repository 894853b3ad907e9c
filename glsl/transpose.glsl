// Blocks of 4 x 4 elements, turned: reads four vec4s, stores four vec4s; PAIRS: of 2 x 4,
// two rows of X into one of Y, twice as long. In: X (VEC4).
// Out: Y (VEC4). Params: count: blocks; dim, xs, ys: of a block's index, in vec4s of X
// and Y; offset: into X; x_row, y_row: between a block's four vec4s. Defines: RANK 2 to
// 16; GUARD_X: rows of X from p_rows on are zeros; GUARD_Y: rows of Y from p_rows on are
// not stored; rows are counted along the last axis of the index, four a block. One
// invocation moves one block.

void main() {
    int item = FLAT;
    if (item >= p_count)
        return;
    int x = p_offset, y = 0, at = 0;
    uint rest = uint(item);
    for (int k = RANK - 1; k > 0; k--) {
        uint d = uint(p_dim(k)), q = rest / d;
        int i = int(rest - q * d);
        if (k == RANK - 1)
            at = i;
        x += i * p_xs(k);
        y += i * p_ys(k);
        rest = q;
    }
    x += int(rest) * p_xs(0);
    y += int(rest) * p_ys(0);
#ifdef PAIRS
    T_X e = LOAD_X(x), f = LOAD_X(x + p_x_row);
    STORE_Y(y, T_Y(e.x, f.x, e.y, f.y));
    STORE_Y(y + 1, T_Y(e.z, f.z, e.w, f.w));
#else
#if defined(GUARD_X) || defined(GUARD_Y)
    int left = p_rows - at * 4;
#endif
#ifdef GUARD_X
    T_X a = LOAD_X(x);
    T_X b = LOADZ_X(left > 1, x + p_x_row);
    T_X c = LOADZ_X(left > 2, x + 2 * p_x_row);
    T_X d = LOADZ_X(left > 3, x + 3 * p_x_row);
#else
    T_X a = LOAD_X(x), b = LOAD_X(x + p_x_row);
    T_X c = LOAD_X(x + 2 * p_x_row), d = LOAD_X(x + 3 * p_x_row);
#endif
    STORE_Y(y, T_Y(a.x, b.x, c.x, d.x));
#ifdef GUARD_Y
    if (left > 1)
        STORE_Y(y + p_y_row, T_Y(a.y, b.y, c.y, d.y));
    if (left > 2)
        STORE_Y(y + 2 * p_y_row, T_Y(a.z, b.z, c.z, d.z));
    if (left > 3)
        STORE_Y(y + 3 * p_y_row, T_Y(a.w, b.w, c.w, d.w));
#else
    STORE_Y(y + p_y_row, T_Y(a.y, b.y, c.y, d.y));
    STORE_Y(y + 2 * p_y_row, T_Y(a.z, b.z, c.z, d.z));
    STORE_Y(y + 3 * p_y_row, T_Y(a.w, b.w, c.w, d.w));
#endif
#endif
}
