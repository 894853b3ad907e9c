#!/bin/bash
# Counts the instructions of a replay (tests/replay_cost.c) a command, all of them: the null
# driver's own few as well. In: the program, the most a command may take. Out: the figure; 1 if
# it is more, 77 without valgrind.
set -u
program=$1 most=$2
says=$("$program") || exit 1
read -r commands _ replays _ <<<"$says"
command -v valgrind >/dev/null || { echo "no valgrind: instructions are not counted"; exit 77; }
log=$(valgrind --tool=callgrind --toggle-collect=replay --callgrind-out-file=/dev/null \
    "$program" 2>&1) || { echo "$log"; exit 1; }
count=$(sed -nE 's/.*Collected *: *([0-9]+).*/\1/p' <<<"$log")
[[ $count ]] || { echo "$log"; exit 1; }
each=$((count / commands / replays))
echo "a replay takes $each instructions a command, the limit is $most"
((each > 20)) || { echo "too few: nothing was measured"; exit 1; }
((each <= most))
