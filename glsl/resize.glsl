// Resize of spatial axes, up to three. X: C4 vec4 [N, D, H, W, p_c4]   Y: C4, of other sizes
// One invocation computes PX outputs in a row of one channel vec4.
// Groups: x: LO channel vec4s; y: ACROSS times PX outputs of a row;
// z: (n * OD + od) * OH + oh.
// Defines: PX; TAPS ROUND as in lib/resize; VOLUME: the first of the three axes moves;
// CROP: positions outside get p_extrapolation (MASK: but not pad channels).
// Params: lo c c4 od oh ow, lists of the axes (depth, height, width) as in lib/resize.
#include "lib/lanes.glsl"

#include "lib/resize.glsl"

void main() {
    int c = GROUP.x * LO + LANE;
    int x0 = (GROUP.y * ACROSS + LANE_ACROSS) * PX;
    int c4 = p_c4, ow = p_ow;
    if (c >= c4 || x0 >= ow)
        return;
    int rest = GROUP.z / p_oh, oy = GROUP.z - rest * p_oh;
    int n = rest / p_od, oz = rest - n * p_od;
    int d = p_in(0), h = p_in(1), w = p_in(2);
    int ys[TAPS], xs[TAPS];
    float wy[TAPS], wx[TAPS];
    vec4 way_x = way(2);
    float at_y = place(way(1), oy);
    taps(at_y, h - 1, ys, wy);
    for (int k = 0; k < TAPS; k++)
        ys[k] *= w * c4;
#ifdef VOLUME
    int zs[TAPS];
    float wz[TAPS];
    float at_z = place(way(0), oz);
    taps(at_z, d - 1, zs, wz);
    int image = n * d * h * w * c4 + c;
    for (int k = 0; k < TAPS; k++)
        zs[k] = zs[k] * h * w * c4 + image;
#else
    int image = (n * d + oz) * h * w * c4 + c;
#endif
    int row = GROUP.z * ow;
    for (int t = 0; t < PX; t++) {
        int ox = x0 + t;
        if (ox < ow) {
            float at_x = place(way_x, ox);
            taps(at_x, w - 1, xs, wx);
#if TAPS == 1
#ifdef VOLUME
            image = zs[0];
#endif
            T_X v = LOAD_X(image + ys[0] + xs[0] * c4);
#else
            vec4 v = vec4(0.0);
#ifdef VOLUME
            for (int kz = 0; kz < TAPS; kz++) {
            image = zs[kz];
            vec4 plane = vec4(0.0);
#else
            vec4 plane = vec4(0.0);
#endif
            for (int ky = 0; ky < TAPS; ky++) {
                vec4 line = vec4(0.0);
                for (int kx = 0; kx < TAPS; kx++)
                    line += LOAD_X(image + ys[ky] + xs[kx] * c4) * wx[kx];
                plane += line * wy[ky];
            }
#ifdef VOLUME
            v += plane * wz[kz];
            }
#else
            v = plane;
#endif
#endif
#ifdef CROP
            bool outside = beyond(at_x, w - 1) || beyond(at_y, h - 1);
#ifdef VOLUME
            outside = outside || beyond(at_z, d - 1);
#endif
            if (outside)
                v = T_X(p_extrapolation);
#ifdef MASK
            v = mix(T_X(0), v, lessThan(ivec4(c) * 4 + ivec4(0, 1, 2, 3), ivec4(p_c)));
#endif
#endif
            STORE_Y((row + ox) * c4 + c, v);
        }
    }
}
