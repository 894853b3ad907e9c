// Columns of blocks added into an image. In: X [planes, taps, places]. Out: Y [planes,
// image …] (lib/map.glsl). Params: image, block, stride, dilation, begin (pads), at
// (positions of the block), taps, places. Defines: AXES. One invocation makes a unit of
// Y.

S_Y element(int i) {
    int index[AXES], plane = i;
    for (int k = AXES - 1; k >= 0; k--) {
        int outer = plane / p_image(k);
        index[k] = plane - outer * p_image(k) + p_begin(k);
        plane = outer;
    }
    float sum = 0.0;
    for (int tap = 0; tap < p_taps; tap++) {
        int rest = tap, place = 0, step = 1;
        bool ok = true;
        for (int k = AXES - 1; k >= 0; k--) {
            int outer = rest / p_block(k);
            int from = index[k] - (rest - outer * p_block(k)) * p_dilation(k);
            int at = from / p_stride(k);
            ok = ok && from >= 0 && at * p_stride(k) == from && at < p_at(k);
            place += at * step;
            step *= p_at(k);
            rest = outer;
        }
        sum += LOADZ_X(ok, (plane * p_taps + tap) * p_places + place);
    }
    return sum;
}

#include "lib/map.glsl"
