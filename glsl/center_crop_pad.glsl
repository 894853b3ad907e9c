// X cut or padded with zeros: Y's index is X's plus start. In: X. Out: Y (lib/map.glsl).
// Params: in, out (sizes), start, stride (of X). Defines: RANK. One invocation makes a
// unit of Y.

S_Y element(int i) {
    int at = 0, rest = i;
    bool ok = true;
    for (int k = RANK - 1; k >= 0; k--) {
        int outer = rest / p_out(k), index = rest - outer * p_out(k) - p_start(k);
        ok = ok && index >= 0 && index < p_in(k);
        at += index * p_stride(k);
        rest = outer;
    }
    return LOADZ_X(ok, at);
}

#include "lib/map.glsl"
