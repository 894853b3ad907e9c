#!/bin/bash
# The README's main job: the text of examples/ocr/page.png as examples/ocr/page.txt has it. In:
# OCR (the program), the folder of PP-OCR's models (`tools/setup models`). Out: a diff; 77
# without the models or a device.
set -u
ocr=$1 models=$2
for name in det.onnx rec.onnx cls.onnx; do
    [ -f "$models/$name" ] || { echo "skipped: no $models/$name"; exit 77; }
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$ocr" --det "$models/det.onnx" --rec "$models/rec.onnx" --cls "$models/cls.onnx" \
    --keys "$models/keys.txt" --output "$out/page.png" examples/ocr/page.png \
    >"$out/page.txt" 2>"$out/log" || {
    status=$?
    cat "$out/log"
    grep -q "no usable OpenGL ES" "$out/log" && [ "${ESKER_REQUIRE_DEVICE:-0}" != 1 ] && exit 77
    exit $status
}
cut -c8- "$out/page.txt" | diff examples/ocr/page.txt - || exit 1
[ "$(head -c 4 "$out/page.png" | tail -c 3)" = PNG ] || { echo "no PNG was drawn"; exit 1; }
echo "$(wc -l <"$out/page.txt") lines read right"
