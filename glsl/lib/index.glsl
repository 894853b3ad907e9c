// Indices in the mixed radix p_dim(0 ... RANK-1), outermost first. In: define RANK,
// parameters dim and, for index_step, step (an index itself). The outermost place has no
// bound. C side: esk_move_step (recipes/move.h).

// a / d for a >= 0, d > 0, and what is left of a. Integer division is a loop over lanes
// on some drivers and slow on all: floats come close, a second step within one.
int divide(int a, int d, out int left) {
    float inverse = 1.0 / float(d);
    int q = int(float(a) * inverse);
    left = a - q * d;
    int more = int(floor(float(left) * inverse));
    q += more;
    left -= more * d;
    int off = int(left >= d) - int(left < 0);
    left -= off * d;
    return q + off;
}

void index_of(int at, out int index[RANK]) {
    for (int k = RANK - 1; k > 0; k--)
        at = divide(at, p_dim(k), index[k]);
    index[0] = at;
}

void index_next(inout int index[RANK]) {
    int carry = 1;
    for (int k = RANK - 1; k > 0; k--) {
        index[k] += carry;
        carry = int(index[k] == p_dim(k));
        index[k] -= carry * p_dim(k);
    }
    index[0] += carry;
}

#ifdef INDEX_STEP
void index_step(inout int index[RANK]) {
    int carry = 0;
    for (int k = RANK - 1; k > 0; k--) {
        index[k] += p_step(k) + carry;
        carry = int(index[k] >= p_dim(k));
        index[k] -= carry * p_dim(k);
    }
    index[0] += p_step(0) + carry;
}
#endif
