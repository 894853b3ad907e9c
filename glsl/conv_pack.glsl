// Packs the weights of a convolution that are not known before the run.
// W: [OC, IC / group, kernel…] (TRANSPOSED: [IC, OC / group, kernel…])   B: [OC] (BIAS)
// Y: vec4s in the form that recipes/conv.h describes; one invocation stores one.
// Params: oc icg ocg ic4 oc4 rows kw span block, taps (of the kernel) tap (the
// first that is taken) pitch (from one row of them to the next), bias (vec4s in front of
// it), count.

float weight(int oc, int ic, int row, int kx) {
    int group = oc / p_ocg;
#ifdef TRANSPOSED
    int at = (group * p_icg + ic) * p_ocg + oc - group * p_ocg;
#else
    int at = oc * p_icg + ic;
#endif
    bool ok = oc < p_oc && ic >= 0 && ic < p_icg;
    return LOADZ_W(ok, ok ? at * p_taps + p_tap + row * p_pitch + kx : 0);
}

void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    vec4 v = vec4(0.0);
    if (i >= p_bias) {
#ifdef BIAS
        for (int j = 0; j < 4; j++) {
            int oc = (i - p_bias) * 4 + j;
            v[j] = LOADZ_B(oc < p_oc, oc < p_oc ? oc : 0);
        }
#endif
    } else {
#ifdef DEPTHWISE
        int tap = i / p_oc4, oc = (i - tap * p_oc4) * 4;
        for (int j = 0; j < 4; j++)
            v[j] = weight(oc + j, 0, tap / p_kw, tap % p_kw);
#else
        // i = ((((ob * rows + row) * span + s) * kw + kx) * 4 + q) * block + o
        int rest = i / p_block, o = i - rest * p_block;
        int q = rest & 3;
        rest >>= 2;
        int next = rest / p_kw, kx = rest - next * p_kw;
        rest = next / p_span;
        int s = next - rest * p_span;
        int ob = rest / p_rows, row = rest - ob * p_rows;
        int oc = (ob * p_block + o) * 4;
        int start = max(min(oc / p_ocg * p_icg / 4, p_ic4 - p_span), 0);
        for (int j = 0; j < 4; j++)
            v[j] = weight(oc + j, (start + s) * 4 + q - (oc + j) / p_ocg * p_icg,
                          row, kx);
#endif
    }
    STORE_Y(i, v);
}
