// What kernels share that store a tile one position a turn, or PUT_AT_ONCE. In: sum[TILE * NV],
// TILE up to 14. A store is the longest piece of a kernel's machine code (3-5 ms of llvmpipe's
// compiler with an epilogue): in a loop it is compiled once, not TILE times. After a turn the sums
// move up, which costs less than the store. The loop's bound must be none that a compiler
// finds out, or it unrolls the turns. The moves are written out: where their loop is not
// unrolled in time, `sum` lies in memory.
#ifndef PUT_AT_ONCE
#define PUT_AT_ONCE 1
#endif
#define UP(t)                         \
    if ((t) + PUT_AT_ONCE < TILE)     \
        for (int j = 0; j < NV; j++)  \
            sum[min(t, TILE - 1) * NV + j] = sum[min((t) + PUT_AT_ONCE, TILE - 1) * NV + j];
#define MOVE_UP                                                                 \
    UP(0) UP(1) UP(2) UP(3) UP(4) UP(5) UP(6) UP(7) UP(8) UP(9) UP(10) UP(11) UP(12)
