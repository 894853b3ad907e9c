// What the product kernels share (parameters and defines: gemm.glsl): where a batch's A
// and B begin, and what becomes of a finished vec4 of columns.

#ifdef Y_ROWS
int y_at; // where the batch begins in Y
#endif

void batch_at(int z, out int a, out int b) {
    a = 0, b = 0;
#ifdef Y_ROWS
    y_at = 0;
#endif
#if BATCH == 1
    a = z * p_a_batch(0);
    b = z * p_b_batch(0);
#ifdef Y_ROWS
    y_at = z * p_y_batch(0);
#endif
#elif BATCH > 1
    for (int i = BATCH - 1; i >= 0; i--) {
        int q = z / p_batch(i), r = z - q * p_batch(i);
        a += r * p_a_batch(i);
        b += r * p_b_batch(i);
#ifdef Y_ROWS
        y_at += r * p_y_batch(i);
#endif
        z = q;
    }
#endif
}

void put(int z, int row, int n4, vec4 v) {
    if (row >= p_m || n4 >= p_n4)
        return;
#ifdef SCALE
    v *= p_scale;
#endif
#if ADD == 2
    int c = row * p_c_row, last = p_n - 1;
    v += p_beta * vec4(LOAD_C(c + 4 * n4 * p_c_col),
                       LOAD_C(c + min(4 * n4 + 1, last) * p_c_col),
                       LOAD_C(c + min(4 * n4 + 2, last) * p_c_col),
                       LOAD_C(c + min(4 * n4 + 3, last) * p_c_col));
#endif
#ifdef Y_ELEMENT
    int at = (z * p_m + row) * p_n + 4 * n4, left = p_n - 4 * n4;
#ifdef Y_ROWS
    int to = y_at + row * p_y_row + 4 * n4;
#else
    int to = at;
#endif
#if UNIT_Y == 2
    STORE2_Y(to >> 1, vec2(EPILOGUE(v.x, at), EPILOGUE(v.y, at + 1)));
    if (left > 2)
        STORE2_Y((to >> 1) + 1, vec2(EPILOGUE(v.z, at + 2), EPILOGUE(v.w, at + 3)));
#else
    STORE_Y(to, EPILOGUE(v.x, at));
    if (left > 1)
        STORE_Y(to + 1, EPILOGUE(v.y, at + 1));
    if (left > 2)
        STORE_Y(to + 2, EPILOGUE(v.z, at + 2));
    if (left > 3)
        STORE_Y(to + 3, EPILOGUE(v.w, at + 3));
#endif
#else
    int at = (z * p_m + row) * p_n4 + n4;
#ifdef Y_ROWS
    STORE_Y(y_at + row * p_y_row + n4, EPILOGUE(v, at));
#else
    STORE_Y(at, EPILOGUE(v, at));
#endif
#endif
}
