/* The shader files of glsl/, embedded at build by tools/embed_glsl. */
#ifndef ESK_GLCOMPUTE_SHADERS_H
#define ESK_GLCOMPUTE_SHADERS_H

struct esk_shader {
    const char *name; /* "conv", "lib/math": the path under glsl/ without its ending */
    const char *text;
};

/* Ends with a row of NULLs. */
extern const struct esk_shader esk_shaders[];

#endif
