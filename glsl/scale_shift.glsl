// Y = X * scale + shift, channel by channel. X, Y: C4 vec4 [N, p_pixels, p_c4]
// P: vec4 [2, p_c4] a batch item, or for all of them (p_batch 0): scale, then shift.
// One invocation computes PIXELS vec4s, as many pixels apart as a group has lanes of
// them.
// Groups: x: LO channel vec4s; y: PIXELS * ACROSS pixels; z: n.
// Defines: PIXELS; MASK: the last vec4 has pad channels. Params: lo c c4 pixels batch.
#include "lib/lanes.glsl"

void main() {
    int c = GROUP.x * LO + LANE;
    int first = GROUP.y * (ACROSS * PIXELS) + LANE_ACROSS;
    int c4 = p_c4, pixels = p_pixels, n = GROUP.z;
    if (c >= c4 || first >= pixels)
        return;
    int own = n * p_batch;
    vec4 scale = LOAD_P(own + c), shift = LOAD_P(own + c4 + c);
    for (int i = 0; i < PIXELS; i++) {
        int pixel = first + i * ACROSS;
        if (pixel < pixels) {
            int at = (n * pixels + pixel) * c4 + c;
            vec4 v = LOAD_X(at) * scale + shift;
            v = EPILOGUE(v, at);
#ifdef MASK
            v = mix(vec4(0.0), v, lessThan(ivec4(c) * 4 + ivec4(0, 1, 2, 3), ivec4(p_c)));
#endif
            STORE_Y(at, v);
        }
    }
}
