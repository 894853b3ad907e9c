#!/bin/bash
# The examples classify and background on what `tools/setup classify` and `background` fetch: a page
# in its four turns, a portrait. In: the folder of the examples, test_mask, the folder of what was
# fetched. Out: a line a fault and a count; 77 when nothing is there.
set -u
build=$1 mask=$2 models=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
broken=0 done=0 skipped=0
fault() { echo "$1"; broken=1; }

if [ -f "$models/turn.onnx" ]; then
    cp "$here/examples/ocr/page.png" "$dir/0.png"
    for turn in 0 90 180 270; do
        "$build/classify" "$models/turn.onnx" "$dir/$turn.png" >"$dir/says" 2>"$dir/log" ||
            fault "classify, turned by $turn: $(cat "$dir/log")"
        head -1 "$dir/says" | grep -qE "^ [89][0-9]\.[0-9] %  $turn\$" ||
            fault "classify, turned by $turn: $(cat "$dir/says")"
        [ "$(wc -l <"$dir/says")" = 4 ] || fault "classify: not four classes"
        [ $turn = 270 ] || "$mask" turn "$dir/$turn.png" "$dir/$((turn + 90)).png"
    done
    done=$((done + 1))
else
    echo "skipped classify: no $models/turn.onnx"
    skipped=$((skipped + 1))
fi

if [ -f "$models/cutout.onnx" ] && [ -f "$models/portrait.png" ]; then
    "$build/background" "$models/cutout.onnx" "$models/portrait.png" "$dir/out.png" GLCompute \
        0.50196 1.00392 >"$dir/says" 2>&1 || fault "background: $(cat "$dir/says")"
    # the wall and the flag; the face, the suit, the helmet
    for at in "10 10 0 2" "500 10 0 2" "60 150 0 2" "440 200 0 2" \
        "225 130 250 255" "170 330 250 255" "360 440 250 255"; do
        "$mask" alpha "$dir/out.png" $at || broken=1
    done
    done=$((done + 1))
else
    echo "skipped background: no $models/cutout.onnx and portrait.png"
    skipped=$((skipped + 1))
fi
echo "$done examples tried, $skipped skipped"
((broken)) && exit 1
((done)) || exit 77
