// DepthToSpace and SpaceToDepth: moves blocks of pixels to or from channels, dense.
// X: [N, C, H, W]
// Y: DepthToSpace (DEPTH) [N, C / b², H b, W b], else [N, C b², H / b, W / b].
// The block's item (i, j) of channel c lies in channel i p_step_i + j p_step_j + c p_step_c of
// the deep side. Params: count c h w (of Y) b deep (channels of X) step_i step_j step_c.

S_Y element(int at) {
    int rest = at / p_w, x = at - rest * p_w;
    int next = rest / p_h, y = rest - next * p_h;
    int n = next / p_c, c = next - n * p_c;
#ifdef DEPTH
    int iy = y / p_b, ix = x / p_b;
    int channel = (y - iy * p_b) * p_step_i + (x - ix * p_b) * p_step_j + c * p_step_c;
    int h = p_h / p_b, w = p_w / p_b;
#else
    int i = c / p_step_i;
    c -= i * p_step_i;
    int j = c / p_step_j;
    int channel = c - j * p_step_j;
    int iy = y * p_b + i, ix = x * p_b + j, h = p_h * p_b, w = p_w * p_b;
#endif
    return LOAD_X(((n * p_deep + channel) * h + iy) * w + ix);
}

#include "lib/map.glsl"
