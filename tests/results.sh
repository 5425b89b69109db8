# For test scripts, which set $tmp first: TESTs that passed, failed or were skipped, and the closing line.
results=$tmp/verdicts
result() { # result NAME REASON: passed when there is no reason
    if [ -z "$2" ]; then echo "PASS $1"; else echo "FAIL $1: $2"; fi | tee -a "$results"
}
finish() { # ends the script
    awk '{n[$1]++} END {printf "%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]
        exit n["FAIL"] > 0}' "$results"
    exit
}
