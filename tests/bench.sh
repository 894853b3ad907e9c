#!/bin/bash
# What `esker bench` says of the device's buffers, in each mode of their caches: what it made,
# destroyed, keeps and found again. In: TOOL FOLDER. Out: a line a fault; 77 when the model is not
# there, or no GLES device (a failure under ESKER_REQUIRE_DEVICE=1).
set -u
tool=$(realpath "$1") model=$2/mnist_8
[ -d "$model" ] || { echo "skipped: no $model"; exit 77; }
"$tool" devices --json 2>/dev/null | grep -qE '"provider":"GLCompute"[^}]*"unusable":null' || {
    echo "skipped: no GLES device"
    [ "${ESKER_REQUIRE_DEVICE:-0}" = 1 ] && exit 1
    exit 77
}
broken=0
fault() { echo "$1"; broken=1; }
help=$("$tool" bench --help)
# numbers MODE RUNS: sets created, destroyed, live, kept, bytes, hits and peak.
numbers() {
    local line key
    line=$("$tool" bench "$model" --json --runs "$2" --set threads=pool \
        --set storageBufferCacheMode="$1" --set defaultBufferCacheMode="$1" 2>/dev/null)
    for key in $(grep -oE '"[a-z_]+":' <<<"$line" | tr -d '":'); do
        grep -qw "$key" <<<"$help" || fault "bench --help does not name '$key'"
    done
    get() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" <<<"$line"; }
    created=$(get buffers_created) destroyed=$(get buffers_destroyed) live=$(get buffer_bytes)
    kept=$(get cached_buffers) bytes=$(get cached_bytes) hits=$(get cache_hits)
    peak=$(get peak_bytes)
    [[ $created && $destroyed && $live && $kept && $bytes && $hits && $peak ]] ||
        { echo "$1: a number is missing: $line"; exit 1; }
    ((peak >= live && live >= bytes)) || fault "$1: peak $peak, live $live, cached $bytes"
}
for mode in disabled lazyRelease simple bucket; do
    numbers $mode 3
    few=$created few_hits=$hits
    numbers $mode 9
    case $mode in
    disabled) ((created > few && destroyed > 0 && !kept && !bytes && hits == few_hits)) ;;
    lazyRelease) ((created > few && destroyed > 0 && kept && bytes && hits == few_hits)) ;;
    *) ((created == few && kept && bytes && hits > few_hits)) ;;
    esac || fault "$mode: after 3 runs $few created, $few_hits hits; after 9 $created created, \
$destroyed destroyed, $kept kept of $bytes bytes, $hits hits"
done
((broken)) || echo "four modes: what bench counts is what they say"
exit $broken
