// The lanes of a group over a C4 tensor: LO of them along channel vec4s, the others
// (ACROSS) along pixels. LO is a power of two and a parameter: channel counts make no
// other programs.
// Params: lo (the logarithm), see recipes/lanes.h.
#define LO (1 << p_lo)
#define LANE (LOCAL & (LO - 1))
#define ACROSS (LOCAL_SIZE >> p_lo)
#define LANE_ACROSS (LOCAL >> p_lo)
