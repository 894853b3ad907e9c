// Data indices: tuple entries of operand I, negative ones counted from the end, clamped
// into the axis (the CPU reports a bad index; a kernel must not read there). In: operand
// I ELEMENT (int, or INDEX64: the low word of an int64; INDEX_LATE: there is one index,
// the parameter p_index), define TUPLE, parameters axis_dim(j): sizes, axis_stride(j):
// their strides.

int pick(int place) {
    int at = 0;
    for (int j = 0; j < TUPLE; j++) {
#if defined(INDEX_LATE)
        int i = p_index;
#elif defined(INDEX64)
        int i = int(LOAD_I(place + j).x);
#else
        int i = LOAD_I(place + j);
#endif
        i += i < 0 ? p_axis_dim(j) : 0;
        at += clamp(i, 0, p_axis_dim(j) - 1) * p_axis_stride(j);
    }
    return at;
}
