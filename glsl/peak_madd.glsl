// How many multiply-adds a second: nothing but registers. Y: vec4, one an invocation, so
// that nothing is dropped. Each round does STEPS multiply-adds on each of ACCUMULATORS
// vec4s, in turn; factors differ between lanes, and are vec4s or (WIDE 0) floats: fewer
// registers.
// Defines: ACCUMULATORS (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) STEPS (1, 2, 4, 8, 16, 32)
// WIDE.
// Params: rounds.

#if WIDE
#define FACTOR vec4
#else
#define FACTOR float
#endif

#define EACH_1(F) F(s0)
#define EACH_2(F) EACH_1(F) F(s1)
#define EACH_3(F) EACH_2(F) F(s2)
#define EACH_4(F) EACH_3(F) F(s3)
#define EACH_6(F) EACH_4(F) F(s4) F(s5)
#define EACH_8(F) EACH_6(F) F(s6) F(s7)
#define EACH_12(F) EACH_8(F) F(s8) F(s9) F(s10) F(s11)
#define EACH_16(F) EACH_12(F) F(s12) F(s13) F(s14) F(s15)
#define EACH_24(F) EACH_16(F) F(s16) F(s17) F(s18) F(s19) F(s20) F(s21) F(s22) F(s23)
#define EACH_32(F) EACH_24(F) F(s24) F(s25) F(s26) F(s27) F(s28) F(s29) F(s30) F(s31)
#if ACCUMULATORS == 1
#define EACH EACH_1
#elif ACCUMULATORS == 2
#define EACH EACH_2
#elif ACCUMULATORS == 3
#define EACH EACH_3
#elif ACCUMULATORS == 4
#define EACH EACH_4
#elif ACCUMULATORS == 6
#define EACH EACH_6
#elif ACCUMULATORS == 8
#define EACH EACH_8
#elif ACCUMULATORS == 12
#define EACH EACH_12
#elif ACCUMULATORS == 16
#define EACH EACH_16
#elif ACCUMULATORS == 24
#define EACH EACH_24
#else
#define EACH EACH_32
#endif

#define DECLARE(s) vec4 s = start;
#define STEP(s) s = s * p + q;
#define SUM(s) sum += s;
#define DO_1 EACH(STEP)
#define DO_2 DO_1 DO_1
#define DO_4 DO_2 DO_2
#define DO_8 DO_4 DO_4
#define DO_16 DO_8 DO_8
#if STEPS == 1
#define DO DO_1
#elif STEPS == 2
#define DO DO_2
#elif STEPS == 4
#define DO DO_4
#elif STEPS == 8
#define DO DO_8
#elif STEPS == 16
#define DO DO_16
#else
#define DO DO_16 DO_16
#endif

void main() {
    int i = FLAT;
    float lane = float(i & 1023) * 0.0001;
    vec4 start = vec4(lane, 0.1, 0.2, 0.3);
    FACTOR p = FACTOR(0.9) - lane, q = FACTOR(0.1) + lane; // sums stay near 1
    EACH(DECLARE)
    int rounds = p_rounds;
    for (int k = 0; k < rounds; k++) {
        DO
    }
    vec4 sum = vec4(0.0);
    EACH(SUM)
    STORE_Y(i, sum);
}
