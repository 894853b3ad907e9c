#!/bin/bash
# `esker test` over a folder that may be absent. In: TOOL FOLDER (@zoo: $ESKER_ZOO) LIST (of
# names; "-FILE": all but those in FILE) and options of `esker test`. Out: what the tool
# prints; 77 when the folder is not there, or no GLES device for --provider GLCompute (a
# failure under ESKER_REQUIRE_DEVICE=1).
set -u
tool=$1 folder=$2 list=$3
shift 3
[ "$folder" != @zoo ] || folder=${ESKER_ZOO:-}
count() {
    [[ $list == -* ]] && echo all || grep -cvE '^ *(#|$)' "$list"
}
if [ ! -d "$folder" ]; then
    echo "skipped $(count) models: no folder ${folder:-(ESKER_ZOO is not set)}"
    exit 77
fi
usable='"provider":"GLCompute"[^}]*"unusable":null'
if [[ " $* " == *" GLCompute "* ]] &&
    ! "$tool" devices --json 2>/dev/null | grep -qE "$usable"; then
    echo "skipped $(count) models: no GLES device"
    [ "${ESKER_REQUIRE_DEVICE:-0}" = 1 ] && exit 1
    exit 77
fi
if [[ $list == -* ]]; then
    names=$(mktemp)
    trap 'rm -f "$names"' EXIT
    find -L "$folder" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort |
        grep -vxFf <(grep -vE '^ *(#|$)' "${list#-}") >"$names"
    list=$names
fi
"$tool" test "$@" --list "$list" "$folder"
