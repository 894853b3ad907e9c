// The values that the taps of a deformed convolution read. In: X [N, channels, h, w], O
// [N, groups, taps, 2, places], M [N, groups, taps, places]. Out: Y F32 [N, channels,
// taps, places], places = out_h * out_w.
// Params: count (of Y), channels, groups, taps, kernel_w, h, w, out_h, out_w, stride,
// dilation, begin. Defines: MASK. One invocation makes one value.

float one(int plane, int y, int x) {
    return LOADZ_X(y >= 0 && y < p_h && x >= 0 && x < p_w, (plane * p_h + y) * p_w + x);
}

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int rest = i / p_out_w, ox = i - rest * p_out_w, row = rest / p_out_h;
    int oy = rest - row * p_out_h, places = p_out_h * p_out_w, place = oy * p_out_w + ox;
    int plane = row / p_taps, tap = row - plane * p_taps;
    int n = plane / p_channels, channel = plane - n * p_channels;
    int t = (n * p_groups + channel / (p_channels / p_groups)) * p_taps + tap;
    int ky = tap / p_kernel_w, kx = tap - ky * p_kernel_w;
    float y = float(oy * p_stride(0) - p_begin(0) + ky * p_dilation(0)) +
              LOAD_O(t * 2 * places + place);
    float x = float(ox * p_stride(1) - p_begin(1) + kx * p_dilation(1)) +
              LOAD_O((t * 2 + 1) * places + place);
    float v = 0.0;
    if (y > -1.0 && x > -1.0 && y < float(p_h) && x < float(p_w)) {
        int y0 = int(floor(y)), x0 = int(floor(x));
        float ty = y - floor(y), tx = x - floor(x);
        v = (one(plane, y0, x0) * (1.0 - tx) + one(plane, y0, x0 + 1) * tx) * (1.0 - ty) +
            (one(plane, y0 + 1, x0) * (1.0 - tx) + one(plane, y0 + 1, x0 + 1) * tx) * ty;
    }
#ifdef MASK
    v *= LOAD_M(t * places + place);
#endif
    STORE_Y(i, v);
}
