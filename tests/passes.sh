#!/bin/bash
# Models with each pass switched off in turn, and at each level. In: TOOL FOLDER LIST (of names;
# all models below FOLDER without). Out: one line a pass and its failures; 1 if a model fails that
# passes with all passes on; 77 when the folder is not there, or no GLES device (a failure under
# ESKER_REQUIRE_DEVICE=1).
set -u
tool=$1 folder=$2 list=${3:-}
here=$(dirname "${BASH_SOURCE[0]}")
if [ ! -d "$folder" ]; then
    echo "skipped: no folder $folder"
    exit 77
fi
if ! "$tool" devices --json 2>/dev/null |
    grep -qE '"provider":"GLCompute"[^}]*"unusable":null'; then
    echo "skipped: no GLES device"
    [ "${ESKER_REQUIRE_DEVICE:-0}" = 1 ] && exit 1
    exit 77
fi
passes=$(sed -nE 's/^    \{"([a-z_]+)", ESK_PHASE_.*/\1/p' "$here/../lib/compile/passes.c")
[ -n "$passes" ] || { echo "no passes found"; exit 1; }

# run SETTING: the names of models that fail.
run() {
    "$tool" test --provider GLCompute --strict ${list:+--list "$list"} ${1:+--set "$1"} \
        "$folder" 2>/dev/null | sed -nE 's/^(FAIL|ERROR|UNSUPPORTED) ([^:]*):.*/\2/p' | sort
}
known=$(run "")
broken=0
for setting in $(printf 'disabledOptimizers=%s ' $passes) \
    graphOptimizationLevel={disabled,basic,extended}; do
    new=$(comm -13 <(echo "$known") <(run "$setting"))
    if [ -n "$new" ]; then
        echo "$setting: fails: $(echo $new)"
        broken=1
    else
        echo "$setting: passes"
    fi
done
exit $broken
