// Softmax and its logarithm along lines (lib/lines.glsl), starting from the true maximum.
// A line that is all -inf gives NaN.
// In: X. Out: Y.
// Defines: LOG: the logarithm. GROUPED: a group takes one line (ALONG), lane by lane, in
// one pass for maximum and sum; without it an invocation takes a line, in two.
#include "lib/lines.glsl"

#ifdef LOG
#define FACTOR(sum) log(sum)
#define ANSWER(v, factor) ((v) - (factor))
#else
#define FACTOR(sum) (1.0 / (sum))
#define ANSWER(v, factor) (exp(v) * (factor))
#endif

#ifdef GROUPED
shared vec2 parts[LOCAL_SIZE];

void main() {
    int at = GROUP.x * p_size, many = min(p_size, LOCAL_SIZE);
    float lowest = uintBitsToFloat(0xff7fffffu); // finite: exp(-inf - lowest) is 0
    float top = lowest, sum = 0.0;
    int k = LOCAL;
    for (; k + 3 * LOCAL_SIZE < p_size; k += 4 * LOCAL_SIZE) {
        V a = LD(at + k), b = LD(at + k + LOCAL_SIZE);
        V c = LD(at + k + 2 * LOCAL_SIZE), d = LD(at + k + 3 * LOCAL_SIZE);
        float higher = max(top, MAX_ALONG(max(max(a, b), max(c, d))));
        V e = (exp(a - higher) + exp(b - higher)) + (exp(c - higher) + exp(d - higher));
        sum = sum * exp(top - higher) + ADD_ALONG(e);
        top = higher;
    }
    for (; k < p_size; k += LOCAL_SIZE) {
        V a = LD(at + k);
        float higher = max(top, MAX_ALONG(a));
        V e = exp(a - higher);
        sum = sum * exp(top - higher) + ADD_ALONG(e);
        top = higher;
    }
    parts[LOCAL] = vec2(top, sum);
    memoryBarrierShared();
    barrier();
    top = lowest;
    for (int i = 0; i < many; i++)
        top = max(top, parts[i].x);
    sum = 0.0;
    for (int i = 0; i < many; i++)
        sum += parts[i].y * exp(parts[i].x - top);
    sum = FACTOR(sum);
    for (k = LOCAL; k < p_size; k += LOCAL_SIZE)
        ST(at + k, ANSWER(LD(at + k) - top, sum));
}
#else
// Four units a step: a loop's step costs llvmpipe as much as a load.
void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int at = LINE(line), step = p_inner, end = at + p_size * step, i;
    int most4 = end - 3 * step;
    V most = LD(at);
    for (i = at + step; i < most4; i += 4 * step)
        most = max(max(max(most, LD(i)), LD(i + step)),
                   max(LD(i + 2 * step), LD(i + 3 * step)));
    for (; i < end; i += step)
        most = max(most, LD(i));
    S top = MAX_ALONG(most);
    V part = V(0.0);
    for (i = at; i < most4; i += 4 * step)
        part += (exp(LD(i) - top) + exp(LD(i + step) - top)) +
                (exp(LD(i + 2 * step) - top) + exp(LD(i + 3 * step) - top));
    for (; i < end; i += step)
        part += exp(LD(i) - top);
    S sum = ADD_ALONG(part);
    sum = FACTOR(sum);
    for (i = at; i < most4; i += 4 * step) {
        V a = LD(i), b = LD(i + step), c = LD(i + 2 * step), d = LD(i + 3 * step);
        ST(i, ANSWER(a - top, sum));
        ST(i + step, ANSWER(b - top, sum));
        ST(i + 2 * step, ANSWER(c - top, sum));
        ST(i + 3 * step, ANSWER(d - top, sum));
    }
    for (; i < end; i += step)
        ST(i, ANSWER(LD(i) - top, sum));
}
#endif
