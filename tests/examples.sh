#!/bin/bash
# The examples on pictures, by both providers. In: the folder of the examples, test_mask, the folder
# of models. Out: a line a fault; 77 when a model is not there.
set -u
build=$1 mask=$2 models=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
selfie=$models/selfie_segmentation squeezenet=$models/squeezenet_seeded
for model in "$selfie" "$squeezenet"; do
    [ -f "$model/model.onnx" ] || { echo "skipped: no $model"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
broken=0
fault() { echo "$1"; broken=1; }
"$mask" png "$selfie/test_data_set_0/input_0.pb" "$dir/in.png" || exit 1
for i in $(seq 0 999); do echo "label $i"; done >"$dir/labels"
for provider in GLCompute CPU; do
    "$build/background" "$selfie/model.onnx" "$dir/in.png" "$dir/out.png" $provider \
        >"$dir/says" 2>&1 || fault "background on $provider: $(cat "$dir/says")"
    "$mask" compare "$dir/out.png" "$selfie/test_data_set_0/output_0.pb" ||
        fault "background on $provider: another mask"
    "$build/classify" "$squeezenet/model.onnx" "$here/examples/ocr/page.png" "$dir/labels" \
        $provider >"$dir/classes.$provider" 2>&1 ||
        fault "classify on $provider: $(cat "$dir/classes.$provider")"
    [ "$(grep -cE '^ *[0-9.]+ %  label [0-9]+$' "$dir/classes.$provider")" = 5 ] ||
        fault "classify on $provider: $(cat "$dir/classes.$provider")"
done
diff "$dir/classes.GLCompute" "$dir/classes.CPU" || fault "classify: the providers differ"
"$build/classify" "$squeezenet/model.onnx" "$dir/labels" >/dev/null 2>"$dir/says" &&
    fault "classify takes a text for a picture"
grep -q "$dir/labels" "$dir/says" || fault "classify does not name the file: $(cat "$dir/says")"
((broken)) || echo "background and classify: both providers, the same"
exit $broken
