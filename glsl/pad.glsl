// Pad. Element i of Y, index in the mixed radix dim(0 ... RANK-1), is X at index -
// before, or what MODE says where that lies outside [0, size). In: X. Out: Y, whole.
// Params: dim, step, count as in copy_strided; offset, stride: of X; before, size: of
// each axis; MODE 0: value, or for int64 value and value_high; channels: with MASK.
// Defines: RANK; MODE 0 constant, 1 edge, 2 reflect, 3 wrap; FAR: a pad is longer than
// the axis can give at once; KIND of the value: 0 float, 1 int, 2 uint, 3 int64;
//   UNITS  X and Y have one view, dims are in its units
//          MASK: the innermost index counts a C4 tensor's channels by four: zeros from
//          p_channels on
//   else   Y VEC4, X ELEMENT
// One invocation stores four units of Y, LOCAL_SIZE apart.

#define INDEX_STEP
#include "lib/index.glsl"

S_X pad_value() {
#if MODE != 0
    return S_X(0);
#elif KIND == 2
    return uint(p_value);
#elif KIND == 3
    return uvec2(uint(p_value), uint(p_value_high));
#else
    return p_value;
#endif
}

// Where along axis k; *inside* becomes false in the border.
int along(int i, int k, inout bool inside) {
    int at = i - p_before(k), size = p_size(k);
#if MODE == 0
    inside = inside && at >= 0 && at < size;
    return at;
#elif MODE == 1
    return clamp(at, 0, size - 1);
#elif MODE == 2
#ifdef FAR
    int period = max(2 * (size - 1), 1);
    at = at >= 0 ? at % period : period - 1 - (-1 - at) % period;
#endif
    at = abs(at);
    return size - 1 - abs(size - 1 - at);
#else
#ifdef FAR
    return at >= 0 ? at % size : size - 1 - (-1 - at) % size;
#else
    return at < 0 ? at + size : at >= size ? at - size : at;
#endif
#endif
}

T_X element(int index[RANK]) {
    int at = p_offset;
    bool inside = true;
    for (int k = 0; k < RANK; k++)
        at += along(index[k], k, inside) * p_stride(k);
#if MODE == 0
    T_X v = T_X(pad_value());
#ifdef MASK
    ivec4 channel = ivec4(0, 1, 2, 3) + index[RANK - 1] * 4;
    v = mix(T_X(0), v, lessThan(channel, ivec4(p_channels)));
#endif
    if (inside)
        v = LOAD_X(at);
    return v;
#else
    return LOAD_X(at);
#endif
}

void main() {
    int unit = GROUP.x * (LOCAL_SIZE * 4) + LOCAL;
    int index[RANK];
#ifdef UNITS
    index_of(unit, index);
#else
    index_of(unit * 4, index);
#endif
    for (int n = 0; n < 4; n++) {
        if (unit < p_count) {
            T_X first = element(index);
#ifdef UNITS
            STORE_Y(unit, first);
#else
            T_Y v = T_Y(first);
            int e[RANK] = index;
            for (int m = 1; m < 4; m++) {
                index_next(e);
                if (e[0] < p_dim(0))
                    v[m] = element(e);
            }
            STORE_Y(unit, v);
#endif
        }
        unit += LOCAL_SIZE;
        index_step(index);
    }
}
