#!/bin/bash
# Every value of every option over three models: results are those of the default, wrong values
# are refused. In: TOOL FOLDER. Out: a line a fault and a count; 77 when a model is not there, or
# no GLES device (a failure under ESKER_REQUIRE_DEVICE=1).
set -u
tool=$(realpath "$1") folder=$2
models=(mnist_8 face_pose bert_toy)
for model in "${models[@]}"; do
    [ -d "$folder/$model" ] || { echo "skipped ${#models[@]} models: no $folder/$model"; exit 77; }
done
"$tool" devices --json 2>/dev/null | grep -qE '"provider":"GLCompute"[^}]*"unusable":null' || {
    echo "skipped ${#models[@]} models: no GLES device"
    [ "${ESKER_REQUIRE_DEVICE:-0}" = 1 ] && exit 1
    exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir # what tuning and compiling keep
printf '%s\n' "${models[@]}" >"$dir/list"
tried=0 broken=0
# good SETTING: all models pass.
good() {
    tried=$((tried + 1))
    (cd "$dir" && "$tool" test --provider GLCompute --list list --set "$1" "$folder") \
        >"$dir/out" 2>&1 || { echo "$1: $(grep -E '^(FAIL|ERROR|UNSUPPORTED)|:' "$dir/out")"; broken=1; }
}
bad() {
    tried=$((tried + 1))
    "$tool" test --provider GLCompute --list "$dir/list" --set "$1" "$folder" >"$dir/out" 2>&1 &&
        { echo "$1: not refused"; broken=1; }
    grep -qF "'${1%%=*}'" "$dir/out" || { echo "$1: not named: $(head -3 "$dir/out")"; broken=1; }
}
folder=$(cd "$folder" && pwd)
while IFS=$'\t' read -r key type values; do
    case $type in
    bool) set -- 0 1 ;;
    enum) IFS='|' read -ra each <<<"$values"; set -- "${each[@]}" ;;
    int)
        case $key in
        maxStorageBufferBindingSize) set -- 0 65536 1048576 ;;
        maxNumPendingDispatches) set -- 1 2 4096 ;;
        maxGroups) set -- 3 65535 ;;
        planCacheSize) set -- 1 1024 ;;
        fenceTimeoutMs) set -- 3600000 ;;
        intraOpNumThreads) set -- 0 1 2 ;;
        *) set -- 0 ;;
        esac ;;
    *) continue ;;
    esac
    for value in "$@"; do
        [ "$key=$value" = allowSoftware=0 ] || good "$key=$value"
    done
    bad "$key=none_such"
done < <("$tool" --help-options | awk '
    /^  [A-Za-z]/ { key = $1; next }
    /^      (bool|int|enum) / { sub(/,$/, "", $2); print key "\t" $1 "\t" $2 }')
[ "$tried" -gt 50 ] || { echo "only $tried settings: --help-options reads otherwise"; broken=1; }
bad "strickt=1"
echo "$tried settings over ${#models[@]} models"
exit $broken
