// Lines of X divided by their norm; lines of norm 0 stay 0.
// In: X. Out: Y (lib/lines.glsl). An invocation takes a line, or LANES lines.
// Define P: 1 or 2.
#include "lib/lines.glsl"

#if P == 1
#define PART(v) abs(v)
#define NORM(s) (s)
#else
#define PART(v) ((v) * (v))
#define NORM(s) sqrt(s)
#endif

void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int at = LINE(line), end = at + p_size * p_inner;
    V part = V(0.0);
    for (int i = at; i < end; i += p_inner) {
        V v = LD(i);
        part += PART(v);
    }
    S norm = NORM(ADD_ALONG(part));
    S unit = sign(norm); // 0 where all are 0
    norm = max(norm, S(1.0) - unit);
    for (int i = at; i < end; i += p_inner)
        ST(i, LD(i) / norm);
}
