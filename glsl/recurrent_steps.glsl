// Steps of LSTM, GRU or RNN. In: G vec4 [direction][rows][gate][hidden4]: inputs times W
// and biases; R vec4 [direction][hidden padded to 4, then one row][gate][hidden4]; S
// vec4: h [direction][batch][hidden4], c the same, a length (.x) for each of the batch.
// Out: S; Y VEC4 (WIDE) or ELEMENT. R's last row: peepholes of i, o, f, or a GRU's bias
// within r * ().
// Params: steps from … to of `steps` in all; zero: S holds nothing yet; direction (of
// group 0), reverse, batch, hidden, cells (vec4s of h), rows (of G), x_step, x_batch
// (rows), y_step, y_batch, y_direction (units of Y's view), clip, act: alpha and beta of
// F, G, H.
// Defines: LSTM, GRU or RNN; GATES; MOST: vec4s of shared state; LINEAR, COUPLED,
// PEEPHOLES, CLIP, LENGTHS, HAS_Y, WIDE; ACT_F, ACT_G, ACT_H (v, alpha, beta).
// One group takes an item of the batch in one direction; an invocation every
// LOCAL_SIZE-th vec4 of the state.
#include "lib/math.glsl"

shared vec4 state[MOST];
shared vec4 next[MOST];
#if defined GRU && !defined LINEAR
shared vec4 kept[MOST];
#endif

#ifdef CLIP
#define LIMIT(v) clamp(v, -p_clip, p_clip)
#else
#define LIMIT(v) (v)
#endif
vec4 act_f(vec4 v) { v = LIMIT(v); return ACT_F(v, p_act(0), p_act(1)); }
vec4 act_g(vec4 v) { v = LIMIT(v); return ACT_G(v, p_act(2), p_act(3)); }
vec4 act_h(vec4 v) { return ACT_H(v, p_act(4), p_act(5)); }

// A gate's sum over the state `next` (of GRU: reset) or `state`.
#define ADD(sum, v, r, columns)                                                            \
    sum += v.x * LOAD_R(r) + v.y * LOAD_R((r) + (columns)) +                               \
           v.z * LOAD_R((r) + 2 * (columns)) + v.w * LOAD_R((r) + 3 * (columns))

vec4 masked(vec4 v, int j) {
    return mix(vec4(0.0), v, lessThan(ivec4(0, 1, 2, 3) + j * 4, ivec4(p_hidden)));
}

#ifdef HAS_Y
void store(int at, int j, vec4 v) {
#ifdef WIDE
    STORE_Y(at + j, v);
#elif UNIT_Y == 2
    STORE2_Y((at >> 1) + j * 2, v.xy);
    if (j * 4 + 2 < p_hidden)
        STORE2_Y((at >> 1) + j * 2 + 1, v.zw);
#else
    STORE_Y(at + j * 4, v.x);
    if (j * 4 + 1 < p_hidden)
        STORE_Y(at + j * 4 + 1, v.y);
    if (j * 4 + 2 < p_hidden)
        STORE_Y(at + j * 4 + 2, v.z);
    if (j * 4 + 3 < p_hidden)
        STORE_Y(at + j * 4 + 3, v.w);
#endif
}
#endif

void main() {
    int item = GROUP.x, d = GROUP.y + p_direction, width = (p_hidden + 3) >> 2;
    int columns = GATES * width, tail = width * 4 * columns;
    int s_at = (d * p_batch + item) * width, r_at = d * (tail + columns);
    bool back = d == 1 || p_reverse != 0;
    int length = p_steps;
#ifdef LENGTHS
    length = int(LOAD_S(2 * p_cells + item).x);
#endif
    for (int j = LOCAL; j < width; j += LOCAL_SIZE) {
        if (p_zero != 0) {
            state[j] = vec4(0.0);
            STORE_S(s_at + p_cells + j, vec4(0.0));
        } else
            state[j] = LOAD_S(s_at + j);
    }
    memoryBarrierShared();
    barrier();
    for (int step = p_from; step < p_to; step++) {
        int t = step < length && back ? length - 1 - step : step;
        int g_at = (d * p_rows + t * p_x_step + item * p_x_batch) * columns;
#if defined GRU && !defined LINEAR
        for (int j = LOCAL; j < width; j += LOCAL_SIZE) {
            vec4 z = LOAD_G(g_at + j), reset = LOAD_G(g_at + width + j);
            int r = r_at + j;
            for (int k = 0; k < width; k++, r += 4 * columns) {
                vec4 v = state[k];
                ADD(z, v, r, columns);
                ADD(reset, v, r + width, columns);
            }
            kept[j] = act_f(z);
            next[j] = masked(act_f(reset) * state[j], j);
        }
        memoryBarrierShared();
        barrier();
        for (int j = LOCAL; j < width; j += LOCAL_SIZE) {
            vec4 h = LOAD_G(g_at + 2 * width + j);
            int r = r_at + 2 * width + j;
            for (int k = 0; k < width; k++, r += 4 * columns) {
                vec4 v = next[k];
                ADD(h, v, r, columns);
            }
            vec4 z = kept[j];
            h = masked((1.0 - z) * act_g(h) + z * state[j], j);
            if (step < length)
                state[j] = h;
            else
                h = vec4(0.0);
#ifdef HAS_Y
            store(t * p_y_step + item * p_y_batch + d * p_y_direction, j, h);
#endif
        }
#else
        for (int j = LOCAL; j < width; j += LOCAL_SIZE) {
            vec4 a = LOAD_G(g_at + j);
            int r = r_at + j;
#ifdef LSTM
            vec4 o = LOAD_G(g_at + width + j), f = LOAD_G(g_at + 2 * width + j);
            vec4 c = LOAD_G(g_at + 3 * width + j);
            for (int k = 0; k < width; k++, r += 4 * columns) {
                vec4 v = state[k];
                ADD(a, v, r, columns);
                ADD(o, v, r + width, columns);
                ADD(f, v, r + 2 * width, columns);
                ADD(c, v, r + 3 * width, columns);
            }
            vec4 cell = LOAD_S(s_at + p_cells + j);
#ifdef PEEPHOLES
            a += LOAD_R(r_at + tail + j) * cell;
            f += LOAD_R(r_at + tail + 2 * width + j) * cell;
#endif
            a = act_f(a);
#ifdef COUPLED
            f = 1.0 - a;
#else
            f = act_f(f);
#endif
            cell = masked(f * cell + a * act_g(c), j);
#ifdef PEEPHOLES
            o += LOAD_R(r_at + tail + width + j) * cell;
#endif
            vec4 h = act_f(o) * act_h(cell);
            if (step < length)
                STORE_S(s_at + p_cells + j, cell);
#elif defined GRU
            vec4 reset = LOAD_G(g_at + width + j), c = LOAD_R(r_at + tail + 2 * width + j);
            for (int k = 0; k < width; k++, r += 4 * columns) {
                vec4 v = state[k];
                ADD(a, v, r, columns);
                ADD(reset, v, r + width, columns);
                ADD(c, v, r + 2 * width, columns);
            }
            a = act_f(a);
            c = act_g(LOAD_G(g_at + 2 * width + j) + act_f(reset) * c);
            vec4 h = (1.0 - a) * c + a * state[j];
#else
            for (int k = 0; k < width; k++, r += 4 * columns) {
                vec4 v = state[k];
                ADD(a, v, r, columns);
            }
            vec4 h = act_f(a);
#endif
            h = masked(h, j);
            next[j] = step < length ? h : state[j];
#ifdef HAS_Y
            store(t * p_y_step + item * p_y_batch + d * p_y_direction, j,
                  step < length ? h : vec4(0.0));
#endif
        }
        memoryBarrierShared();
        barrier();
        for (int j = LOCAL; j < width; j += LOCAL_SIZE)
            state[j] = next[j];
#endif
        memoryBarrierShared();
        barrier();
    }
    for (int j = LOCAL; j < width; j += LOCAL_SIZE)
        STORE_S(s_at + j, state[j]);
}
