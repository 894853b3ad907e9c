// Joins the parts of instance_norm_parts and makes of them what multiplies and adds; or,
// with MOMENTS, leaves them: Y is then mean and sum of squared deviations, and there are
// no S and B.
// X: vec4 [N, p_parts, 2, p_c4]   S, B: floats [p_c]   Y: vec4 [N, 2, p_c4]: scale, shift
// One invocation computes one channel vec4 of one n. Params: count (N * c4) c c4 parts
// length pixels epsilon. Define: MOMENTS.

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int c4 = p_c4, n = i / c4, c = i - n * c4;
    int base = n * p_parts * 2 * c4 + c;
    vec4 mean = vec4(0.0), squares = vec4(0.0);
    float seen = 0.0;
    for (int part = 0; part < p_parts; part++) {
        float count = float(min(p_length, p_pixels - part * p_length)), all = seen + count;
        vec4 d = LOAD_X(base + part * 2 * c4) - mean;
        squares += LOAD_X(base + (part * 2 + 1) * c4) + d * d * (seen * count / all);
        mean += d * (count / all);
        seen = all;
    }
#ifdef MOMENTS
    STORE_Y(n * 2 * c4 + c, mean);
    STORE_Y((n * 2 + 1) * c4 + c, squares);
#else
    vec4 scale = vec4(0.0), shift = vec4(0.0);
    for (int j = 0; j < 4; j++) {
        int at = c * 4 + j;
        if (at < p_c) {
            scale[j] = LOAD_S(at) / sqrt(squares[j] / seen + p_epsilon);
            shift[j] = LOAD_B(at) - mean[j] * scale[j];
        }
    }
    STORE_Y(n * 2 * c4 + c, scale);
    STORE_Y((n * 2 + 1) * c4 + c, shift);
#endif
}
