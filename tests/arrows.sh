#!/bin/bash
# The rules of docs/design.md that a text search can check: which folder may include which
# (§3), what must never stand where. In: the tree. Out: one line a broken rule; 1 if any.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
broken=0

# report RULE: each line of stdin is a place that breaks it.
report() {
    local line
    while IFS= read -r line; do
        echo "$1: $line"
        broken=1
    done
}

op_names() {
    sed -nE 's/^ESK_OP[A-Z_]*\(([A-Za-z0-9_]+),.*/\1/p' lib/ops/ops.def
}

# arrow FOLDER ALLOWED…: quoted includes of FOLDER's files begin with one of these.
arrow() {
    local folder=$1 allowed
    shift
    allowed=$(IFS='|'; echo "$*")
    report "$folder may include only ${*/%//}" < <(
        grep -rnE --include='*.[ch]' '^ *# *include *"' "lib/$folder" |
            grep -vE "include *\"(esker|$allowed)/|^lib/ops/registry\.c:.*\"(ops|patterns)\.def\"")
}
arrow base base
arrow ir ir base
arrow recipes recipes ir base
arrow ops ops recipes ir base
arrow compile compile ir base
arrow cpu cpu ir base
arrow glcompute glcompute ir base
arrow run run compile front cpu glcompute ir base
report 'lib/front may include only front/ ir/ base/, and onnx.pb-c.h in front/onnx' < <(
    grep -rnE --include='*.[ch]' '^ *# *include *"' lib/front |
        grep -vE 'include *"(esker|front|ir|base)/|^lib/front/onnx/.*"onnx\.pb-c\.h"')
report 'lib/run sees of glcompute only its door' < <(
    grep -rn 'include "glcompute/' lib/run | grep -v '"glcompute/glcompute.h"')
report 'lib/glcompute must not know operators' < <(
    grep -rn 'include "ir/op\.h"' lib/glcompute)
report 'tools and examples may include only esker/ and headers of their own' < <(
    grep -rnE --include='*.[ch]' '^ *# *include *"' tools examples |
        while IFS= read -r line; do
            file=${line%%:*} header=${line#*\"} header=${header%%\"*}
            [[ $header == esker/* || -e ${file%/*}/$header ]] || echo "$line"
        done)
report 'public headers include only public headers' < <(
    grep -rnE '^ *# *include *"' include/esker | grep -v '"esker/')
report 'protobuf-c outside lib/front/onnx' < <(
    grep -rnE 'protobuf-c|onnx\.pb-c' lib tools examples --include='*.[ch]' |
        grep '# *include' | grep -v '^lib/front/onnx/')
report 'EGL, GLES or gbm outside lib/glcompute' < <(
    grep -rnE '# *include *<(EGL|GLES|GLES2|GLES3|gbm|KHR)' lib tools examples |
        grep -v '^lib/glcompute/')

report 'more than 1,000 lines' < <(
    find lib include tools examples tests glsl -name '*.[ch]' -o -name '*.glsl' -o \
        -name '*.sh' | while IFS= read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 1000 ] || echo "$file has $lines"
    done)
report 'group ids come from the prelude' < <(
    grep -rnE 'gl_(WorkGroupID|GlobalInvocationID|NumWorkGroups)' glsl |
        grep -v '^glsl/prelude\.glsl:' | grep -vE ':[0-9]+: *(//|\*|/\*)')
report 'mediump is emulated fp16' < <(
    grep -rnE '\b(mediump|lowp)\b' glsl | grep -vE ':[0-9]+: *(//|\*|/\*)')
report 'the library never ends the process or prints' < <(
    grep -rnE --include='*.[ch]' \
        '(^|[^_[:alnum:]])(abort|_?exit|v?f?printf|puts|fputs|putchar|perror) *\(' lib |
        grep -vE ':[0-9]+: *(\*|/\*|//)|format\(printf')
report 'the library has no constructors' < <(
    grep -rnE '__attribute__ *\(\( *(constructor|destructor)' lib)
report 'allocation passes through base/mem' < <(
    grep -rnE --include='*.[ch]' \
        '(^|[^_[:alnum:]])(malloc|calloc|realloc|strdup|free) *\(' lib |
        grep -vE '^lib/base/mem\.[ch]:|:[0-9]+: *(\*|/\*|//)')
report 'the runner and the providers know no operator by name' < <(
    names=$(op_names | paste -sd'|')
    grep -rnE "\"($names)\"" lib/run lib/glcompute lib/cpu)
report 'a choice by operator name outside lib/ops' < <(
    grep -rnE 'str(n|case)?cmp *\([^;]*op_type' \
        lib/compile lib/run lib/glcompute lib/cpu lib/ir lib/recipes)
report 'no gitignored file is committed' < <(
    git ls-files -ci --exclude-standard 2>/dev/null)
report 'generated files are not committed' < <(
    git ls-files 2>/dev/null | grep -E '\.pb-c\.[ch]$|(^|/)shaders\.c$')
report 'ops.def has each operator once' < <(
    op_names | sort | uniq -d)

[ $broken = 0 ] && echo 'all arrows hold'
exit $broken
