#!/bin/bash
# Each public header alone, as C11 and as C++11, with every warning an error. In: CC, CXX.
# Out: one line a header that fails; C++ is skipped, aloud, where there is none.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
cc=${CC:-cc} cxx=${CXX:-c++} failed=0 checked=0
flags='-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude'
for header in include/esker/*.h; do
    name=${header#include/}
    for twice in "" "#include \"$name\""; do
        printf '#include "%s"\n%s\nextern int unused_;\n' "$name" "$twice" |
            $cc -std=c11 $flags -x c - || { echo "$name fails as C11"; failed=1; }
    done
    if command -v "$cxx" >/dev/null; then
        printf '#include "%s"\nextern int unused_;\n' "$name" |
            $cxx -std=c++11 $flags -x c++ - || { echo "$name fails as C++11"; failed=1; }
    fi
    checked=$((checked + 1))
done
command -v "$cxx" >/dev/null || echo "no C++ compiler: headers were checked as C11 only"
echo "$checked headers checked"
exit $failed
