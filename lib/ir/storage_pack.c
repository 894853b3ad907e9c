/* Host tensors to device storage and back. In: dense tensors; out: their bytes as kernels
 * read them. Must not know devices. Hosts are little-endian, as is every GLES device. */
#include "ir/kernel.h"

#include "base/half.h"

#include <assert.h>
#include <string.h>

/* One row a (storage, type): the device's element, the host's, how `v` becomes the other.
 */
#define PAIRS(X)                                                                 \
    X(F32, FLOAT, float, float, v, v)                                            \
    X(F32, FLOAT16, float, uint16_t, esk_half_to_float(v), esk_float_to_half(v)) \
    X(F16X2, FLOAT16, uint16_t, uint16_t, v, v)                                  \
    X(I32, INT8, int32_t, int8_t, v, (int8_t)v)                                  \
    X(I32, INT16, int32_t, int16_t, v, (int16_t)v)                               \
    X(I32, INT32, int32_t, int32_t, v, v)                                        \
    X(U32, BOOL, uint32_t, uint8_t, v != 0, v != 0)                              \
    X(U32, UINT8, uint32_t, uint8_t, v, (uint8_t)v)                              \
    X(U32, UINT16, uint32_t, uint16_t, v, (uint16_t)v)                           \
    X(U32, UINT32, uint32_t, uint32_t, v, v)                                     \
    X(I64X2, INT64, int64_t, int64_t, v, v)                                      \
    X(I64X2, UINT64, uint64_t, uint64_t, v, v)

/* Bytes of one element on the device. */
static size_t element_bytes(enum esk_storage storage) {
    return storage == ESK_STORAGE_F16X2 ? 2 : storage == ESK_STORAGE_I64X2 ? 8 : 4;
}

/* Whether a dense run has the same bytes on both sides. */
static bool is_plain(enum esk_storage storage, esk_dtype dtype) {
    return esk_dtype_bits(dtype) == 8 * element_bytes(storage);
}

/* `count` elements, `step` device elements apart, from a dense run. */
static void to_device(void *device, size_t step, enum esk_storage storage,
                      const void *host, esk_dtype dtype, size_t count) {
#define ROW(s, d, device_type, host_type, up, down)       \
    if (storage == ESK_STORAGE_##s && dtype == ESK_##d) { \
        device_type *to = device;                         \
        const host_type *from = host;                     \
        for (size_t i = 0; i < count; i++) {              \
            host_type v = from[i];                        \
            to[i * step] = (up);                          \
        }                                                 \
        return;                                           \
    }
    PAIRS(ROW)
#undef ROW
    assert(!"no such storage of this type");
}

static void to_host(const void *device, enum esk_storage storage, void *host,
                    esk_dtype dtype, size_t count) {
#define ROW(s, d, device_type, host_type, up, down)       \
    if (storage == ESK_STORAGE_##s && dtype == ESK_##d) { \
        const device_type *from = device;                 \
        host_type *to = host;                             \
        for (size_t i = 0; i < count; i++) {              \
            device_type v = from[i];                      \
            to[i] = (down);                               \
        }                                                 \
        return;                                           \
    }
    PAIRS(ROW)
#undef ROW
    assert(!"no such storage of this type");
}

static void pack_dense(unsigned char *device, size_t bytes, enum esk_storage storage,
                       const struct esk_tensor *host, size_t count) {
    size_t used = count * element_bytes(storage);
    assert(used <= bytes);
    if (used && is_plain(storage, host->dtype))
        memcpy(device, host->data, used);
    else if (used)
        to_device(device, 1, storage, host->data, host->dtype, count);
    memset(device + used, 0, bytes - used);
}

/* [N, C, spatial…] to [N, spatial…, C up to 4]: one strided run for each channel. */
static void pack_c4(unsigned char *device, size_t bytes, enum esk_storage storage,
                    const struct esk_tensor *host) {
    size_t n = (size_t)host->dim[0], channels = (size_t)host->dim[1];
    size_t area = (size_t)esk_shape_product(host->dim, 2, host->rank);
    size_t padded = (channels + 3) / 4 * 4, unit = element_bytes(storage);
    size_t host_unit = esk_dtype_bits(host->dtype) / 8;
    assert(n * area * padded * unit <= bytes);
    memset(device, 0, bytes);
    for (size_t i = 0; i < n && area; i++)
        for (size_t c = 0; c < channels; c++)
            to_device(device + (i * area * padded + c) * unit, padded, storage,
                      (const unsigned char *)host->data +
                          (i * channels + c) * area * host_unit,
                      host->dtype, area);
}

void esk_storage_pack(void *device, size_t bytes, enum esk_storage storage,
                      enum esk_layout layout, const struct esk_tensor *host) {
    int64_t count = esk_shape_product(host->dim, 0, host->rank);
    if (layout == ESK_LAYOUT_C4 && host->rank >= 3)
        pack_c4(device, bytes, storage, host);
    else
        pack_dense(device, bytes, storage, host, (size_t)count);
}

void esk_storage_unpack(const void *device, enum esk_storage storage,
                        struct esk_tensor *host) {
    size_t count = (size_t)esk_shape_product(host->dim, 0, host->rank);
    if (count && is_plain(storage, host->dtype))
        memcpy(host->data, device, count * element_bytes(storage));
    else if (count)
        to_host(device, storage, host->data, host->dtype, count);
}

void esk_pack_plain(void *dst, size_t bytes, const struct esk_tensor *const *src,
                    const int64_t *params) {
    esk_storage_pack(dst, bytes, (enum esk_storage)params[1], (enum esk_layout)params[0],
                     src[0]);
}
