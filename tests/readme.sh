#!/bin/bash
# README.md's C programs compile as they are printed, without a warning, and run. In: the folder
# of libesker, test_readme_models, CC. Out: what they print; 77 without a device.
set -euo pipefail
build=$1 models=$2 cc=$3
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
awk -v dir="$dir" '/^```c$/ { block = dir "/" ++n ".txt"; next }
                   /^```/ { block = "" }
                   block { print > block }' README.md
[ -e "$dir/2.txt" ] && [ ! -e "$dir/3.txt" ] || { echo "README.md has not two programs in C"; exit 1; }
"$models" "$dir"

# program N: the block in a main that says what it made. Includes stay outside of it.
program() {
    printf '#include <esker/esker.h>\n#include <stdio.h>\n#include <stdbool.h>\n'
    if [ "$1" = 2 ]; then # "as above", and "yours"
        echo 'static int frames;'
        echo 'static bool read_frame(float *to) {'
        echo '    for (int i = 0; i < 512; i++) to[i] = 1;'
        echo '    return frames++ < 3; }'
    fi
    grep '^#include' "$dir/$1.txt" || true
    echo 'int main(void) {'
    [ "$1" = 1 ] || cat <<'END'
esk_error error = ESK_ERROR_INIT;
esk_env *env;
esk_session *session;
esk_env_create(NULL, &env, &error);
if (esk_session_create(env, "state.onnx", NULL, &session, &error) != ESK_OK) {
    fprintf(stderr, "%s\n", esk_error_message(&error));
    return 1;
}
END
    grep -v '^#include' "$dir/$1.txt"
    [ "$1" = 2 ] || echo 'printf("%g %g %g\n", scores[0], scores[1], scores[2]);'
    echo 'if (error.status) fprintf(stderr, "%s\n", esk_error_message(&error));'
    echo 'return error.status != ESK_OK; }'
}
for n in 1 2; do
    program $n >"$dir/$n.c"
    "$cc" -std=c11 -Wall -Wextra -Werror -Iinclude "$dir/$n.c" -L"$build" -lesker -o "$dir/$n"
    (cd "$dir" && LD_LIBRARY_PATH=$build:${LD_LIBRARY_PATH:-} ./$n) >"$dir/$n.out" ||
        { cat "$dir/$n.out"; echo "README.md, program $n fails"; exit 1; }
done
diff - "$dir/1.out" <<<"7 7 7"
diff - "$dir/2.out" < <(printf '%f\n' 1 2 3)
echo "two programs compile and run as printed"
