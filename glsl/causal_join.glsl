// A sequence behind what came before it. In: X, lines of p_length; P, lines of p_before
// (PAST; else zeros). Out: Y, p_count floats, lines of p_before + p_length. An invocation
// stores one.
void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int line = i / (p_before + p_length), t = i - line * (p_before + p_length);
    if (t >= p_before)
        STORE_Y(i, LOAD_X(line * p_length + t - p_before));
    else
#if PAST
        STORE_Y(i, LOAD_P(line * p_before + t));
#else
        STORE_Y(i, 0.0);
#endif
}
