#!/bin/bash
# Machines where something is missing: no EGL, no driver behind it, no OpenBLAS. What the tool says
# and where it computes. In: TOOL, a folder of models. Out: a line a fault; 77 without the model.
set -u
tool=$(realpath "$1") model=$2/mnist_8/model.onnx
[ -f "$model" ] || { echo "skipped: no $model"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/egl" "$dir/blas"
echo "not a library" | tee "$dir/egl/libEGL.so.1" >"$dir/blas/libopenblas.so.0"
broken=0
fault() { echo "$1"; broken=1; }
# without WHAT COMMAND…: the tool on a machine that lacks it; $out, $log and $code are what it gives.
without() {
    local what=$1
    shift
    case $what in
    egl | blas) out=$(LD_LIBRARY_PATH=$dir/$what "$tool" "$@" 2>"$dir/log") ;;
    # Mesa unloads a driver that fails, with the option tables that it leaves behind: under
    # sanitizers no suppression can name what is not there any more.
    driver) out=$(ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        GALLIUM_DRIVER=none_such LIBGL_ALWAYS_SOFTWARE=1 "$tool" "$@" 2>"$dir/log") ;;
    esac
    code=$? log=$(grep -v '^libEGL warning' "$dir/log")
}
# expect NAME CODE WORD…: the code, and each word in what was printed.
expect() {
    local name=$1 wanted=$2 word
    shift 2
    [ "$code" = "$wanted" ] || fault "$name: exit $code, not $wanted: $log"
    for word in "$@"; do
        grep -qF -- "$word" <<<"$out
$log" || fault "$name: no '$word' in: $out $log"
    done
}
for lacks in egl driver; do
    why='EGL_NOT_INITIALIZED (0x3001)'
    [ $lacks = egl ] && why='libEGL.so.1 cannot be loaded: '
    without $lacks devices --json
    if grep -q '"provider":"GLCompute"[^}]*"unusable":null' <<<"$out"; then
        echo "$lacks: a device is there all the same"
        continue
    fi
    grep -qF "$why" <<<"${out#*failed_rungs}" || fault "$lacks, --json: $out"
    expect "devices without $lacks" 0 '"provider":"CPU"'
    without $lacks devices
    expect "devices without $lacks" 0 "$why" 'CPU device 0'
    [ $lacks = egl ] || [ -e /dev/dri ] || expect "devices without $lacks" 0 'no node /dev/dri'
    grep -q 'No usable\|no usable' <<<"$out" || fault "devices without $lacks: $out"
    without $lacks run "$model" --values 1
    expect "run without $lacks" 0 'Plus214_Output_0 float[1,10]' "$why" \
        'warning: GLCompute has no device, the session runs on the CPU: '
    for how in "--strict" "--provider GLCompute" "--set strict=1"; do
        # shellcheck disable=SC2086 # two words
        without $lacks run "$model" $how
        expect "run $how without $lacks" 1 "$why" 'no usable OpenGL ES 3.1 device: '
    done
done
without blas run "$model" --provider CPU --values 1 --set intraOpNumThreads=2
expect "run without OpenBLAS" 0 'Plus214_Output_0 float[1,10]' \
    "option 'intraOpNumThreads' has no effect: there is no OpenBLAS"
without blas run "$model" --provider CPU --values 1
[ -z "$(grep warning <<<"$log")" ] || fault "without OpenBLAS: $log"
((broken)) || echo "without EGL, driver, BLAS: it is said, and computed on the CPU"
exit $broken
