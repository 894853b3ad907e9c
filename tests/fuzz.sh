#!/bin/bash
# Chooses the models for the fuzzer: small ones of every kind, from Debian's test data
# and, where there, $ESKER_TESTDATA/models. In: FUZZER TOOL SANITIZED(0/1) COUNT. Out: the
# fuzzer's lines; 77 when there is no model at all.
set -u
fuzzer=$1 tool=$2 sanitized=$3 count=$4
nodes=/usr/share/libonnx-testdata/data/node data=${ESKER_TESTDATA:-../shared}
models=()
for name in mnist_8 silero_vad_v5 bert_toy; do
    [ -r "$data/models/$name/model.onnx" ] && models+=("$data/models/$name/model.onnx")
done
for name in test_if test_loop11 test_nonzero_example test_reshape_zero_dim test_constant \
    test_conv_with_strides_padding test_resize_upsample_scales_linear test_gather_0 \
    test_slice_neg_steps test_constant_pad test_split_variable_parts_1d_opset13 \
    test_layer_normalization_2d_axis0 test_convtranspose_pads test_softmax_axis_1 \
    test_cast_FLOAT16_to_FLOAT test_expand_dim_changed test_sequence_insert_at_back; do
    for folder in "$nodes" "$data/onnx-node"; do
        [ -r "$folder/$name/model.onnx" ] && models+=("$folder/$name/model.onnx") && break
    done
done
if [ ${#models[@]} = 0 ]; then
    echo "skipped: neither $nodes nor $data/models is there"
    exit 77
fi
options=()
if [ "$sanitized" = 1 ]; then
    options+=(--sanitized)
    export ASAN_OPTIONS=exitcode=99:allocator_may_return_null=1
    ASAN_OPTIONS+=:max_allocation_size_mb=1024
    export UBSAN_OPTIONS=exitcode=99:print_stacktrace=1
    export LSAN_OPTIONS=${LSAN_OPTIONS:-}:exitcode=99
fi
status=0
"$fuzzer" --tool "$tool" --provider CPU --count $((count - count / 4)) --seed 1 \
    "${options[@]}" "${models[@]}" || status=1
"$fuzzer" --tool "$tool" --provider GLCompute --count $((count / 4)) --seed 2 \
    --timeout 40 "${options[@]}" "${models[@]}" || status=1
exit $status
