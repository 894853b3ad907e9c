// Convolution of int32, exact (wrapping); up to three spatial axes, dense.
// In: X [N, p_ic, p_id, p_ih, p_iw], W [p_oc, p_icg, p_kd, p_kh, p_kw], with BIAS B
// [p_oc].
// Out: Y [N, p_oc, p_od, p_oh, p_ow], p_count elements, one an invocation.
// Params: p_ocg, output channels of a group; s, d, p and z, y, x: strides, dilations,
// pads.

int element(int i) {
    int q = i / p_ow, ox = i - q * p_ow;
    int r = q / p_oh, oy = q - r * p_oh;
    q = r / p_od;
    int oz = r - q * p_od;
    int n = q / p_oc, m = q - n * p_oc;
    int z0 = oz * p_sz - p_pz, y0 = oy * p_sy - p_py, x0 = ox * p_sx - p_px;
    int channel = n * p_ic + m / p_ocg * p_icg, at = m * p_icg * p_kd * p_kh * p_kw;
#ifdef BIAS
    int sum = LOAD_B(m);
#else
    int sum = 0;
#endif
    for (int ic = 0; ic < p_icg; ic++)
        for (int kz = 0; kz < p_kd; kz++) {
            int z = z0 + kz * p_dz;
            for (int ky = 0; ky < p_kh; ky++) {
                int y = y0 + ky * p_dy;
                bool ok = z >= 0 && z < p_id && y >= 0 && y < p_ih;
                int row = (((channel + ic) * p_id + z) * p_ih + y) * p_iw;
                for (int kx = 0; kx < p_kw; kx++) {
                    int x = x0 + kx * p_dx;
                    sum += LOADZ_X(ok && x >= 0 && x < p_iw, row + x) * LOAD_W(at);
                    at++;
                }
            }
        }
    return sum;
}

#include "lib/map.glsl"
