// Resize of spatial axes, up to three. X: C4 vec4 [N, D, H, W, p_c4]   Y: C4, of other
// sizes; or elements of planes, p_c4 = 1
// One invocation computes p_rows rows of PX outputs of one channel vec4, one row after
// the other in a loop: what a column needs is worked out once for all of them.
// Groups: x: LO channel vec4s; y: ACROSS times PX outputs of a row;
// z: (n * OD + od) * p_down + block of rows.
// Defines: PX; TAPS ROUND as in lib/resize; VOLUME: the first of the three axes moves;
// CROP: positions outside get p_extrapolation (MASK: but not pad channels).
// Params: lo c c4 od oh ow rows down, lists of the axes (depth, height, width) as in
// lib/resize.
#include "lib/lanes.glsl"

#include "lib/resize.glsl"

void main() {
    int c = GROUP.x * LO + LANE;
    int x0 = (GROUP.y * ACROSS + LANE_ACROSS) * PX;
    int c4 = p_c4, ow = p_ow, oh = p_oh;
    if (c >= c4 || x0 >= ow)
        return;
    int rest = GROUP.z / p_down, y0 = (GROUP.z - rest * p_down) * p_rows;
    int y1 = min(y0 + p_rows, oh);
    int n = rest / p_od, oz = rest - n * p_od;
    int d = p_in(0), h = p_in(1), w = p_in(2), pitch = w * c4;
    vec4 way_y = way(1), way_x = way(2);
    int xs[PX * TAPS];
    float wx[PX * TAPS], at_x[PX];
    for (int t = 0; t < PX; t++) {
        int own[TAPS];
        float weight[TAPS];
        at_x[t] = place(way_x, x0 + t);
        taps(at_x[t], w - 1, own, weight);
        for (int k = 0; k < TAPS; k++) {
            xs[t * TAPS + k] = own[k] * c4;
            wx[t * TAPS + k] = weight[k];
        }
    }
#ifdef VOLUME
    int zs[TAPS];
    float wz[TAPS];
    float at_z = place(way(0), oz);
    taps(at_z, d - 1, zs, wz);
    int image = n * d * h * pitch + c;
    for (int k = 0; k < TAPS; k++)
        zs[k] = zs[k] * h * pitch + image;
#if TAPS == 1
    image = zs[0];
#endif
#else
    int image = (n * d + oz) * h * pitch + c;
#endif
    int to = ((rest * oh + y0) * ow + x0) * c4 + c, line_out = ow * c4;
#ifdef MASK
    bvec4 live = lessThan(ivec4(c) * 4 + ivec4(0, 1, 2, 3), ivec4(p_c));
#endif
    for (int oy = y0; oy < y1; oy++) {
        int ys[TAPS];
        float wy[TAPS];
        float at_y = place(way_y, oy);
        taps(at_y, h - 1, ys, wy);
        for (int k = 0; k < TAPS; k++)
            ys[k] *= pitch;
        // indexed by the counter, so that Mesa unrolls: at_x is as long as the loop
        for (int t = 0; t < PX; t++) {
            float here = at_x[t];
#if TAPS == 1
            T_X v = LOAD_X(image + ys[0] + xs[t]);
#else
            T_X v = T_X(0);
#ifdef VOLUME
            for (int kz = 0; kz < TAPS; kz++) {
                image = zs[kz];
#endif
            T_X plane = T_X(0);
            for (int ky = 0; ky < TAPS; ky++) {
                T_X line = T_X(0);
                for (int kx = 0; kx < TAPS; kx++)
                    line += LOAD_X(image + ys[ky] + xs[t * TAPS + kx]) * wx[t * TAPS + kx];
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
            bool outside = beyond(here, w - 1) || beyond(at_y, h - 1);
#ifdef VOLUME
            outside = outside || beyond(at_z, d - 1);
#endif
            if (outside)
                v = T_X(p_extrapolation);
#ifdef MASK
            v = mix(T_X(0), v, live);
#endif
#endif
            if (x0 + t < ow)
                STORE_Y(to + t * c4, v);
        }
        to += line_out;
    }
}
