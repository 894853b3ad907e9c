// Packed halves as floats. In: X. Out: Y. Params: count: vec4s of both.
void main() {
    int i = FLAT;
    if (i < p_count)
        STORE_Y(i, LOAD_X(i));
}
