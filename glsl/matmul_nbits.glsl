// Rows of X times weights of BITS bits: Y[m][n] = sum over k of X[m][k] * w(k, n) + bias.
// In: X [p_m, p_k], vec4s along k (SINGLE: elements); W: 16 bytes of a column,
// [p_chunks][COLS][p_units]; Z: (scale, -zero * scale) of each span, the same order, then
// the bias. Out: Y [p_m, COLS * p_units]. Defines: BITS, COLS (columns of an invocation), ROWS
// (of it), SPANS (scales in a chunk), TAIL (p_k is no multiple of a chunk), SINGLE.
// One invocation: ROWS rows of COLS columns.
const int WORD = 8 / BITS;      // vec4s of numbers in a word
const int CHUNK = 4 * WORD;     // and in a chunk
const int SPAN = CHUNK / SPANS; // and with one scale

vec4 row4(int row, int at) {
#ifdef SINGLE
    int k = at * 4, i = row * p_k + k;
    return vec4(LOADZ_X(k < p_k, i), LOADZ_X(k + 1 < p_k, i + 1), LOADZ_X(k + 2 < p_k, i + 2),
                LOADZ_X(k + 3 < p_k, i + 3));
#elif defined(TAIL)
    return LOADZ_X(at * 4 < p_k, row * (p_k >> 2) + at);
#else
    return LOAD_X(row * (p_k >> 2) + at);
#endif
}

vec4 numbers(uint word, int part) {
    uvec4 shift = uvec4(0, BITS, 2 * BITS, 3 * BITS) + uint(4 * BITS * part);
    return vec4((uvec4(word) >> shift) & uint((1 << BITS) - 1));
}

void main() {
    int unit = GROUP.x * LOCAL_SIZE + LOCAL;
    int first = GROUP.y * ROWS;
    if (unit >= p_units)
        return;
    float sum[ROWS * COLS];
    for (int i = 0; i < ROWS * COLS; i++)
        sum[i] = 0.0;
    for (int chunk = 0; chunk < p_chunks; chunk++) {
        uvec4 w[COLS];
        for (int j = 0; j < COLS; j++)
            w[j] = LOAD_W((chunk * COLS + j) * p_units + unit);
        for (int s = 0; s < SPANS; s++) {
            int span = (chunk * SPANS + s) * COLS;
            float scale[COLS], zero[COLS];
            for (int j = 0; j < COLS; j++) {
                int z = ((span + j) * p_units + unit) * 2;
                scale[j] = LOAD_Z(z);
                zero[j] = LOAD_Z(z + 1);
            }
            for (int i = 0; i < ROWS; i++) {
                int row = min(first + i, p_m - 1);
                vec4 all = vec4(0.0);
                vec4 part[COLS];
                for (int j = 0; j < COLS; j++)
                    part[j] = vec4(0.0);
                for (int v = 0; v < SPAN; v++) {
                    int at = s * SPAN + v;
                    vec4 x = row4(row, chunk * CHUNK + at);
                    all += x;
                    for (int j = 0; j < COLS; j++)
                        part[j] += x * numbers(w[j][at / WORD], at % WORD);
                }
                float total = dot(all, vec4(1.0));
                for (int j = 0; j < COLS; j++)
                    sum[i * COLS + j] +=
                        dot(part[j], vec4(1.0)) * scale[j] + total * zero[j];
            }
        }
    }
    float bias[COLS];
    for (int j = 0; j < COLS; j++)
        bias[j] = LOAD_Z(((p_chunks * SPANS * COLS + j) * p_units + unit) * 2);
    for (int i = 0; i < ROWS; i++) {
        if (first + i < p_m) {
            int at = (first + i) * p_units + unit;
#if COLS == 4
            STORE_Y(at, vec4(sum[i * 4] + bias[0], sum[i * 4 + 1] + bias[1],
                             sum[i * 4 + 2] + bias[2], sum[i * 4 + 3] + bias[3]));
#elif COLS == 2
            STORE2_Y(at, vec2(sum[i * 2] + bias[0], sum[i * 2 + 1] + bias[1]));
#else
            STORE_Y(at, sum[i] + bias[0]);
#endif
        }
    }
}
