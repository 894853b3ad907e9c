// What kernels share that store a tile one position a turn, or PUT_AT_ONCE. In: sum[TILE
// * NV], TILE up to 14. A store is the longest piece of a kernel's machine code (3-5 ms
// of llvmpipe's compiler with an epilogue): in a loop it is compiled once, not TILE
// times. After a turn the sums move up, which costs less than the store. The loop's bound
// must be none that a compiler finds out, or it unrolls the turns.
#ifndef PUT_AT_ONCE
#define PUT_AT_ONCE 1
#endif
#define MOVE_UP                                  \
    for (int t = 0; t < TILE - PUT_AT_ONCE; t++) \
        for (int j = 0; j < NV; j++)             \
            sum[t * NV + j] = sum[(t + PUT_AT_ONCE) * NV + j];
