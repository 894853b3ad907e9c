/* Options as data: one row each in options.c; parsing, listing and defaults come from it.
 */
#ifndef ESK_RUN_OPTIONS_H
#define ESK_RUN_OPTIONS_H

#include "base/error.h"
#include "base/log.h"
#include "esker/provider.h"
#include "ir/provider.h"

/* One row an option: id, key, type, values, default, scope, documentation.
 * BOOL: 0 or 1. INT: "low..high". ENUM: "a|b"; its number is the index. TEXT: any string.
 * Scope device: the first session that opens the device decides; session: each its own;
 * none: of the WebGPU provider, without meaning here, accepted with one warning. */
#define ESK_OPTION_LIST(X)                                                               \
    X(DEVICE_ID, "deviceId", INT, "0..255", "0", DEVICE,                                 \
      "which device of `esker devices`, hardware first; with eglDisplay: any number, a " \
      "name")                                                                            \
    X(POWER, "powerPreference", ENUM, "high-performance|low-power", "high-performance",  \
      DEVICE, "among several GPUs, the one to count first")                              \
    X(ALLOW_SOFTWARE, "allowSoftware", BOOL, "0,1", "1", DEVICE,                         \
      "0 refuses software renderers such as llvmpipe")                                   \
    X(PRESERVE_DEVICE, "preserveDevice", BOOL, "0,1", "0", DEVICE,                       \
      "1 keeps the device open after its last session")                                  \
    X(RECOVER, "recoverDevice", BOOL, "0,1", "0", SESSION,                               \
      "1: after its device was lost a session opens it anew with the next run")          \
    X(ROBUST, "enableRobustness", BOOL, "0,1", "0", DEVICE,                              \
      "1 asks for a robust context, dropped where refused")                              \
    X(VALIDATION, "validationMode", ENUM, "disabled|glOnly|wgpuOnly|basic|full",         \
      "basic", DEVICE,                                                                   \
      "basic: GL errors once a run; full: every call, KHR_debug, a robust context, "     \
      "an error for a node that makes NaN and an output not of its declared shape")      \
    X(MAX_BINDING, "maxStorageBufferBindingSize", INT, "0..2147483647", "0", DEVICE,     \
      "bytes of a storage binding, larger tensors go by pieces; 0 is the device's "      \
      "limit")                                                                           \
    X(FENCE_TIMEOUT, "fenceTimeoutMs", INT, "1..3600000", "60000", DEVICE,               \
      "milliseconds to wait for the device before a run fails")                          \
    X(READ_PATH, "readPath", ENUM, "auto|ssbo|image", "auto", DEVICE,                    \
      "how shaders read tensors: storage buffers or image buffers")                      \
    X(CLAMP, "clamp", ENUM, "none|es31", "none", DEVICE,                                 \
      "es31 cuts every limit to what OpenGL ES 3.1 guarantees")                          \
    X(MAX_GROUPS, "maxGroups", INT, "0..65535", "0", DEVICE,                             \
      "groups of one dispatch and axis; 0 is the device's own limit")                    \
    X(WINOGRAD, "winograd", ENUM, "auto|never|always", "auto", DEVICE,                   \
      "Winograd's 3x3 convolutions: faster, errors about twice as large")                \
    X(SHARED_TILES, "sharedTiles", ENUM, "auto|never|always", "auto", DEVICE,            \
      "matrix products in tiles of shared memory; auto: on GPUs where it is near")       \
    X(POISON, "poison", BOOL, "0,1", "0", DEVICE,                                        \
      "1 fills buffers with NaN before a run gets them")                                 \
    X(THREADS, "threads", ENUM, "auto|pool|inline|lanes", "auto", DEVICE,                \
      "llvmpipe: the driver's pool; inline on the caller; two lanes, the caller's "      \
      "thread "                                                                          \
      "and one more, each inline; auto is by estimated work")                            \
    X(ALLOW_SETENV, "allowSetenv", BOOL, "0,1", "0", DEVICE,                             \
      "1: set LP_NUM_THREADS for a moment even if the process has threads already")      \
    X(CACHE_DIR, "programCacheDir", TEXT, "", "", DEVICE,                                \
      "folder of program binaries, 64 MiB at most; none or empty: not kept; not given: " \
      "$XDG_CACHE_HOME/esker or ~/.cache/esker")                                         \
    X(EGL_DISPLAY, "eglDisplay", INT, "0..9223372036854775807", "0", DEVICE,             \
      "the caller's EGLDisplay as a number: the device is opened on it; 0: none")        \
    X(EGL_CONTEXT, "eglContext", INT, "0..9223372036854775807", "0", DEVICE,             \
      "the caller's EGLContext on eglDisplay as a number: buffers are shared with it")   \
    X(FORCE_CPU, "forceCpuNodeNames", TEXT, "", "", SESSION,                             \
      "names of nodes to keep on the CPU, one a line")                                   \
    X(STRICT, "strict", BOOL, "0,1", "0", SESSION,                                       \
      "1 makes a node that would fall back to the CPU an error that lists all of them")  \
    X(PLAN_CACHE, "planCacheSize", INT, "1..1024", "16", SESSION,                        \
      "plans kept, one for each set of input shapes")                                    \
    X(LEVEL, "graphOptimizationLevel", ENUM, "all|extended|basic|disabled", "all",       \
      SESSION, "which passes run")                                                       \
    X(DISABLED, "disabledOptimizers", TEXT, "", "", SESSION,                             \
      "passes to leave out, one a line")                                                 \
    X(PROFILING, "enableProfiling", BOOL, "0,1", "0", SESSION,                           \
      "1 records creation and runs; esk_session_end_profiling or the end writes the "    \
      "trace")                                                                           \
    X(PROFILE_PREFIX, "profileFilePrefix", TEXT, "", "", SESSION,                        \
      "how names of traces begin; esker_profile if empty")                               \
    X(TUNING, "tuning", ENUM, "off|heuristic|quick|full", "heuristic", SESSION,          \
      "which of several kernels: by rule (off), by rule and results of before, or "      \
      "timed: "                                                                          \
      "of heavy nodes (quick), of all (full)")                                           \
    X(TUNING_FILE, "tuningFile", TEXT, "", "", SESSION,                                  \
      "file of tuning results; not given: tuning.txt in the folder of programCacheDir")  \
    X(LOG_SEVERITY, "logSeverity", ENUM, "env|verbose|info|warning|error|silent", "env", \
      SESSION, "lines of the session below it are dropped; env: as the env says")        \
    X(DETERMINISTIC, "deterministic", BOOL, "0,1", "0", SESSION,                         \
      "1 asks for the same bytes in every run; kernels have no atomics, so 0 gives "     \
      "them too")                                                                        \
    X(LOG_ID, "logId", TEXT, "", "", SESSION,                                            \
      "text in front of the session's log lines")                                        \
    X(LAYOUT, "preferredLayout", ENUM, "auto|NHWC|NCHW", "auto", SESSION,                \
      "how images lie between kernels: NHWC: channels innermost, in fours; NCHW: as in " \
      "the model, "                                                                      \
      "where a kernel can; auto: as measured on the device")                             \
    X(CAPTURE, "enableGraphCapture", BOOL, "0,1", "0", SESSION,                          \
      "1: the first run with a gpu_graph_id is captured, those after it replay it")      \
    X(INT64, "enableInt64", BOOL, "0,1", "1", SESSION,                                   \
      "0 keeps nodes that make 64-bit integers of 64-bit integers on the CPU")           \
    X(ROTARY, "multiRotaryCacheConcatOffset", INT, "0..2147483647", "0", SESSION,        \
      "rows of GroupQueryAttention's rotary tables for sequences up to so long; others " \
      "read "                                                                            \
      "the rows behind them; 0: tables have one part")                                   \
    X(KV_BITS, "kvCacheQuantizationBits", ENUM, "0|4|8", "0", SESSION,                   \
      "bits of an element in GroupQueryAttention's caches, whose last axis is then a "   \
      "row's "                                                                           \
      "words: a float scale and the elements; 0: caches are as the model says")          \
    X(PENDING, "maxNumPendingDispatches", INT, "1..4096", "16", DEVICE,                  \
      "dispatches between flushes; a terminated run ends at the next")                   \
    X(CACHE_STORAGE, "storageBufferCacheMode", ENUM,                                     \
      "disabled|lazyRelease|simple|bucket", "bucket", DEVICE,                            \
      "what becomes of slabs after a run; bucket: by size classes")                      \
    X(CACHE_UNIFORM, "uniformBufferCacheMode", ENUM,                                     \
      "disabled|lazyRelease|simple|bucket", "simple", DEVICE,                            \
      "what becomes of blocks of parameters")                                            \
    X(CACHE_QUERY, "queryResolveBufferCacheMode", ENUM,                                  \
      "disabled|lazyRelease|simple|bucket", "disabled", DEVICE,                          \
      "what becomes of a profiled run's pool of timer queries")                          \
    X(CACHE_DEFAULT, "defaultBufferCacheMode", ENUM,                                     \
      "disabled|lazyRelease|simple|bucket", "simple", DEVICE,                            \
      "what becomes of the buffers that the host fills and reads")                       \
    X(DAWN_BACKEND, "dawnBackendType", TEXT, "", "", NONE, "Dawn only")                  \
    X(DAWN_TABLE, "dawnProcTable", TEXT, "", "", NONE, "Dawn only")                      \
    X(INSTANCE, "webgpuInstance", TEXT, "", "", NONE, "Dawn only")                       \
    X(DEVICE, "webgpuDevice", TEXT, "", "", NONE, "Dawn only")                           \
    X(FP32, "enableMatmulFp32Accumulation", TEXT, "", "", NONE, "sums are always float") \
    X(PIX, "enablePIXCapture", TEXT, "", "", NONE, "Windows only")                       \
    X(MEM_PATTERN, "enableMemPattern", TEXT, "", "", NONE, "plans always reuse memory")  \
    X(CPU_ARENA, "enableCpuMemArena", TEXT, "", "", NONE, "plans keep their memory")     \
    X(EXECUTION, "executionMode", TEXT, "", "", NONE, "one node after the other")        \
    X(INTRA_OP, "intraOpNumThreads", INT, "0..1024", "0", SESSION,                       \
      "threads of the CPU provider's products, in the whole process; 0 leaves them")     \
    X(INTER_OP, "interOpNumThreads", TEXT, "", "", NONE, "one node after the other")     \
    X(POOL, "sessionBufferPoolGenerations", TEXT, "", "", NONE, "buffer donation")

enum esk_option {
#define ESK_OPTION_ENUM(id, key, type, values, fallback, scope, doc) ESK_OPTION_##id,
    ESK_OPTION_LIST(ESK_OPTION_ENUM)
#undef ESK_OPTION_ENUM
        ESK_OPTION_COUNT
};

/* The value of every option. Zeroed memory plus esk_settings_init. */
struct esk_settings {
    int64_t number[ESK_OPTION_COUNT]; /* BOOL, INT, ENUM */
    char *text[ESK_OPTION_COUNT];     /* owned; TEXT only, NULL: empty */
    bool given[ESK_OPTION_COUNT];
};

void esk_settings_init(struct esk_settings *settings); /* the defaults */
void esk_settings_finish(struct esk_settings *settings);
bool esk_settings_copy(struct esk_settings *to, const struct esk_settings *from);

/* Errors: INVALID_ARGUMENT for an unknown key or a wrong value, with the nearest valid
 * ones. */
esk_status esk_settings_set(struct esk_settings *settings, const char *key,
                            const char *value, esk_error *error);

/* Errors: INVALID_ARGUMENT for options that contradict each other, naming them. */
esk_status esk_settings_check(const struct esk_settings *settings, esk_error *error);

/* One warning for each given key that does nothing. */
void esk_settings_warn(const struct esk_settings *settings, const struct esk_logger *log);

/* The device's limits with what a session may want otherwise. */
struct esk_limits esk_settings_limits(const struct esk_settings *settings,
                                      const struct esk_limits *device);

/* validationMode is full. */
bool esk_settings_validate(const struct esk_settings *settings);

/* The device part. */
void esk_settings_device(const struct esk_settings *settings,
                         struct esk_device_options *options);

/* Whether two sessions' settings ask for the same device; else *what names the first key
 * that differs. */
bool esk_settings_same_device(const struct esk_settings *a, const struct esk_settings *b,
                              const char **what);

#endif
