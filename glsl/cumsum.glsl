// Running sums, or products, along lines.
// In: X. Out: Y (lib/lines.glsl). An invocation takes a line, or LANES lines.
// Defines: MUL: products. REVERSE: from the end. EXCLUSIVE: without the element itself.
// INT64: elements are 64-bit integers.
#include "lib/lines.glsl"

#ifdef INT64
#include "lib/int64.glsl"
#ifdef MUL
#define JOIN(a, b) mul64(a, b)
#define START uvec2(1u, 0u)
#else
#define JOIN(a, b) add64(a, b)
#define START uvec2(0u)
#endif
#elif defined MUL
#define JOIN(a, b) ((a) * (b))
#define START S(1)
#else
#define JOIN(a, b) ((a) + (b))
#define START S(0)
#endif

void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int i = LINE(line), step = p_inner;
#ifdef REVERSE
    i += (p_size - 1) * p_inner;
    step = -step;
#endif
    S total = START;
    for (int k = 0; k < p_size; k++, i += step) {
        V v = LD(i);
#if ALONG == 1 && LANES > 1
        for (int e = 0; e < LANES; e++) {
#ifdef REVERSE
            int at = LANES - 1 - e;
#else
            int at = e;
#endif
            S old = total;
            total = JOIN(total, v[at]);
#ifdef EXCLUSIVE
            v[at] = old;
#else
            v[at] = total;
#endif
        }
        ST(i, v);
#elif defined EXCLUSIVE
        ST(i, total);
        total = JOIN(total, v);
#else
        total = JOIN(total, v);
        ST(i, total);
#endif
    }
}
