// X brought to mean 0 and deviation 1 over some axes.
// In: X. Out: Y, of its shape. An invocation takes one place of the other axes (or LANES
// of them side by side), whose elements are r0 runs of r1 units (units: lib/lines.glsl).
// Parameters: lines (places, in units); place l starts at l / k1 * k0_step + l % k1 *
//   k1_step; r0, r0_step, r1, r1_step; scale: 1 / elements of a place.
#include "lib/lines.glsl"

void main() {
    int line = FLAT;
    if (line >= p_lines)
        return;
    int k0 = line / p_k1, at = k0 * p_k0_step + (line - k0 * p_k1) * p_k1_step;
    V sum = V(0.0);
    for (int r = 0; r < p_r0; r++) {
        int i = at + r * p_r0_step;
        V run = V(0.0);
        for (int k = 0; k < p_r1; k++, i += p_r1_step)
            run += LD(i);
        sum += run;
    }
    S mean = ADD_ALONG(sum) * p_scale;
    sum = V(0.0);
    for (int r = 0; r < p_r0; r++) {
        int i = at + r * p_r0_step;
        V run = V(0.0);
        for (int k = 0; k < p_r1; k++, i += p_r1_step) {
            V v = LD(i) - mean;
            run += v * v;
        }
        sum += run;
    }
    S deviation = sqrt(ADD_ALONG(sum) * p_scale) + 1e-9;
    for (int r = 0; r < p_r0; r++) {
        int i = at + r * p_r0_step;
        for (int k = 0; k < p_r1; k++, i += p_r1_step)
            ST(i, (LD(i) - mean) / deviation);
    }
}
