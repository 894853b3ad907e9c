// The main function of a kernel that computes each output element on its own. In: a
// function `S_Y element(int i)` that gives element i (0 ≤ i < p_count) of output Y, and
// p_count; one invocation stores one unit of Y (UNIT_Y elements). Elements behind the
// last repeat it.
// The kernel's C side: esk_kernel_map (recipes/map.h).

void main() {
    int unit = FLAT;
    if (unit >= (p_count + UNIT_Y - 1) / UNIT_Y)
        return;
    int i = unit * UNIT_Y;
#if UNIT_Y == 1
    STORE_Y(unit, element(i));
#else
    int last = p_count - 1;
    S_Y a = element(i), b = element(min(i + 1, last));
#if UNIT_Y == 2
    STORE2_Y(unit, vec2(a, b));
#else
    STORE_Y(unit, T_Y(a, b, element(min(i + 2, last)), element(min(i + 3, last))));
#endif
#endif
}
