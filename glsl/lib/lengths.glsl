// How many keys or tokens batch b has, as an int: p_lengths(b) (LENGTHS 2: the host knows
// them), or element b of L, int32 or int64 (LENGTHS_64).
#if defined(LENGTHS) && LENGTHS == 2
int length_of(int b) { return p_lengths(b); }
#elif defined(LENGTHS_64)
int length_of(int b) { return int(LOAD_L(b).x); }
#else
int length_of(int b) { return int(LOAD_L(b)); }
#endif
