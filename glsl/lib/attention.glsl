// One score of attention at a stage: 0 as it is, 1 after softcap, 2 after masks, 3 as it is.
// In: S [batch, p_heads, p_length, p_total]; M (MASK 1: 0 is not seen, 2: 0 adds p_fill) and
// A (ADD, added) with strides p_mask and p_add; L (LENGTHS: L[batch] + p_plus keys are there;
// STARTS: from L[p_starts + batch] on; LATE 1: the queries are the last of them).
// CAUSAL, WINDOW: query i is at i + p_offset.
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
#ifdef LENGTHS_64
    r.valid = clamp(int(LOAD_L(r.b).x) + p_plus, 0, p_total);
#else
    r.valid = clamp(int(LOAD_L(r.b)) + p_plus, 0, p_total);
#endif
#if LATE == 1
    r.place = r.i + r.valid - p_length;
#endif
#endif
    return r;
}

float score(Row r, int row, int j) {
    float x = LOAD_S(row * p_total + j);
#ifdef SOFTCAP
    x = p_softcap * (1.0 - 2.0 / (exp(clamp(2.0 * x / p_softcap, -80.0, 80.0)) + 1.0));
#endif
#if STAGE == 2
    bool seen = j < r.valid;
#ifdef STARTS
#ifdef LENGTHS_64
    seen = seen && j >= int(LOAD_L(p_starts + r.b).x);
#else
    seen = seen && j >= int(LOAD_L(p_starts + r.b));
#endif
#endif
#ifdef ADD
    int add = r.b * p_add(0) + r.h * p_add(1) + r.i * p_add(2) + j * p_add(3);
    seen = seen && j < p_add_width;
    x += LOADZ_A(seen, add);
#endif
#ifdef MASK
    int mask = r.b * p_mask(0) + r.h * p_mask(1) + r.i * p_mask(2) + j * p_mask(3);
    bool kept = LOADZ_M(j < p_mask_width, mask) != S_M(0);
#if MASK == 1
    seen = seen && kept;
#else
    x = kept ? x : x + p_fill;
#endif
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
