// Hardmax along lines (lib/lines.glsl): 1 at a line's first maximum, 0 elsewhere.
// In: X. Out: Y. An invocation takes a line (or LANES lines side by side).
#include "lib/lines.glsl"

#if ALONG == 0 && LANES == 4
#define WHERE vec4
#define LATER(v, best) vec4(greaterThan(v, best))
#elif ALONG == 0 && LANES == 2
#define WHERE vec2
#define LATER(v, best) vec2(greaterThan(v, best))
#else
#define WHERE float
#define LATER(v, best) float((v) > (best))
#endif

void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int at = LINE(line);
#if ALONG == 1 && LANES > 1
    // the first unit that holds the maximum, then the place in it
    V first = LD(at);
    float best = MAX_ALONG(first), where = 0.0;
    for (int k = 1; k < p_size; k++) {
        V v = LD(at + k);
        float m = MAX_ALONG(v);
        if (m > best)
            best = m, where = float(k), first = v;
    }
#if LANES == 4
    vec4 one = first.x == best   ? vec4(1.0, 0.0, 0.0, 0.0)
               : first.y == best ? vec4(0.0, 1.0, 0.0, 0.0)
               : first.z == best ? vec4(0.0, 0.0, 1.0, 0.0)
                                 : vec4(0.0, 0.0, 0.0, 1.0);
#else
    vec2 one = first.x == best ? vec2(1.0, 0.0) : vec2(0.0, 1.0);
#endif
    for (int k = 0; k < p_size; k++)
        ST(at + k, float(k) == where ? one : V(0.0));
#else
    V best = LD(at);
    WHERE where = WHERE(0.0);
    for (int k = 1; k < p_size; k++) {
        V v = LD(at + k * p_inner);
        WHERE later = LATER(v, best);
        best = max(best, v);
        where = mix(where, WHERE(k), later);
    }
    for (int k = 0; k < p_size; k++)
        ST(at + k * p_inner, V(1.0) - min(abs(where - float(k)), V(1.0)));
#endif
}
