// Fills a scratch tensor of floats: with input X, or zeros (ZERO). Out: Y, p_count
// floats. An invocation stores one.
void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
#if ZERO
    STORE_Y(i, 0.0);
#else
    STORE_Y(i, LOAD_X(i));
#endif
}
