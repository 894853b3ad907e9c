// The statements of a group behind a kernel (lib/recipes/epilogue.c), before the kernel's
// own text. In: EPILOGUE_BODY, over v, a value of Y, and at, its index.
#include "lib/math.glsl"
#include "lib/integer.glsl"

T_Y epilogue(T_Y v, int at) {
    EPILOGUE_BODY
}
