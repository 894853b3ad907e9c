// What multiplies and adds to normalise groups of channels whose moments are known.
// X: vec4 [N, 2, p_c4]: mean, sum of squared deviations of p_pixels each
// S, B: floats, one for p_shared channels   Y: vec4 [N, 2, p_c4]: scale, shift
// One invocation computes one channel vec4 of one n. Params: count (N * c4) c c4 per
// (channels of a group) shared pixels epsilon.

// The four channels from `at` on that lie in [from, until).
vec4 within(int at, int from, int until) {
    ivec4 channel = ivec4(at) + ivec4(0, 1, 2, 3);
    return vec4(greaterThanEqual(channel, ivec4(from))) * vec4(lessThan(channel, ivec4(until)));
}

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int c4 = p_c4, n = i / c4, c = i - n * c4, base = n * 2 * c4;
    int before = -1;
    float each = float(p_pixels), all = float(p_per) * each, mean = 0.0, inverse = 0.0;
    vec4 scale = vec4(0.0), shift = vec4(0.0);
    for (int j = 0; j < 4; j++) {
        int channel = c * 4 + j;
        if (channel >= p_c)
            continue;
        int group = channel / p_per, from = group * p_per, until = from + p_per;
        if (group != before) {
            int last = (until - 1) / 4;
            float sum = 0.0, squares = 0.0;
            for (int k = from / 4; k <= last; k++)
                sum += dot(LOAD_X(base + k), within(k * 4, from, until));
            mean = sum / float(p_per);
            for (int k = from / 4; k <= last; k++) {
                vec4 d = LOAD_X(base + k) - mean;
                squares += dot(LOAD_X(base + c4 + k) + d * d * each, within(k * 4, from, until));
            }
            inverse = 1.0 / sqrt(squares / all + p_epsilon);
            before = group;
        }
        int at = channel / p_shared;
        scale[j] = LOAD_S(at) * inverse;
        shift[j] = LOAD_B(at) - mean * scale[j];
    }
    STORE_Y(base + c, scale);
    STORE_Y(base + c4 + c, shift);
}
