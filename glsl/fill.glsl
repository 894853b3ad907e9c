// Y from parameters alone. Params: count; value (MODE CONST: the element; RANGE: the
// first), delta; columns, diagonal (EYE); value_high: the upper word of an int64.
// Defines: MODE 0 constant, 1 range, 2 ones where column = row + diagonal; KIND of the
// elements: 0 float, 1 int, 2 uint, 3 int64. One invocation stores one unit of Y.

#if KIND == 0
#define FROM_INT(v) float(v)
#elif KIND == 1
#define FROM_INT(v) (v)
#elif KIND == 2
#define FROM_INT(v) uint(v)
#else
#define FROM_INT(v) uvec2(uint(v), uint((v) >> 31))
#endif

S_Y element(int i) {
#if MODE == 0
#if KIND == 3
    return uvec2(uint(p_value), uint(p_value_high));
#elif KIND == 2
    return uint(p_value);
#else
    return p_value;
#endif
#elif MODE == 1
#if KIND == 0
    return p_value + float(i) * p_delta;
#else
    return FROM_INT(p_value + i * p_delta);
#endif
#else
    uint row = uint(i) / uint(p_columns);
    int column = i - int(row) * p_columns;
    return FROM_INT(int(column == int(row) + p_diagonal));
#endif
}

#include "lib/map.glsl"
