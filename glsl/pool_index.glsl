// MaxPool with indices: one invocation a unit of Y, dense, up to three spatial axes.
// X: [planes, D, H, W]   Y: [planes, OD, OH, OW], the greatest item of each window, or
// (INDEX) its index in X as int64, in column-major planes where COLUMNS.
// Params: count d h w od oh ow kd kh kw sz sy sx dz dy dx pz py px.

S_Y element(int i) {
    int rest = i / p_ow, ox = i - rest * p_ow;
    int next = rest / p_oh, oy = rest - next * p_oh;
    int plane = next / p_od, oz = next - plane * p_od;
    int x0 = ox * p_sx - p_px, y0 = oy * p_sy - p_py, z0 = oz * p_sz - p_pz;
    bool any = false;
    S_X best = S_X(0);
    ivec3 where = ivec3(0);
    for (int kz = 0; kz < p_kd; kz++)
        for (int ky = 0; ky < p_kh; ky++)
            for (int kx = 0; kx < p_kw; kx++) {
                int x = x0 + kx * p_dx, y = y0 + ky * p_dy, z = z0 + kz * p_dz;
                if (uint(x) < uint(p_w) && uint(y) < uint(p_h) && uint(z) < uint(p_d)) {
                    S_X a = LOAD_X(((plane * p_d + z) * p_h + y) * p_w + x);
                    if (!any || a > best) {
                        any = true;
                        best = a;
                        where = ivec3(x, y, z);
                    }
                }
            }
#ifdef INDEX
    int size = p_d * p_h * p_w;
#ifdef COLUMNS
    int at = (where.x * p_h + where.y) * p_d + where.z;
#else
    int at = (where.z * p_h + where.y) * p_w + where.x;
#endif
    return uvec2(uint(plane * size + at), 0u);
#else
    return best;
#endif
}

#include "lib/map.glsl"
