// The last state as an output. In: S ELEMENT [direction][batch][wide]. Out: Y [direction,
// batch, hidden], or [batch, direction, hidden]: row r of Y is
// r / directions * wide + r % directions * stride of S, from `offset` on.
// Params: hidden, wide, directions, stride, offset. Defines: none.

S_Y element(int i) {
    int row = i / p_hidden;
    int outer = row / p_directions;
    return LOAD_S(p_offset + outer * p_wide + (row - outer * p_directions) * p_stride +
                  (i - row * p_hidden));
}

#include "lib/map.glsl"
