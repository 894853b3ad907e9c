// Exact 64-bit integers as uvec2 (low word, high word), two's complement, wrapping. Names
// that end in u are unsigned; the others are signed, or the same for both.
// In: nothing. Division by zero gives 0, remainder 0. Div and mod loop at most 64 times.

uvec2 i64(int v) { return uvec2(uint(v), uint(v >> 31)); }
uvec2 u64(uint v) { return uvec2(v, 0u); }

uvec2 add64(uvec2 a, uvec2 b) {
    uint low = a.x + b.x;
    return uvec2(low, a.y + b.y + uint(low < a.x));
}
uvec2 sub64(uvec2 a, uvec2 b) {
    return uvec2(a.x - b.x, a.y - b.y - uint(a.x < b.x));
}
uvec2 neg64(uvec2 a) { return sub64(uvec2(0u), a); }
uvec2 mul64(uvec2 a, uvec2 b) {
    uint high, low;
    umulExtended(a.x, b.x, high, low);
    return uvec2(low, high + a.x * b.y + a.y * b.x);
}

bool eq64(uvec2 a, uvec2 b) { return a.x == b.x && a.y == b.y; }
bool lt64u(uvec2 a, uvec2 b) { return a.y == b.y ? a.x < b.x : a.y < b.y; }
bool lt64(uvec2 a, uvec2 b) { return a.y == b.y ? a.x < b.x : int(a.y) < int(b.y); }
bool is_negative64(uvec2 a) { return int(a.y) < 0; }
uvec2 abs64(uvec2 a) { return is_negative64(a) ? neg64(a) : a; }
uvec2 sign64(uvec2 a) {
    return is_negative64(a) ? uvec2(0xffffffffu) : uvec2(uint((a.x | a.y) != 0u), 0u);
}
uvec2 min64(uvec2 a, uvec2 b) { return lt64(b, a) ? b : a; }
uvec2 max64(uvec2 a, uvec2 b) { return lt64(a, b) ? b : a; }
uvec2 min64u(uvec2 a, uvec2 b) { return lt64u(b, a) ? b : a; }
uvec2 max64u(uvec2 a, uvec2 b) { return lt64u(a, b) ? b : a; }

// Shifts by 0 … 63; by more: all bits are gone.
uvec2 shl64(uvec2 a, uint n) {
    uint m = n & 31u;
    uvec2 r = m == 0u ? a : uvec2(a.x << m, (a.y << m) | (a.x >> (32u - m)));
    return n > 63u ? uvec2(0u) : n > 31u ? uvec2(0u, r.x) : r;
}
uvec2 shr64u(uvec2 a, uint n) {
    uint m = n & 31u;
    uvec2 r = m == 0u ? a : uvec2((a.x >> m) | (a.y << (32u - m)), a.y >> m);
    return n > 63u ? uvec2(0u) : n > 31u ? uvec2(r.y, 0u) : r;
}
uvec2 shr64(uvec2 a, uint n) { // keeps the sign
    return is_negative64(a) ? ~shr64u(~a, n) : shr64u(a, n);
}

// Quotient (xy) and remainder (zw).
uvec4 divmod64u(uvec2 a, uvec2 b) {
    if ((b.x | b.y) == 0u)
        return uvec4(0u);
    if ((a.y | b.y) == 0u) {
        uint q = a.x / b.x;
        return uvec4(q, 0u, a.x - q * b.x, 0u);
    }
    uvec2 q = uvec2(0u), r = uvec2(0u);
    for (int i = 0; i < 64; i++) {
        bool carry = int(r.y) < 0;
        r = uvec2((r.x << 1) | (a.y >> 31), (r.y << 1) | (r.x >> 31));
        a = uvec2(a.x << 1, (a.y << 1) | (a.x >> 31));
        q = uvec2(q.x << 1, (q.y << 1) | (q.x >> 31));
        if (carry || !lt64u(r, b)) {
            r = sub64(r, b);
            q.x |= 1u;
        }
    }
    return uvec4(q, r);
}
uvec2 div64u(uvec2 a, uvec2 b) { return divmod64u(a, b).xy; }
uvec2 mod64u(uvec2 a, uvec2 b) { return divmod64u(a, b).zw; }
uvec2 div64(uvec2 a, uvec2 b) { // towards zero
    uvec2 q = divmod64u(abs64(a), abs64(b)).xy;
    return int(a.y ^ b.y) < 0 ? neg64(q) : q;
}
// The remainder with the sign of a where `truncated`, else with that of b.
uvec2 mod64(uvec2 a, uvec2 b, bool truncated) {
    uvec2 r = divmod64u(abs64(a), abs64(b)).zw;
    r = is_negative64(a) ? neg64(r) : r;
    return !truncated && (r.x | r.y) != 0u && int(r.y ^ b.y) < 0 ? add64(r, b) : r;
}
// a to the n-th, n ≥ 0, wrapping.
uvec2 pow64u(uvec2 a, uvec2 n) {
    uvec2 p = uvec2(1u, 0u);
    for (int i = 0; i < 64 && (n.x | n.y) != 0u; i++) {
        p = (n.x & 1u) != 0u ? mul64(p, a) : p;
        a = mul64(a, a);
        n = shr64u(n, 1u);
    }
    return p;
}
uvec2 pow64(uvec2 a, uvec2 n) {
    bool unit = eq64(a, uvec2(1u, 0u)) || eq64(a, uvec2(0xffffffffu));
    uvec2 m = is_negative64(n) ? unit ? uvec2(n.x & 1u, 0u) : uvec2(0u) : n;
    return is_negative64(n) && !unit ? uvec2(0u) : pow64u(a, m);
}

// To float, rounded to nearest, ties to even.
float float_of64u(uvec2 a) {
    int top = a.y != 0u ? 32 + findMSB(a.y) : findMSB(a.x);
    if (top < 24)
        return float(a.x);
    uint shift = uint(top - 23);
    uvec2 m = shr64u(a, shift), rest = sub64(a, shl64(m, shift));
    uvec2 tie = shl64(uvec2(1u, 0u), shift - 1u);
    if (lt64u(tie, rest) || (eq64(tie, rest) && (m.x & 1u) != 0u))
        m.x++;
    return float(m.x) * uintBitsToFloat((shift + 127u) << 23);
}
float float_of64(uvec2 a) {
    float f = float_of64u(abs64(a));
    return is_negative64(a) ? -f : f;
}
// From float, towards zero; saturates, NaN gives 0. The unsigned one wraps what is
// negative.
uvec2 magnitude64(float f) { // of |f| < 2^64
    uint bits = floatBitsToUint(f) & 0x7fffffffu, e = bits >> 23;
    uvec2 m = uvec2((bits & 0x7fffffu) | 0x800000u, 0u);
    return e < 127u ? uvec2(0u) : e < 150u ? shr64u(m, 150u - e) : shl64(m, e - 150u);
}
uvec2 i64_of_float(float f) {
    uint bits = floatBitsToUint(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return uvec2(0u);
    bool negative = int(bits) < 0;
    if ((bits & 0x7fffffffu) >= 0x5f000000u) // 2^63
        return negative ? uvec2(0u, 0x80000000u) : uvec2(0xffffffffu, 0x7fffffffu);
    uvec2 m = magnitude64(f);
    return negative ? neg64(m) : m;
}
uvec2 u64_of_float(float f) {
    uint bits = floatBitsToUint(f);
    if (bits >= 0x5f000000u && bits < 0x5f800000u)
        return magnitude64(f);
    return bits >= 0x5f800000u && bits <= 0x7f800000u ? uvec2(0xffffffffu) : i64_of_float(f);
}
