// What becomes of a finished vec4 of output channels: `to` in Y, `oc` the vec4's channel
// / 4.
// Defines: MASK: the last vec4 has pad channels. Params: oc.
void put(int to, int oc, vec4 sum) {
    vec4 v = sum;
    v = EPILOGUE(v, to);
#ifdef MASK
    v = mix(vec4(0.0), v, lessThan(ivec4(oc) * 4 + ivec4(0, 1, 2, 3), ivec4(p_oc)));
#endif
    STORE_Y(to, v);
}
