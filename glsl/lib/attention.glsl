// One score of attention at a stage: 0 as it is, 1 after softcap, 2 after masks, 3 as it
// is.
// In: S [batch, p_heads, p_length, p_pitch elements]; M (MASK 1: 0 is not seen, 2: 0 adds
// p_fill, 3: 0, or with MASK_TURNED what is not 0, becomes p_fill before A is added) and
// A (ADD, added) with strides p_mask and p_add; lengths (LENGTHS, lib/lengths.glsl: that
// of batch + p_plus keys are there; STARTS: from that of p_starts + batch on; LATE 1: the
// queries are the last of them).
// CAUSAL, WINDOW: query i is at i + p_offset.
#ifdef LENGTHS
#include "lib/lengths.glsl"
#endif
const float NEVER = uintBitsToFloat(0xff800000u);

struct Row {
    int b, h, i;
    int valid, place; // keys there are; the place of the query
};

Row row_of(int row) {
    Row r;
    int rest = row / p_length;
    r.i = row - rest * p_length;
    r.b = rest / p_heads;
    r.h = rest - r.b * p_heads;
    r.valid = p_total;
    r.place = r.i + p_offset;
#ifdef LENGTHS
    r.valid = clamp(length_of(r.b) + p_plus, 0, p_total);
#if LATE == 1
    r.place = r.i + r.valid - p_length;
#endif
#endif
    return r;
}

// The score x of key j.
float masked(Row r, int j, float x) {
#ifdef SOFTCAP
    x = p_softcap * (1.0 - 2.0 / (exp(clamp(2.0 * x / p_softcap, -80.0, 80.0)) + 1.0));
#endif
#if STAGE == 2
    bool seen = j < r.valid;
#ifdef STARTS
    seen = seen && j >= length_of(p_starts + r.b);
#endif
#ifdef MASK
    int mask = r.b * p_mask(0) + r.h * p_mask(1) + r.i * p_mask(2) + j * p_mask(3);
    bool kept = LOADZ_M(j < p_mask_width, mask) != S_M(0);
#ifdef MASK_TURNED
    kept = !kept;
#endif
#if MASK == 3
    x = kept ? x : p_fill;
#endif
#endif
#ifdef ADD
    int add = r.b * p_add(0) + r.h * p_add(1) + r.i * p_add(2) + j * p_add(3);
    seen = seen && j < p_add_width;
    x += LOADZ_A(seen, add);
#endif
#if defined(MASK) && MASK == 1
    seen = seen && kept;
#elif defined(MASK) && MASK == 2
    x = kept ? x : x + p_fill;
#endif
#ifdef CAUSAL
    seen = seen && j <= r.place;
#endif
#ifdef WINDOW
    seen = seen && j > r.place - p_window;
#endif
    x = seen ? x : NEVER;
#endif
    return x;
}

#ifdef PITCHED // S by vec4s, each row's last one filled up
vec4 scores(Row r, int row, int j4) {
    vec4 x = LOAD_S(row * (p_pitch >> 2) + j4);
    int j = 4 * j4;
    return vec4(masked(r, j, x.x), masked(r, j + 1, x.y), masked(r, j + 2, x.z),
                masked(r, j + 3, x.w));
}
#else
float score(Row r, int row, int j) {
    return masked(r, j, LOAD_S(row * p_pitch + j));
}
#endif
