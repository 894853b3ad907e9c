/* TensorProto to tensor. In: a message whose raw_data is a range of the model's bytes,
 * typed fields, or a name of an external file; out: dense aligned bytes in a blob, mapped
 * where they may stay. Must not know graphs but for holding the blob. */
#include "front/onnx/reader.h"

#include "base/mem.h"
#include "front/file.h"
#include "front/onnx/wire.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian");

void esk_onnx_reader_finish(struct esk_onnx_reader *r) {
    for (size_t i = 0; i < r->n_files; i++) {
        esk_free(r->files[i].name);
        esk_blob_unref(r->files[i].blob);
    }
    esk_free(r->files);
}

/* Type and shape, checked; bytes follow from them. */
esk_status esk_onnx_tensor_facts(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                                 struct esk_tensor *tensor) {
    esk_dtype dtype = (esk_dtype)t->data_type;
    if (dtype == ESK_STRING)
        return esk_fail(r->error, ESK_UNSUPPORTED, "strings are not supported");
    if (t->data_type <= 0)
        return esk_fail(r->error, ESK_INVALID_MODEL, "no element type");
    if (!esk_dtype_bits(dtype))
        return esk_fail(r->error, ESK_UNSUPPORTED, "element type %d is not known",
                        t->data_type);
    if (t->segment)
        return esk_fail(r->error, ESK_UNSUPPORTED,
                        "tensors in segments are not supported");
    if (t->n_dims > ESK_MAX_RANK)
        return esk_fail(r->error, ESK_UNSUPPORTED, "rank %zu, the limit is %d", t->n_dims,
                        ESK_MAX_RANK);
    *tensor = (struct esk_tensor){.dtype = dtype, .rank = (int)t->n_dims};
    for (size_t i = 0; i < t->n_dims; i++) {
        tensor->dim[i] = t->dims[i];
        if (t->dims[i] < 0)
            return esk_fail(r->error, ESK_INVALID_MODEL, "dimension %zu is %" PRId64, i,
                            t->dims[i]);
    }
    int64_t count;
    if (!esk_shape_count(tensor->rank, tensor->dim, &count) ||
        !esk_dtype_bytes(dtype, count, &tensor->bytes))
        return esk_fail(r->error, ESK_INVALID_MODEL, "more bytes than 63 bits count");
    return ESK_OK;
}

static esk_status wrong_size(struct esk_onnx_reader *r, const struct esk_tensor *tensor,
                             size_t found, const char *unit) {
    struct esk_text text = {0};
    esk_shape_print(&text, tensor->dtype, tensor->rank, tensor->dim);
    esk_status status =
        esk_fail(r->error, ESK_INVALID_MODEL, "%zu %s where %s needs %zu bytes", found,
                 unit, esk_text_str(&text), tensor->bytes);
    esk_text_finish(&text);
    return status;
}

/* data[0, tensor->bytes) inside `home`: as it is when aligned, else copied. */
static esk_status place(struct esk_onnx_reader *r, struct esk_tensor *tensor,
                        struct esk_blob *home, const void *data, struct esk_blob **blob) {
    size_t align = esk_dtype_bits(tensor->dtype) / 8;
    align = align > 8 ? 8 : align < 1 ? 1 : align;
    if (tensor->bytes && (uintptr_t)data % align == 0) {
        tensor->data = (void *)(uintptr_t)data;
        *blob = esk_blob_ref(home);
        return ESK_OK;
    }
    *blob = esk_blob_heap(tensor->bytes);
    if (!*blob)
        return esk_fail_memory(r->error, "a tensor");
    tensor->data = (*blob)->data;
    if (tensor->bytes)
        memcpy(tensor->data, data, tensor->bytes);
    return ESK_OK;
}

/* A name below the model's directory: relative, without "..". */
static bool is_below(const char *name) {
    if (!*name || *name == '/')
        return false;
    for (const char *part = name; part;) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return false;
        part = strchr(part, '/');
        part = part ? part + 1 : NULL;
    }
    return true;
}

esk_status esk_onnx_reader_give(struct esk_onnx_reader *r,
                                const struct esk_given_file *file) {
    struct esk_blob *blob =
        esk_blob_create((void *)(uintptr_t)file->bytes, file->size, NULL, NULL);
    char *copy = esk_strdup(file->name);
    if (!blob || !copy ||
        !esk_grow((void **)&r->files, &r->cap_files, r->n_files + 1, sizeof *r->files)) {
        esk_blob_unref(blob);
        esk_free(copy);
        return esk_fail_memory(r->error, "an external file");
    }
    r->files[r->n_files++] = (struct esk_onnx_file){copy, blob};
    return ESK_OK;
}

static esk_status external_file(struct esk_onnx_reader *r, const char *name,
                                struct esk_blob **blob) {
    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].name, name) == 0) {
            *blob = r->files[i].blob;
            return ESK_OK;
        }
    if (!is_below(name))
        return esk_fail(r->error, ESK_INVALID_MODEL,
                        "external file '%s' is not below the model's directory", name);
    if (!r->directory)
        return esk_fail(r->error, ESK_INVALID_ARGUMENT,
                        "its bytes are in file '%s', and no directory was given", name);
    struct esk_file_facts facts;
    struct esk_text path = {0};
    esk_text_add(&path, "%s/%s", *r->directory ? r->directory : ".", name);
    char *copy = esk_strdup(name);
    esk_status status = ESK_OK;
    if (path.failed || !copy ||
        !esk_grow((void **)&r->files, &r->cap_files, r->n_files + 1, sizeof *r->files))
        status = esk_fail_memory(r->error, "an external file");
    else
        status = esk_file_map(esk_text_str(&path), blob, &facts, r->error);
    if (status == ESK_OK && r->model &&
        !esk_model_add_file(r->model, esk_text_str(&path), &facts)) {
        esk_blob_unref(*blob);
        status = esk_fail_memory(r->error, "an external file");
    }
    esk_text_finish(&path);
    if (status) {
        esk_free(copy);
        return status;
    }
    r->files[r->n_files++] = (struct esk_onnx_file){copy, *blob};
    return ESK_OK;
}

/* A decimal number without sign; false if it is none or too large. */
static bool decimal(const char *text, uint64_t *value) {
    uint64_t result = 0;
    if (!*text)
        return false;
    for (; *text; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(result, 10, &result) ||
            __builtin_add_overflow(result, (uint64_t)(*text - '0'), &result))
            return false;
    *value = result;
    return true;
}

static esk_status read_external(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                                struct esk_tensor *tensor, struct esk_blob **blob) {
    const char *location = "";
    uint64_t offset = 0, length = 0;
    bool has_length = false;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = esk_pb_text(t->external_data[i]->key);
        const char *value = esk_pb_text(t->external_data[i]->value);
        bool fine = true;
        if (strcmp(key, "location") == 0)
            location = value;
        else if (strcmp(key, "offset") == 0)
            fine = decimal(value, &offset);
        else if (strcmp(key, "length") == 0)
            fine = has_length = decimal(value, &length);
        if (!fine)
            return esk_fail(r->error, ESK_INVALID_MODEL, "external %s '%s' is no number",
                            key, value);
    }
    struct esk_blob *file = NULL;
    ESK_TRY(external_file(r, location, &file));
    if (offset > file->size || (has_length && length > file->size - offset))
        return esk_fail(r->error, ESK_INVALID_MODEL,
                        "offset %" PRIu64 " and length %" PRIu64
                        " pass the end of file '%s' (%zu bytes)",
                        offset, length, location, file->size);
    if (!has_length)
        length =
            file->size - offset < tensor->bytes ? file->size - offset : tensor->bytes;
    if (length != tensor->bytes)
        return wrong_size(r, tensor, (size_t)length, "bytes of an external file");
    return place(r, tensor, file, (const char *)file->data + offset, blob);
}

/* The typed field that holds a type's elements. */
static esk_status read_typed(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                             struct esk_tensor *tensor, struct esk_blob **blob) {
    const void *from = NULL;
    size_t n, unit; /* items of the field; bytes of the tensor that one makes */
    size_t width = esk_dtype_bits(tensor->dtype) / 8;
    bool narrow = false;
    switch (tensor->dtype) {
    case ESK_FLOAT:
    case ESK_COMPLEX64:
        from = t->float_data, n = t->n_float_data, unit = 4;
        break;
    case ESK_DOUBLE:
    case ESK_COMPLEX128:
        from = t->double_data, n = t->n_double_data, unit = 8;
        break;
    case ESK_INT64:
        from = t->int64_data, n = t->n_int64_data, unit = 8;
        break;
    case ESK_UINT64:
        from = t->uint64_data, n = t->n_uint64_data, unit = 8;
        break;
    case ESK_UINT32:
        n = t->n_uint64_data, unit = 4, narrow = true;
        break;
    case ESK_INT32:
        from = t->int32_data, n = t->n_int32_data, unit = 4;
        break;
    default: /* 16 bits, 8 bits, and bytes of packed elements */
        n = t->n_int32_data, unit = width == 2 ? 2 : 1, narrow = true;
        break;
    }
    if (n != tensor->bytes / unit || tensor->bytes % unit)
        return wrong_size(r, tensor, n, "items");
    *blob = esk_blob_heap(tensor->bytes);
    if (!*blob)
        return esk_fail_memory(r->error, "a tensor");
    tensor->data = (*blob)->data;
    if (!narrow) {
        if (tensor->bytes)
            memcpy(tensor->data, from, tensor->bytes);
        return ESK_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (unit == 4)
            ((uint32_t *)tensor->data)[i] = (uint32_t)t->uint64_data[i];
        else if (unit == 2)
            ((uint16_t *)tensor->data)[i] = (uint16_t)t->int32_data[i];
        else if (tensor->dtype == ESK_BOOL)
            ((uint8_t *)tensor->data)[i] = t->int32_data[i] != 0;
        else
            ((uint8_t *)tensor->data)[i] = (uint8_t)t->int32_data[i];
    return ESK_OK;
}

esk_status esk_onnx_tensor_of(struct esk_onnx_reader *r, const esk_pb_tensor *t,
                              struct esk_tensor *tensor, struct esk_blob **blob) {
    ESK_TRY(esk_onnx_tensor_facts(r, t, tensor));
    if (t->data_location == 1)
        return read_external(r, t, tensor, blob);
    if (t->data_location != 0)
        return esk_fail(r->error, ESK_INVALID_MODEL, "data location %d is not known",
                        t->data_location);
    struct esk_wire_range range = {0};
    if (t->has_raw_data && t->raw_data.len == sizeof range)
        memcpy(&range, t->raw_data.data, sizeof range);
    if (!range.length) /* absent, or empty beside typed items */
        return read_typed(r, t, tensor, blob);
    if (range.length != tensor->bytes)
        return wrong_size(r, tensor, (size_t)range.length, "bytes of raw data");
    return place(r, tensor, r->bytes, (const char *)r->bytes->data + range.offset, blob);
}

esk_status esk_onnx_tensor_in(struct esk_onnx_reader *r, struct esk_graph *graph,
                              const esk_pb_tensor *t, struct esk_tensor *tensor,
                              struct esk_blob **blob) {
    ESK_TRY(esk_onnx_tensor_of(r, t, tensor, blob));
    bool shared = *blob == r->bytes;
    for (size_t i = 0; i < r->n_files; i++)
        shared |= *blob == r->files[i].blob;
    for (size_t i = 0; shared && i < graph->n_blobs; i++)
        if (graph->blobs[i] == *blob) {
            esk_blob_unref(*blob); /* the graph has it already */
            return ESK_OK;
        }
    if (esk_graph_hold(graph, *blob))
        return ESK_OK;
    esk_blob_unref(*blob);
    return esk_fail_memory(r->error, "a tensor");
}

/* The position that row i of the indices names: an index into the flattened tensor, or
 * one number a dimension; false if it is outside. */
static bool coo_position(const struct esk_tensor *dense, const struct esk_tensor *indices,
                         int64_t count, int64_t i, int64_t *position) {
    if (indices->rank == 1) {
        *position = esk_tensor_int(indices, i);
        return *position >= 0 && *position < count;
    }
    *position = 0;
    for (int k = 0; k < dense->rank; k++) {
        int64_t at = esk_tensor_int(indices, i * dense->rank + k);
        if (at < 0 || at >= dense->dim[k])
            return false;
        *position = *position * dense->dim[k] + at;
    }
    return true;
}

static esk_status fill_sparse(struct esk_onnx_reader *r, struct esk_tensor *dense,
                              const struct esk_tensor *values,
                              const struct esk_tensor *indices) {
    size_t unit = esk_dtype_bits(values->dtype) / 8;
    int64_t n = esk_shape_product(values->dim, 0, values->rank), count = 0;
    esk_shape_count(dense->rank, dense->dim, &count);
    bool flat = indices->rank == 1 && indices->dim[0] == n;
    bool rows =
        indices->rank == 2 && indices->dim[0] == n && indices->dim[1] == dense->rank;
    if (values->rank != 1 || indices->dtype != ESK_INT64 || !(flat || rows) || !unit)
        return esk_fail(r->error, ESK_INVALID_MODEL,
                        "sparse values must be a list and indices int64, one row each");
    for (int64_t i = 0; i < n; i++) {
        int64_t position;
        if (!coo_position(dense, indices, count, i, &position))
            return esk_fail(r->error, ESK_INVALID_MODEL,
                            "sparse index %" PRId64 " is outside the tensor", i);
        memcpy((char *)dense->data + (size_t)position * unit,
               (const char *)values->data + (size_t)i * unit, unit);
    }
    return ESK_OK;
}

esk_status esk_onnx_sparse_in(struct esk_onnx_reader *r, struct esk_graph *graph,
                              const esk_pb_sparse *s, struct esk_tensor *tensor,
                              struct esk_blob **blob) {
    /* a few bytes of a file must not ask for any amount of memory */
    const size_t most = (size_t)1 << 28;
    if (!s->values || !s->indices)
        return esk_fail(r->error, ESK_INVALID_MODEL, "sparse without values or indices");
    struct esk_tensor values, indices;
    struct esk_blob *values_blob = NULL, *indices_blob = NULL, *dense = NULL;
    esk_pb_tensor shape = *s->values;
    shape.n_dims = s->n_dims;
    shape.dims = s->dims;
    esk_status status = esk_onnx_tensor_facts(r, &shape, tensor);
    if (status == ESK_OK && tensor->bytes > most)
        status =
            esk_fail(r->error, ESK_UNSUPPORTED,
                     "sparse tensor of %zu bytes, the limit is %zu", tensor->bytes, most);
    if (status == ESK_OK)
        status = esk_onnx_tensor_of(r, s->values, &values, &values_blob);
    if (status == ESK_OK)
        status = esk_onnx_tensor_of(r, s->indices, &indices, &indices_blob);
    if (status == ESK_OK && !(dense = esk_blob_heap(tensor->bytes)))
        status = esk_fail_memory(r->error, "a sparse tensor");
    if (status == ESK_OK) {
        tensor->data = dense->data;
        status = fill_sparse(r, tensor, &values, &indices);
    }
    if (status == ESK_OK && !esk_graph_hold(graph, dense))
        status = esk_fail_memory(r->error, "a sparse tensor");
    esk_blob_unref(values_blob);
    esk_blob_unref(indices_blob);
    if (status)
        esk_blob_unref(dense);
    else
        *blob = dense;
    return status;
}
