/* The OpenGL ES compute provider. stub.c has the same when it is compiled out. */
#ifndef ESK_GLCOMPUTE_GLCOMPUTE_H
#define ESK_GLCOMPUTE_GLCOMPUTE_H

#include "ir/provider.h"

extern const struct esk_provider esk_glcompute_provider;

#endif
