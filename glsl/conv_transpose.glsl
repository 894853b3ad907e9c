// Transposed convolution of any kernel, stride, dilation and group; up to three spatial
// axes.
// X: C4 vec4 [N, D, H, W, p_step]   W: the form of recipes/conv.h
// Y: C4 vec4 [N, OD, OH, OW, p_oc4]
// Output o = s * m + phase of an axis takes the inputs m + i0 - j * istep through the
// kernel's items k0 + j * kstep, j < count; (k0, count, i0) of each phase are in the
// lists zs, ys, xs. One invocation computes TILE positions m of one phase, rows of p_row
// laid end to end, and NV vec4s of channels, LO apart.
// Groups: x: LO * NV vec4s of output channels; y: ACROSS tiles;
// z: ((n * OD + od) * p_sy + phase of y) * p_sx + phase of x.
// Defines: TILE NV CIN GROUPED MASK as in conv.glsl.
// Params: lo step span icg ocg oc oc4 bias row rows (positions m) d h w od oh ow kh kw sz
// sy sx, steps of k and i of each axis: kz iz ky iy kx ix, lists zs ys xs.

#include "lib/lanes.glsl"
#include "lib/fetch.glsl"

void main() {
    int lane = LANE, lo = LO;
    int oc = GROUP.x * (lo * NV) + lane;
    int first = (GROUP.y * ACROSS + LANE_ACROSS) * TILE;
    int y0 = first / p_row, x0 = first - y0 * p_row;
    if (y0 >= p_rows)
        return;
    int step = p_step, span = p_span, w = p_w, h = p_h;
    int rest = GROUP.z / p_sx, phase_x = GROUP.z - rest * p_sx;
    int image = rest / p_sy, phase_y = rest - image * p_sy;
    int n = image / p_od, z0 = image - n * p_od;
    int mz = z0 / p_sz, phase_z = z0 - mz * p_sz;
#ifdef GROUPED
    int channel = max(min(oc * 4 / p_ocg * p_icg / 4, step - span), 0);
#else
    int channel = 0;
#endif
    int xs[TILE], ys[TILE];
    int x = x0, y = y0;
    for (int t = 0; t < TILE; t++) {
        xs[t] = x;
        ys[t] = y;
        x++;
        bool over = x >= p_row;
        x = over ? 0 : x;
        y += over ? 1 : 0;
    }
    vec4 sum[TILE * NV], bias[NV];
    for (int j = 0; j < NV; j++) {
        bias[j] = LOAD_W(p_bias + oc + j * lo);
        for (int t = 0; t < TILE; t++)
            sum[t * NV + j] = vec4(0.0);
    }
    int ITEM = 4 * NV * lo; // vec4s of the form from one kernel item to the next
    int row_size = span * p_kw * ITEM;
    int block = GROUP.x * p_kd * p_kh * row_size + lane;
    int nz = p_zs(phase_z * 3 + 1), ny = p_ys(phase_y * 3 + 1), nx = p_xs(phase_x * 3 + 1);
    int kz0 = p_zs(phase_z * 3), ky0 = p_ys(phase_y * 3), kx0 = p_xs(phase_x * 3);
    int iz0 = p_zs(phase_z * 3 + 2) + mz;
    int iy0 = p_ys(phase_y * 3 + 2), ix0 = p_xs(phase_x * 3 + 2);
    for (int jz = 0; jz < nz; jz++) {
        int z = iz0 - jz * p_iz;
        int plane = uint(z) < uint(p_d) ? (n * p_d + z) * h * w * step + channel : NOWHERE;
        for (int jy = 0; jy < ny; jy++)
            for (int jx = 0; jx < nx; jx++) {
                int offset[TILE];
                for (int t = 0; t < TILE; t++) {
                    int ix = xs[t] + ix0 - jx * p_ix, iy = ys[t] + iy0 - jy * p_iy;
                    offset[t] = uint(iy) < uint(h) && uint(ix) < uint(w) && plane >= 0
                                    ? plane + (iy * w + ix) * step : NOWHERE;
                }
                int tap = block + ((kz0 + jz * p_kz) * p_kh + ky0 + jy * p_ky) * row_size +
                          (kx0 + jx * p_kx) * ITEM;
                int advance = p_kw * ITEM;
                for (int c = 0; c < span; c++) {
                    vec4 b[CIN * NV];
                    for (int q = 0; q < CIN; q++)
                        for (int j = 0; j < NV; j++)
                            b[q * NV + j] = LOAD_W(tap + (q * NV + j) * lo);
                    for (int t = 0; t < TILE; t++) {
                        vec4 a = FETCH(offset[t] + c);
                        for (int j = 0; j < NV; j++) {
                            vec4 s = vec4(0.0);
                            for (int q = 0; q < CIN; q++)
                                s += a[q] * b[q * NV + j];
                            sum[t * NV + j] += s;
                        }
                    }
                    tap += advance;
                }
            }
    }
    // see conv.glsl for `place`
    int ow = p_ow, oh = p_oh, oc4 = p_oc4, sx = p_sx, sy = p_sy, place[TILE];
    for (int t = 0; t < TILE; t++) {
        int ox = xs[t] * sx + phase_x, oy = ys[t] * sy + phase_y;
        place[t] = ox < ow && oy < oh ? ((image * oh + oy) * ow + ox) * oc4 + oc : -1;
    }
    for (int t = 0; t < TILE; t++)
        for (int j = 0; j < NV; j++)
            if (place[t] >= 0 && oc + j * lo < oc4) {
                vec4 v = sum[t * NV + j] + bias[j];
                int to = place[t] + j * lo;
                v = EPILOGUE(v, to);
#ifdef MASK
                v = mix(vec4(0.0), v, lessThan(ivec4(oc + j * lo) * 4 + ivec4(0, 1, 2, 3),
                                               ivec4(p_oc)));
#endif
                STORE_Y(to, v);
            }
}
