/* What a test asks of the null driver, by dlsym in the loaded libEGL.so.1. */
#ifndef ESKER_TESTS_NULLGL_H
#define ESKER_TESTS_NULLGL_H

#include <stdint.h>

enum { NULLGL_DEVICES = 4 };

struct nullgl_faults {
    long buffer_most; /* larger buffers are out of memory; 0: none is */
    long memory_most; /* all buffers together, as buffer_most */
    long lose_after;  /* dispatches, then the context is reset; 0: never */
    int lost;         /* it is reset */
    int hang;         /* fences are never signalled */
    int no_map;       /* nothing can be mapped */
    int lane_error; /* each dispatch on the surfaceless display is GL_INVALID_OPERATION */
    int bad_dispatch; /* each dispatch is GL_INVALID_OPERATION */
    int no_display;   /* no display can be initialised */
    int egl_lost;     /* no context can be made current any more: EGL_CONTEXT_LOST */
    int no_robust;    /* no robust context is made, though the extension is there */
    long call_after;  /* dispatches, then `call` is called, without a lock; 0: never */
    void (*call)(void *user);
    void *user;
};

/* The devices that EGL lists, once asked for; without any there is the default display
 * alone. Strings are borrowed for good. Asked for while no display is in use. */
struct nullgl_device {
    const char *renderer; /* GL_RENDERER */
    const char *node;     /* DRM render node; NULL: none */
    int software, broken; /* says so; cannot be initialised */
};
struct nullgl_devices {
    struct nullgl_device items[NULLGL_DEVICES];
    int count;
    int surfaceless; /* Mesa, and one more display: dispatches there write what
                        lib/proof.glsl does to a small pinned buffer */
};

/* Objects that were made and not deleted. */
struct nullgl_live {
    long buffers, mapped, textures, shaders, programs, fences, contexts, surfaces;
};

/* What was called since it was asked last. */
struct nullgl_seen {
    long dispatches[NULLGL_DEVICES]; /* by device; the default display is the first */
    long flushes, groups;            /* KHR_debug's */
    long buffer_labels, program_labels;
    long copies, maps; /* of buffers */
    long terminated;   /* displays */
    int listens;       /* somebody set a callback for messages */
    struct {
        int robust, lose_on_reset, debug;
        void *share;
    } context; /* of the last one that was made */
};

void nullgl_set(const struct nullgl_faults *faults);
void nullgl_list(const struct nullgl_devices *devices);
void nullgl_count(struct nullgl_live *live);
void nullgl_see(struct nullgl_seen *seen);
void *nullgl_display(int device);
/* Buffers whose words are the two, in turn; and filling all with a byte. */
long nullgl_find(uint32_t even, uint32_t odd);
void nullgl_fill(unsigned char byte);

#endif
