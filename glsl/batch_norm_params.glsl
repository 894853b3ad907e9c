// What a batch normalization multiplies and adds, of statistics that are not known before
// the run. P: vec4 [2, p_c4]: first scale = S / sqrt(V + epsilon), then (SHIFT, a second
// kernel) shift = B - M * scale. S, V, B, M: floats [p_c]. Invocation c computes vec4 c.
// Params: c c4 epsilon.

void main() {
    int i = FLAT;
    if (i >= p_c4)
        return;
    vec4 v = vec4(0.0);
    for (int j = 0; j < 4; j++) {
        int c = i * 4 + j;
        if (c < p_c) {
#ifdef SHIFT
            v[j] = LOAD_B(c) - LOAD_M(c) * LOAD_P(i)[j];
#else
            v[j] = LOAD_S(c) / sqrt(LOAD_V(c) + p_epsilon);
#endif
        }
    }
#ifdef SHIFT
    STORE_P(p_c4 + i, v);
#else
    STORE_P(i, v);
#endif
}
