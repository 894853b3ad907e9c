// Indices in the mixed radix p_dim(0 ... RANK-1), outermost first. In: define RANK, parameters
// dim and, for index_step, step (an index itself). The outermost place has no bound.
// C side: esk_move_step (recipes/move.h).

void index_of(int at, out int index[RANK]) {
    uint rest = uint(at);
    for (int k = RANK - 1; k > 0; k--) {
        uint d = uint(p_dim(k)), q = rest / d;
        index[k] = int(rest - q * d);
        rest = q;
    }
    index[0] = int(rest);
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
