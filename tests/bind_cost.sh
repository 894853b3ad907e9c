#!/bin/bash
# Counts the instructions of a new shape (tests/bind_cost.c). In: the program, the most it may
# take. Out: the figure; 1 if it is more, 77 without valgrind.
set -u
program=$1 most=$2
"$program" || exit 1
command -v valgrind >/dev/null || { echo "no valgrind: instructions are not counted"; exit 77; }
log=$(valgrind --tool=callgrind --toggle-collect=second_shape --callgrind-out-file=/dev/null \
    "$program" 2>&1) || { echo "$log"; exit 1; }
count=$(sed -nE 's/.*Collected *: *([0-9]+).*/\1/p' <<<"$log")
[[ $count ]] || { echo "$log"; exit 1; }
echo "a new shape takes $count instructions, the limit is $most"
((count > 100000)) || { echo "too few: nothing was measured"; exit 1; }
((count <= most))
