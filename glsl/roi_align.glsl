// X [batch, channels, h, w] sampled in bins of regions. In: X, R [regions, 4] (x, y, x,
// y), I (item of the batch of each). Out: Y [regions, channels, out_h, out_w]
// (lib/map.glsl).
// Params: batch, channels, h, w, out_h, out_w, ratio (samples a bin's side; 0: as its
// size is), scale. Defines: MAX (else the mean), HALF_PIXEL, INDEX64. One invocation
// makes a unit of Y.

float sampled(int at, float y, float x) {
    if (!(y >= -1.0 && y <= float(p_h) && x >= -1.0 && x <= float(p_w)))
        return 0.0;
    y = max(y, 0.0);
    x = max(x, 0.0);
    int y0 = min(int(y), p_h - 1), x0 = min(int(x), p_w - 1);
    int y1 = min(y0 + 1, p_h - 1), x1 = min(x0 + 1, p_w - 1);
    float ty = y0 == y1 ? 0.0 : y - float(y0), tx = x0 == x1 ? 0.0 : x - float(x0);
    float a = LOAD_X(at + y0 * p_w + x0) * ((1.0 - ty) * (1.0 - tx));
    float b = LOAD_X(at + y0 * p_w + x1) * ((1.0 - ty) * tx);
    float c = LOAD_X(at + y1 * p_w + x0) * (ty * (1.0 - tx));
    float d = LOAD_X(at + y1 * p_w + x1) * (ty * tx);
#ifdef MAX
    return max(max(a, b), max(c, d));
#else
    return (a + b) + (c + d);
#endif
}

S_Y element(int i) {
    int rest = i / p_out_w, ox = i - rest * p_out_w;
    int row = rest / p_out_h, oy = rest - row * p_out_h;
    int n = row / p_channels;
#ifdef INDEX64
    int item = int(LOAD_I(n).x);
#else
    int item = LOAD_I(n);
#endif
    item = clamp(item, 0, p_batch - 1);
    int at = (item * p_channels + row - n * p_channels) * p_h * p_w;
    vec2 from = vec2(LOAD_R(n * 4), LOAD_R(n * 4 + 1)) * p_scale;
    vec2 to = vec2(LOAD_R(n * 4 + 2), LOAD_R(n * 4 + 3)) * p_scale;
#ifdef HALF_PIXEL
    from -= 0.5;
    to -= 0.5;
    vec2 size = to - from;
#else
    vec2 size = max(to - from, 1.0);
#endif
    vec2 bin = size / vec2(float(p_out_w), float(p_out_h));
    ivec2 grid = ivec2(p_ratio);
    if (p_ratio == 0)
        grid = ivec2(clamp(ceil(bin), 0.0, 65536.0));
    from += vec2(float(ox), float(oy)) * bin;
    float sum = 0.0;
    for (int y = 0; y < grid.y; y++)
        for (int x = 0; x < grid.x; x++) {
            vec2 place = from + (vec2(x, y) + 0.5) * bin / vec2(grid);
            float v = sampled(at, place.y, place.x);
#ifdef MAX
            sum = x + y == 0 ? v : max(sum, v);
#else
            sum += v;
#endif
        }
#ifndef MAX
    sum /= float(max(grid.x * grid.y, 1));
#endif
    return sum;
}

#include "lib/map.glsl"
