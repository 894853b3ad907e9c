/* What a test asks of the null driver, by dlsym in the loaded libEGL.so.1. */
#ifndef ESKER_TESTS_NULLGL_H
#define ESKER_TESTS_NULLGL_H

struct nullgl_faults {
    long buffer_most; /* larger buffers are out of memory; 0: none is */
    long lose_after;  /* dispatches, then the context is reset; 0: never */
    int lost;         /* it is reset */
    int hang;         /* fences are never signalled */
    int no_map;       /* nothing can be mapped */
};

/* Objects that were made and not deleted. */
struct nullgl_live {
    long buffers, mapped, textures, shaders, programs, fences, contexts, surfaces;
};

void nullgl_set(const struct nullgl_faults *faults);
long nullgl_dispatches(void);
void nullgl_count(struct nullgl_live *live);

#endif
