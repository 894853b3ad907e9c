// Rows of keys (or values) that kv_keep.glsl kept, as numbers; of 4 bits they stay
// turned.
// In: words X [batch * heads, p_present, p_words]. Out: vec4s Y [batch * heads, p_total,
// p_many]. Defines: BITS 4 or 8. One invocation: one vec4.
void main() {
    int i = FLAT;
    if (i >= p_count)
        return;
    int row = i / p_many;
    int d = i - row * p_many;
    int head = row / p_total;
    int from = (head * p_present + row - head * p_total) * p_words;
    float scale = uintBitsToFloat(LOAD_X(from));
#if BITS == 8
    int w = int(LOAD_X(from + 1 + d));
    ivec4 q = ivec4(w << 24, w << 16, w << 8, w) >> 24;
    STORE_Y(i, vec4(q) * scale);
#else
    uint w = LOAD_X(from + 1 + (d >> 1)) >> uint((d & 1) * 16);
    vec4 u = vec4(uvec4(w, w >> 4, w >> 8, w >> 12) & 15u) - 7.5;
    vec4 u2 = u * u;
    STORE_Y(i, u * (0.26265455 + u2 * (1.2919235e-4 + u2 * 2.958207e-5)) * scale);
#endif
}
