// ZEROS: Y is zero. Else X's elements go to places I (int64), flat in the sizes `own`.
// In: X, I. Out: Y F32. Params: count (of Y, or X), all (places), own, stride (of Y).
// Defines: ZEROS, RANK. One invocation makes, or moves, one element.

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
#ifdef ZEROS
    STORE_Y(i, 0.0);
#else
    uvec2 place = LOAD_I(i);
    int rest = int(place.x), at = 0;
    if (place.y != 0u || rest < 0 || rest >= p_all)
        return;
    for (int k = RANK - 1; k >= 0; k--) {
        int outer = rest / p_own(k);
        at += (rest - outer * p_own(k)) * p_stride(k);
        rest = outer;
    }
    STORE_Y(at, LOAD_X(i));
#endif
}
