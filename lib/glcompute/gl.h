/* The GL entry points of one device, resolved at run time, as one swappable struct.
 * In: a get_proc function with a context current; out: `struct esk_gl` and its
 * extensions. The library links neither libGLESv2 nor libEGL; must not know EGL, buffers
 * or programs. */
#ifndef ESK_GLCOMPUTE_GL_H
#define ESK_GLCOMPUTE_GL_H

#include <stdbool.h>
#include <stdint.h>

#include "esker/status.h"

/* No prototypes: a plain glFoo() call does not compile. */
#undef GL_GLES_PROTOTYPES
#define GL_GLES_PROTOTYPES 0
#include <GLES3/gl31.h>
#include <GLES2/gl2ext.h>

/* Extensions: field, the names that give it (any one), the ES minor version (of 3.x) that
 * has it in core, or 99. */
#define ESK_GL_EXT_LIST(X)                                              \
    X(texture_buffer, "GL_EXT_texture_buffer GL_OES_texture_buffer", 2) \
    X(debug, "GL_KHR_debug", 2)                                         \
    X(parallel_compile, "GL_KHR_parallel_shader_compile", 99)           \
    X(disjoint_timer, "GL_EXT_disjoint_timer_query", 99)                \
    X(robustness, "GL_KHR_robustness GL_EXT_robustness", 2)             \
    X(no_error, "GL_KHR_no_error", 99)                                  \
    X(image_atomic, "GL_OES_shader_image_atomic", 2)

struct esk_gl_ext {
#define ESK_GL_EXT_FIELD(field, names, minor) bool field;
    ESK_GL_EXT_LIST(ESK_GL_EXT_FIELD)
#undef ESK_GL_EXT_FIELD
};

/* Core ES 3.1, all required: the name without "gl", its type. */
#define ESK_GL_REQUIRED_LIST(X)                                  \
    X(GetError, PFNGLGETERRORPROC)                               \
    X(GetString, PFNGLGETSTRINGPROC)                             \
    X(GetStringi, PFNGLGETSTRINGIPROC)                           \
    X(GetIntegerv, PFNGLGETINTEGERVPROC)                         \
    X(GetInteger64v, PFNGLGETINTEGER64VPROC)                     \
    X(GetIntegeri_v, PFNGLGETINTEGERI_VPROC)                     \
    X(GetInteger64i_v, PFNGLGETINTEGER64I_VPROC)                 \
    X(Enable, PFNGLENABLEPROC)                                   \
    X(Disable, PFNGLDISABLEPROC)                                 \
    X(IsEnabled, PFNGLISENABLEDPROC)                             \
    X(Flush, PFNGLFLUSHPROC)                                     \
    X(Finish, PFNGLFINISHPROC)                                   \
    X(GenBuffers, PFNGLGENBUFFERSPROC)                           \
    X(DeleteBuffers, PFNGLDELETEBUFFERSPROC)                     \
    X(IsBuffer, PFNGLISBUFFERPROC)                               \
    X(BindBuffer, PFNGLBINDBUFFERPROC)                           \
    X(BindBufferBase, PFNGLBINDBUFFERBASEPROC)                   \
    X(BindBufferRange, PFNGLBINDBUFFERRANGEPROC)                 \
    X(BufferData, PFNGLBUFFERDATAPROC)                           \
    X(BufferSubData, PFNGLBUFFERSUBDATAPROC)                     \
    X(CopyBufferSubData, PFNGLCOPYBUFFERSUBDATAPROC)             \
    X(MapBufferRange, PFNGLMAPBUFFERRANGEPROC)                   \
    X(FlushMappedBufferRange, PFNGLFLUSHMAPPEDBUFFERRANGEPROC)   \
    X(UnmapBuffer, PFNGLUNMAPBUFFERPROC)                         \
    X(GetBufferParameteri64v, PFNGLGETBUFFERPARAMETERI64VPROC)   \
    X(GenTextures, PFNGLGENTEXTURESPROC)                         \
    X(DeleteTextures, PFNGLDELETETEXTURESPROC)                   \
    X(BindTexture, PFNGLBINDTEXTUREPROC)                         \
    X(ActiveTexture, PFNGLACTIVETEXTUREPROC)                     \
    X(BindImageTexture, PFNGLBINDIMAGETEXTUREPROC)               \
    X(CreateShader, PFNGLCREATESHADERPROC)                       \
    X(DeleteShader, PFNGLDELETESHADERPROC)                       \
    X(ShaderSource, PFNGLSHADERSOURCEPROC)                       \
    X(CompileShader, PFNGLCOMPILESHADERPROC)                     \
    X(GetShaderiv, PFNGLGETSHADERIVPROC)                         \
    X(GetShaderInfoLog, PFNGLGETSHADERINFOLOGPROC)               \
    X(CreateProgram, PFNGLCREATEPROGRAMPROC)                     \
    X(DeleteProgram, PFNGLDELETEPROGRAMPROC)                     \
    X(AttachShader, PFNGLATTACHSHADERPROC)                       \
    X(DetachShader, PFNGLDETACHSHADERPROC)                       \
    X(LinkProgram, PFNGLLINKPROGRAMPROC)                         \
    X(UseProgram, PFNGLUSEPROGRAMPROC)                           \
    X(GetProgramiv, PFNGLGETPROGRAMIVPROC)                       \
    X(GetProgramInfoLog, PFNGLGETPROGRAMINFOLOGPROC)             \
    X(GetProgramBinary, PFNGLGETPROGRAMBINARYPROC)               \
    X(ProgramBinary, PFNGLPROGRAMBINARYPROC)                     \
    X(ProgramParameteri, PFNGLPROGRAMPARAMETERIPROC)             \
    X(GetProgramInterfaceiv, PFNGLGETPROGRAMINTERFACEIVPROC)     \
    X(DispatchCompute, PFNGLDISPATCHCOMPUTEPROC)                 \
    X(DispatchComputeIndirect, PFNGLDISPATCHCOMPUTEINDIRECTPROC) \
    X(MemoryBarrier, PFNGLMEMORYBARRIERPROC)                     \
    X(FenceSync, PFNGLFENCESYNCPROC)                             \
    X(ClientWaitSync, PFNGLCLIENTWAITSYNCPROC)                   \
    X(GetSynciv, PFNGLGETSYNCIVPROC)                             \
    X(DeleteSync, PFNGLDELETESYNCPROC)                           \
    X(GenQueries, PFNGLGENQUERIESPROC)                           \
    X(DeleteQueries, PFNGLDELETEQUERIESPROC)                     \
    X(BeginQuery, PFNGLBEGINQUERYPROC)                           \
    X(EndQuery, PFNGLENDQUERYPROC)                               \
    X(GetQueryiv, PFNGLGETQUERYIVPROC)                           \
    X(GetQueryObjectuiv, PFNGLGETQUERYOBJECTUIVPROC)

/* Optional: the member, its type, the names to try in turn (a bare one is tried only
 * where the function is core), the extension that gates it. A member is NULL unless its
 * extension is there and one name resolves: drivers resolve names of functions they do
 * not have. If one does not resolve, the extension's bool is false too. */
#define ESK_GL_OPTIONAL_LIST(X)                                                          \
    X(TexBuffer, PFNGLTEXBUFFEREXTPROC, "TexBuffer TexBufferEXT TexBufferOES",           \
      texture_buffer)                                                                    \
    X(TexBufferRange, PFNGLTEXBUFFERRANGEEXTPROC,                                        \
      "TexBufferRange TexBufferRangeEXT TexBufferRangeOES", texture_buffer)              \
    X(DebugMessageCallback, PFNGLDEBUGMESSAGECALLBACKKHRPROC,                            \
      "DebugMessageCallback DebugMessageCallbackKHR", debug)                             \
    X(DebugMessageControl, PFNGLDEBUGMESSAGECONTROLKHRPROC,                              \
      "DebugMessageControl DebugMessageControlKHR", debug)                               \
    X(PushDebugGroup, PFNGLPUSHDEBUGGROUPKHRPROC, "PushDebugGroup PushDebugGroupKHR",    \
      debug)                                                                             \
    X(PopDebugGroup, PFNGLPOPDEBUGGROUPKHRPROC, "PopDebugGroup PopDebugGroupKHR", debug) \
    X(ObjectLabel, PFNGLOBJECTLABELKHRPROC, "ObjectLabel ObjectLabelKHR", debug)         \
    X(MaxShaderCompilerThreads, PFNGLMAXSHADERCOMPILERTHREADSKHRPROC,                    \
      "MaxShaderCompilerThreadsKHR", parallel_compile)                                   \
    X(QueryCounter, PFNGLQUERYCOUNTEREXTPROC, "QueryCounterEXT", disjoint_timer)         \
    X(GetQueryObjectui64v, PFNGLGETQUERYOBJECTUI64VEXTPROC, "GetQueryObjectui64vEXT",    \
      disjoint_timer)                                                                    \
    X(GetGraphicsResetStatus, PFNGLGETGRAPHICSRESETSTATUSKHRPROC,                        \
      "GetGraphicsResetStatus GetGraphicsResetStatusKHR GetGraphicsResetStatusEXT",      \
      robustness)

/* One per device. Used under the device's lock with its context current; zeroed memory is
 * an empty table. Tests fill it through a get_proc of their own, or overwrite members. */
struct esk_gl {
#define ESK_GL_FIELD(name, type) type name;
    ESK_GL_REQUIRED_LIST(ESK_GL_FIELD)
#undef ESK_GL_FIELD
#define ESK_GL_FIELD(name, type, names, ext) type name; /* may be NULL: see the list */
    ESK_GL_OPTIONAL_LIST(ESK_GL_FIELD)
#undef ESK_GL_FIELD

    int major, minor; /* of the context: ES 3.1 or later */
    struct esk_gl_ext ext;

    bool validate;          /* ESK_GL asks glGetError after each call; off by default */
    GLenum error;           /* first error since esk_gl_status, or GL_NO_ERROR */
    const char *error_call; /* the text of the call, static; "file" and line of it */
    const char *error_file;
    int error_line;
};

/* Looks up "glName"; NULL if there is none. A context is current during esk_gl_load. */
typedef void (*esk_gl_proc)(void);
typedef esk_gl_proc (*esk_gl_get_proc)(void *user, const char *name);

/* Fills `*gl` from the current context: version (ES below 3.1 is ESK_UNSUPPORTED),
 * extensions, functions; a missing required function is ESK_UNSUPPORTED and named. */
esk_status esk_gl_load(struct esk_gl *gl, esk_gl_get_proc get_proc, void *user,
                       esk_error *error);

/* Whether `name` is one of the words of `list` (an extension string); pure. */
bool esk_gl_has_word(const char *list, const char *name);

/* ESK_GL(gl, BindBuffer(GL_COPY_READ_BUFFER, id)); calls gl->BindBuffer(...). With
 * gl->validate the first failing call is recorded in *gl with its text, file and line;
 * else one branch. */
#define ESK_GL(gl, call) ((gl)->call, ESK_GL_CHECK(gl, #call))

/* For a call that returns something: ESK_GL_SET(gl, fence, FenceSync(..., 0)); */
#define ESK_GL_SET(gl, result, call) ((result) = (gl)->call, ESK_GL_CHECK(gl, #call))

#define ESK_GL_CHECK(gl, text) \
    ((gl)->validate ? esk_gl_check((gl), (text), __FILE__, __LINE__) : (void)0)

/* Asks glGetError and records the first error; for ESK_GL. */
void esk_gl_check(struct esk_gl *gl, const char *call, const char *file, int line);

/* Drains glGetError and what validation recorded. ESK_OK, or the first error as a status
 * (GL_OUT_OF_MEMORY: ESK_OUT_OF_MEMORY, GL_CONTEXT_LOST: ESK_DEVICE_LOST, else
 * ESK_DEVICE_ERROR) with the text "what: GL_NAME (0x...) in call at file:line". Works
 * without validation too: call it where memory is allocated, and at the end of a run. */
esk_status esk_gl_status(struct esk_gl *gl, const char *what, esk_error *error);

/* ESK_OK or ESK_DEVICE_LOST, from the reset status; ESK_OK where the driver cannot tell.
 */
esk_status esk_gl_lost(struct esk_gl *gl, const char *what, esk_error *error);

/* "GL_OUT_OF_MEMORY"; "unknown GL error" for what is none. Static. */
const char *esk_gl_error_name(GLenum code);

#endif
