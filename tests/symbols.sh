#!/bin/bash
# Names: the shared library exports esk_* only, and just what its headers declare; the
# static one defines nothing else either (but for protobuf's). In: LIBESKER.SO LIBESKER.A.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
shared=$1 static=$2 failed=0

# complain RULE: each line of stdin is a name that breaks it.
complain() {
    local name
    while IFS= read -r name; do
        echo "$1: $name"
        failed=1
    done
}
exported=$(nm -D --defined-only "$shared" | awk '{print $3}' | sed 's/@.*//' |
    grep -vE '^(__asan|__odr_asan|__ubsan|__start|__stop|__bss|_(init|fini|edata|end)$)' |
    sort -u)
complain 'exported without the prefix esk_' < <(grep -v '^esk_' <<<"$exported")
declared=$(cat include/esker/*.h | tr '\n' ' ' | grep -oE 'ESK_API[^;{]*\(' |
    grep -oE 'esk_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u)
complain 'exported but in no public header' < <(
    comm -23 <(grep '^esk_' <<<"$exported") <(echo "$declared"))
complain 'declared but not exported' < <(comm -13 <(echo "$exported") <(echo "$declared"))
complain 'defined without the prefix esk_' < <(
    nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 {print $3}' |
        grep -vE '^(esk_|esker__onnx__|__asan|__odr_asan|__ubsan)' | sort -u)
echo "$(wc -l <<<"$exported") names exported"
exit $failed
