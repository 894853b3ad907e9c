// Of Hadamard's matrix of a power of two: element (i, j) is sign_of(i & j); its product
// with a row is that of 4 neighbours at a time, turned(), with the sums of all fours by
// sign.
float sign_of(int bits) { return (bitCount(bits) & 1) == 0 ? 1.0 : -1.0; }

vec4 turned(vec4 v) {
    vec2 sum = v.xy + v.zw, rest = v.xy - v.zw;
    return vec4(sum.x + sum.y, sum.x - sum.y, rest.x + rest.y, rest.x - rest.y);
}
