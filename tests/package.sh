#!/bin/bash
# The installed tree as a user finds it: find_package(esker) and pkg-config each build
# tests/package/main.c, shared and static, and what they build runs; the tool and its manual page. In: BUILD VERSION CC and
# the GENERATOR that CMake is to use: a machine may have no other.
set -euo pipefail
build=$1 version=$2 cc=$3 generator=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cmake --install "$build" --prefix "$dir/tree" >"$dir/log" || { cat "$dir/log"; exit 1; }
mv "$dir/tree" "$dir/moved" # nothing in it may know where it was installed
pc=$(find "$dir/moved" -name esker.pc)
lib=$(dirname "$(dirname "$pc")")
wanted="$version: -0 -1 -2"

# try NAME PROGRAM: it runs and prints what it should.
try() {
    local got
    got=$(LD_LIBRARY_PATH=$lib "$2" 2>&1) || { echo "$1: fails: $got"; exit 1; }
    [ "$got" = "$wanted" ] || { echo "$1: prints '$got', not '$wanted'"; exit 1; }
}
cmake -G "$generator" -S "$here/package" -B "$dir/user" -DCMAKE_PREFIX_PATH="$dir/moved" \
    -DCMAKE_C_COMPILER="$cc" >"$dir/log" 2>&1 &&
    cmake --build "$dir/user" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
try "find_package, shared" "$dir/user/user_shared"
try "find_package, static" "$dir/user/user_static"

export PKG_CONFIG_PATH=$lib/pkgconfig
[ "$(pkg-config --modversion esker)" = "$version" ] || { echo "esker.pc: another version"; exit 1; }
"$cc" "$here/package/main.c" $(pkg-config --cflags --libs esker) -o "$dir/pc_shared"
try "pkg-config, shared" "$dir/pc_shared"
# the static library by pkg-config, which names what it needs itself
static=$(pkg-config --static --libs esker | sed 's/-lesker/-l:libesker.a/')
"$cc" "$here/package/main.c" $(pkg-config --cflags esker) $static -o "$dir/pc_static"
try "pkg-config, static" "$dir/pc_static"
# programs ask for MAJOR.MINOR: another minor version may have another ABI
soname=$(readelf -d "$dir/pc_shared" | sed -nE 's/.*NEEDED.*\[(libesker[^]]*)\]/\1/p')
[ "$soname" = "libesker.so.${version%.*}" ] || { echo "a program needs '$soname'"; exit 1; }
# the tool and its manual page, which has what --help has
tool=$(find "$dir/moved" -name esker -type f -perm -u+x)
man=$(find "$dir/moved" -path '*/man1/esker.1')
[ -x "$tool" ] && [ -s "$man" ] || { echo "no esker, or no esker.1"; exit 1; }
export LD_LIBRARY_PATH=$lib
[ "$("$tool" --version)" = "esker $version, library $version" ] || { echo "esker --version"; exit 1; }
for command in $("$tool" --help | awk '/^commands/ { on = 1; next } !NF { on = 0 } on { print $1 }'); do
    grep -q "^\.SS esker $command" "$man" || { echo "esker.1: no command $command"; exit 1; }
    for option in $("$tool" "$command" --help | awk '/^  --[a-z]/ { print $1 }'); do
        grep -qF "${option//-/\\-}" "$man" || { echo "esker.1: no $command $option"; exit 1; }
    done
done
for key in $("$tool" --help-options | awk '/^  [A-Za-z]/ { print $1 }'); do
    grep -q "^\.B $key\$" "$man" || { echo "esker.1: no option $key"; exit 1; }
done
echo "four programs print $wanted; the tool and its manual page are there"
