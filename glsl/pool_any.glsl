// Pooling over windows of any kernel, stride and dilation; up to three spatial axes.
// X: C4 vec4 [N, D, H, W, p_c4]   Y: C4 vec4 [N, OD, OH, OW, p_c4]; or elements of
// planes, p_c4 = 1 One invocation computes one vec4 of Y. Groups: x: LO channel vec4s;
// y: ACROSS outputs of a row; z: (n * OD + od) * OH + oh.
// Defines: MAX, or AVERAGE (with PADDED: pads count), or LP: the p_power norm.
// Params: lo c4 d h w od oh ow kd kh kw sz sy sx dz dy dx pz py px; AVERAGE: ez ey ex
// (pads at the end); LP: power.
#include "lib/lanes.glsl"

// The kernel items of a window from `start` on that lie in [0, size): first and behind
// last.
ivec2 items(int start, int size, int kernel, int dilation) {
    int first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int last = (size - start + dilation - 1) / dilation;
    return ivec2(first, clamp(last, first, kernel));
}

#ifdef LP
vec4 power(vec4 v, float p) {
    vec4 a = abs(v);
    if (p == 1.0)
        return a;
    if (p == 2.0)
        return a * a;
    if (p == 0.5)
        return sqrt(a);
    return mix(vec4(0.0), pow(a, vec4(p)), greaterThan(a, vec4(0.0)));
}
#endif

void main() {
    int c = GROUP.x * LO + LANE;
    int ox = GROUP.y * ACROSS + LANE_ACROSS;
    int c4 = p_c4, w = p_w, h = p_h, d = p_d;
    if (c >= c4 || ox >= p_ow)
        return;
    int rest = GROUP.z / p_oh, oy = GROUP.z - rest * p_oh;
    int n = rest / p_od, oz = rest - n * p_od;
    int x0 = ox * p_sx - p_px, y0 = oy * p_sy - p_py, z0 = oz * p_sz - p_pz;
    ivec2 xs = items(x0, w, p_kw, p_dx), ys = items(y0, h, p_kh, p_dy);
    ivec2 zs = items(z0, d, p_kd, p_dz);
#ifdef MAX
    ivec3 start = clamp(ivec3(x0 + xs.x * p_dx, y0 + ys.x * p_dy, z0 + zs.x * p_dz), ivec3(0),
                        ivec3(w, h, d) - 1);
    T_X v = LOAD_X((((n * d + start.z) * h + start.y) * w + start.x) * c4 + c);
#else
    T_X v = T_X(0);
#endif
    int along = p_dx * c4;
    for (int kz = zs.x; kz < zs.y; kz++)
        for (int ky = ys.x; ky < ys.y; ky++) {
            int at = (((n * d + z0 + kz * p_dz) * h + y0 + ky * p_dy) * w + x0) * c4 + c;
            for (int kx = xs.x; kx < xs.y; kx++) {
                T_X a = LOAD_X(at + kx * along);
#if defined(MAX)
                v = max(v, a);
#elif defined(LP)
                v += power(a, p_power);
#else
                v += a;
#endif
            }
        }
#ifdef AVERAGE
#ifdef PADDED
    xs.y = min(p_kw, (w + p_ex - x0 + p_dx - 1) / p_dx);
    ys.y = min(p_kh, (h + p_ey - y0 + p_dy - 1) / p_dy);
    zs.y = min(p_kd, (d + p_ez - z0 + p_dz - 1) / p_dz);
    xs.x = ys.x = zs.x = 0;
#endif
    v /= float(max((xs.y - xs.x) * (ys.y - ys.x) * (zs.y - zs.x), 1));
#endif
#ifdef LP
    v = power(v, 1.0 / p_power);
#endif
    STORE_Y((GROUP.z * p_ow + ox) * c4 + c, v);
}
