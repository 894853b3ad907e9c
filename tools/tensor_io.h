/* Tensors from and to files: .npy (NumPy), .pb (ONNX TensorProto), pictures.
 * In: paths or bytes. Out: values of the public API. Must not know sessions' state. */
#ifndef ESKER_TOOLS_TENSOR_IO_H
#define ESKER_TOOLS_TENSOR_IO_H

#include "esker/session.h"
#include "fault.h"

/* What tensor_load takes, for --help. */
#define TENSOR_FILES_TEXT                                                              \
    "  FILE.npy  format 1.0 to 3.0; bool, integers, float16/32/64, complex; little "   \
    "endian;\n"                                                                        \
    "            C or Fortran order\n"                                                 \
    "  FILE.pb   a serialized ONNX TensorProto\n"                                      \
    "  FILE.png  or FILE.jpg, for an input [N,C,H,W] or [N,H,W,C] (or without N, or\n" \
    "            [H,W]) with N = 1 and\n"                                              \
    "            1, 3 or 4 channels (gray, RGB, RGBA): values 0..1 for float types, "  \
    "0..255\n"                                                                         \
    "            for uint8; resized (bilinear) to H and W where the model or --dim "   \
    "fixes them"

/* Reads a whole file; free *bytes with free(). */
bool file_read(const char *path, void **bytes, size_t *size, struct fault *fault);

/* Reads .npy bytes. Types that NumPy writes and ONNX has; big endian is refused. */
bool npy_decode(const void *bytes, size_t size, esk_value **value, struct fault *fault);

/* Writes .npy bytes (format 1.0, or 2.0 when the header is long); free *bytes with
 * free(). Types that NumPy lacks are converted: bfloat16 and smaller floats to float32,
 * 4- and 2-bit integers to 8 bits. Strings are refused. */
bool npy_encode(const esk_value *value, void **bytes, size_t *size, struct fault *fault);

bool npy_save(const char *path, const esk_value *value, struct fault *fault);

/* Reads a TensorProto's file. `name`, if not NULL, gets the tensor's name, owned by the
 * value, never NULL. */
bool pb_load(const char *path, esk_value **value, const char **name, struct fault *fault);

/* Reads a file of any of the three kinds, by its ending. `info` says what the input looks
 * like (dims already with --dim applied); only pictures need it. */
bool tensor_load(const char *path, const esk_value_info *info, esk_value **value,
                 struct fault *fault);

/* "[1,3,?]" or "[batch,3,?]" in `text`; names may be NULL. Returns `text`. */
char *dims_print(int rank, const int64_t *dims, const char *const *names, char *text,
                 size_t size);

#endif
