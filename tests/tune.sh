#!/bin/bash
# Tuning by the tool: results are written, used, merged and refused as they should be. In:
# TOOL, a folder of models. Out: a line a fault; 77 without a device or the model.
set -u
tool=$1 model=$2/mnist_8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
[ -d "$model" ] || { echo "skipped: no $model"; exit 77; }
"$tool" devices --json 2>/dev/null | grep -qE '"provider":"GLCompute"[^}]*"unusable":null' || {
    echo "skipped: no GLES device"
    [ "${ESKER_REQUIRE_DEVICE:-0}" = 1 ] && exit 1
    exit 77
}
fault() {
    echo "$1"
    exit 1
}
results() { grep -c $'\t' "$1"; }

"$tool" tune "$model" --output "$dir/t" >"$dir/out" 2>"$dir/log" || fault "$(cat "$dir/log")"
cmp -s "$dir/t" "$dir/out" || fault "what is printed is not what is kept"
[ "$(results "$dir/t")" -ge 1 ] || fault "nothing was timed"
# of another driver: stays; of this one: each result once
sed '1!d;a driver another\nkey\tlabel\t1.0' "$dir/t" >"$dir/u"
"$tool" tune "$model" --output "$dir/u" >/dev/null 2>&1 || fault "tune with a file that is there"
[ "$(results "$dir/u")" -eq $(($(results "$dir/t") + 1)) ] || fault "merged: $(cat "$dir/u")"
# each other recipe that fits, one after the other, gives right results
awk -F'\t' 'NR > 2 { n = split($1, l, / [|] /); for (i = 2; i <= n; i++) print l[i] }' "$dir/t" |
    sort -u | while IFS= read -r label; do
    awk -F'\t' -v OFS='\t' -v label="$label" \
        'NR > 2 && index($1, "| " label) { $2 = label } { print }' "$dir/t" >"$dir/v"
    "$tool" test "$model" --provider GLCompute --strict --set tuningFile="$dir/v" \
        >"$dir/out" 2>&1 || fault "with '$label': $(cat "$dir/out")"
done || exit 1
# what cannot be used is said
"$tool" run "$model/model.onnx" --set tuningFile="$dir/none" >"$dir/out" 2>&1 &&
    fault "a file that is not there is no fault"
grep -q "tuningFile '$dir/none': No such file" "$dir/out" || fault "$(cat "$dir/out")"
echo nonsense >"$dir/w"
"$tool" run "$model/model.onnx" --set tuningFile="$dir/w" >"$dir/out" 2>&1 &&
    fault "nonsense is no fault"
grep -q "tuningFile '$dir/w': line 1 is not" "$dir/out" || fault "$(cat "$dir/out")"
"$tool" run "$model/model.onnx" --set tuningFile="$dir/w" --set tuning=off >/dev/null 2>&1 ||
    fault "tuning=off reads no file"
# where results cannot be kept the session goes on
"$tool" tune "$model" --output "$dir/w/t" >"$dir/out" 2>&1 || fault "$(cat "$dir/out")"
grep -q "are not kept" "$dir/out" || fault "no word about a file that cannot be written"
