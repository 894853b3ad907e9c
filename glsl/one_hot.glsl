// OneHot: Y [outer, depth, inner] is V[1] where I [outer, inner] names the place, else
// V[0]. In: I (indices: KIND 0 float, 1 int, 2 uint, 3 int64), V (off, on). Out: Y.
// Params: count: elements of Y; depth, inner. One invocation stores one unit of Y.

S_Y element(int i) {
    uint row = uint(i) / uint(p_inner);
    int inner = i - int(row) * p_inner;
    uint outer = row / uint(p_depth);
    int place = int(row) - int(outer) * p_depth;
#if KIND == 3
    uvec2 wide = LOAD_I(int(outer) * p_inner + inner);
    // what does not fit 32 bits is out of range, too
    int at = int(wide.y) == (int(wide.x) >> 31) ? int(wide.x) : p_depth;
#else
    int at = int(LOAD_I(int(outer) * p_inner + inner));
#endif
    at += at < 0 ? p_depth : 0;
    return at == place ? LOAD_V(1) : LOAD_V(0);
}

#include "lib/map.glsl"
