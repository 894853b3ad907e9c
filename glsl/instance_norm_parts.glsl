// Mean and sum of squared deviations of parts of each channel's pixels.
// X: C4 vec4 [N, p_pixels, p_c4]   Y: vec4 [N, p_parts, 2, p_c4]
// One invocation takes p_length pixels (the last of them perhaps fewer) of a channel
// vec4.
// Groups: x: LO channel vec4s; y: ACROSS parts; z: n. Params: lo c4 pixels parts length.
#include "lib/lanes.glsl"

void main() {
    int c = GROUP.x * LO + LANE;
    int part = GROUP.y * ACROSS + LANE_ACROSS;
    int c4 = p_c4, n = GROUP.z;
    if (c >= c4 || part >= p_parts)
        return;
    int first = part * p_length, count = min(p_length, p_pixels - first);
    int base = (n * p_pixels + first) * c4 + c, at = base;
    vec4 sum = vec4(0.0);
    for (int i = 0; i < count; i++) {
        sum += LOAD_X(at);
        at += c4;
    }
    vec4 mean = sum / float(count), squares = vec4(0.0);
    at = base;
    for (int i = 0; i < count; i++) {
        vec4 d = LOAD_X(at) - mean;
        squares += d * d;
        at += c4;
    }
    int to = (n * p_parts + part) * 2 * c4 + c;
    STORE_Y(to, mean);
    STORE_Y(to + c4, squares);
}
