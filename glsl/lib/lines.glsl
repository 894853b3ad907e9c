// Lines of X and Y (the same shape and type), one line or a few neighbours an invocation.
// The kernel's C side: esk_kernel_lines (recipes/line_kernels.h), which gives the defines
//   LANES   elements of a unit V: 4, 2 (packed halves), 1
//   ALONG   1: a unit lies along the line (rows); 0: across LANES lines (columns)
// and the parameters size (units of a line), inner (units between neighbours of a line),
// lines (their number, in units). Line u is at LINE(u), its neighbours p_inner apart.

#if LANES == 2
#define V vec2
#define LD(i) vec2(LOAD_X(2 * (i)), LOAD_X(2 * (i) + 1))
#define ST(i, v) STORE2_Y(i, v)
#else
#define V T_X
#define LD(i) LOAD_X(i)
#define ST(i, v) STORE_Y(i, v)
#endif
#define LINE(u) (((u) / p_inner) * (p_size - 1) * p_inner + (u))

// Joins a unit's elements when they belong to one line.
#if ALONG == 1 && LANES == 4
#define S S_X
#define ADD_ALONG(v) (((v).x + (v).y) + ((v).z + (v).w))
#define MAX_ALONG(v) max(max((v).x, (v).y), max((v).z, (v).w))
#elif ALONG == 1 && LANES == 2
#define S S_X
#define ADD_ALONG(v) ((v).x + (v).y)
#define MAX_ALONG(v) max((v).x, (v).y)
#else
#define S V
#define ADD_ALONG(v) (v)
#define MAX_ALONG(v) (v)
#endif
