// Reads of X that may lie outside: FETCH(i) is vec4 (or element) i of X, zeros for an i
// below zero. NOWHERE stays below zero with what kernels add to it.
const int NOWHERE = -(1 << 28);
#if READ_IMAGE
#define FETCH(i) LOAD_X(i)
#else
#define FETCH(i) LOADZ_X((i) >= 0, i)
#endif
