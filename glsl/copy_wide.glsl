// Elements of a scratch tensor into an output of any float storage. In: X, floats.
// Out: Y. p_count elements (lib/map.glsl).
S_Y element(int i) { return LOAD_X(i); }

#include "lib/map.glsl"
