#!/usr/bin/env bash
# Rules of the house that a machine can check; each is one test, and the closing line is that of a test program.
#   run.sh SOURCE-ROOT SHARED-LIBRARY [CC [CXX]]
set -u
export LC_ALL=C
root=$1 library=$2 cc=${3:-cc} cxx=${4:-c++}
cd "$root" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

find src include tests bench tools examples -name '*.[ch]' 2>/dev/null | sort >"$work/c"
grep -E '^(src|include)/' "$work/c" >"$work/library"
find . \( -name 'build*' -o -name .git -o -name demo -o -name corpus -o -name golden -o -name images -o -name masks \) \
    -prune -o -type f ! -name '*.png' ! -name '*.safetensors' -print | sed 's|^\./||' | sort >"$work/text"

# check NAME: the findings are on stdin, one a line; none means passed.
check() {
    local name=$1 found
    cat >"$work/found"
    found=$(wc -l <"$work/found")
    if [ "$found" -eq 0 ]; then
        echo "PASS $name" | tee -a "$work/results"
    else
        echo FAIL >>"$work/results"
        echo "FAIL $name: $(head -n 1 "$work/found")$([ "$found" -le 1 ] || echo ", and $((found - 1)) more")"
        sed -n '2,25s/^/     /p' "$work/found"
    fi
}
skip() {
    echo "SKIP $1: $2" | tee -a "$work/results"
}
# exempt RULE: drops findings whose first word (file or file:function) is listed for the rule.
exempt() {
    awk -v rule="$1" 'FNR == NR {if ($1 == rule) ok[$2] = 1; next}
        {k = $1; sub(/:$/, "", k)} !(k in ok)' tests/hygiene/exempt.txt -
}
# Code without comments, texts and characters; lines keep their numbers: `file:line:code`.
bare_code() {
    xargs awk '
    FNR == 1 {comment = 0}
    {
        out = ""
        line = $0
        while (line != "") {
            if (comment) {
                i = index(line, "*/")
                if (!i) break
                line = substr(line, i + 2)
                comment = 0
            } else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047/)) {
                token = substr(line, RSTART, 2)
                out = out substr(line, 1, RSTART - 1)
                if (token == "//") break
                if (token == "/*") {comment = 1; line = substr(line, RSTART + 2)}
                else {out = out " \"\" "; line = substr(line, RSTART + RLENGTH)}
            } else {
                out = out line
                break
            }
        }
        if (out ~ /[^ \t]/) print FILENAME ":" FNR ":" out
    }'
}
# calls NAMES: findings where one of the |-separated functions is called in the `file:line:code` of stdin.
calls() {
    grep -E "(^|[^A-Za-z0-9_.>])($1)[ ]*\(" | awk -F: '{print $1 ":" $2 ": " $3}'
}

# ---- layers ----
grep '^src/' "$work/library" | xargs grep -HoE '^ *# *include +"[^"]+"' |
    sed -E 's|^src/([^:]*): *# *include *"|\1 |; s|"$||' |
    awk '
    FNR == NR {
        if (/^#/ || !/:/) next
        folder = $1
        sub(/:$/, "", folder)
        known[folder] = 1
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^below\(/) {
                other = substr($i, 7, length($i) - 7)
                may[folder, other] = 1
                for (key in may) {
                    split(key, part, SUBSEP)
                    if (part[1] == other) inherited[part[2]] = 1
                }
                for (name in inherited) may[folder, name] = 1
                split("", inherited)
            } else may[folder, $i] = 1
        }
        next
    }
    {
        folder = $1
        sub(/\/[^\/]*$/, "", folder)
        while (!(folder in known) && folder ~ /\//) sub(/\/[^\/]*$/, "", folder)
        if (!(folder in known)) {print "src/" $1 ": its folder is not in layers.txt"; next}
        target = $2
        sub(/\/[^\/]*$/, "", target)
        own = target == folder || index(target, folder "/") == 1 || $2 == "unet/status.h"
        if (!own && !((folder, target) in may) && !((folder, $2) in may))
            print "src/" $1 ": " folder " may not include " $2
    }' tests/hygiene/layers.txt - | exempt layers | check layers

while read -r file; do # proves that each header stands alone
    own=${file#src/}
    own=${own%.c}.h
    [ -f "src/$own" ] || continue
    first=$(grep -m 1 -oE '^ *# *include +["<][^">]+' "$file" | sed 's/.*["<]//')
    [ "$first" = "$own" ] || echo "$file: its first include is $first, not its own header $own"
done < <(grep '^src/.*\.c$' "$work/library") | exempt own_header_first | check own_header_first

# ---- functions that are not ours to call ----
bare_code <"$work/c" >"$work/code"
calls 'strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|rand|srand|random|drand48|system|popen'\
'|tmpnam|mktemp|alloca|setlocale|localtime|gmtime|asctime|ctime' <"$work/code" | exempt banned | check banned_functions
grep -E '^src/' "$work/code" | grep -vE '^src/(app|cli)/' >"$work/inside"
calls 'exit|_exit|quick_exit|abort|raise|printf|vprintf|puts|putchar|perror|signal|sigaction|fork' <"$work/inside" |
    exempt library_silence | check library_never_prints_or_exits
grep -vE '^src/base/(mem|text)\.c' "$work/inside" |
    calls 'malloc|calloc|realloc|free|strdup|strndup|asprintf|aligned_alloc|posix_memalign|strtod|strtof|sscanf' |
    exempt through_base | check memory_and_numbers_through_base
# The C library's differ from version to version in the last bit; base/math.h has ours.
grep -vE '^src/base/math\.c' "$work/inside" |
    calls '(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|erf|erfc|atan2?|asin|acos|sinh|cosh|cbrt)f?' |
    exempt own_math | check own_math

# ---- sizes ----
xargs awk '
    FNR == 1 {inside = 0}
    /^[A-Za-z_].*[^;,]$|^[A-Za-z_].*,$/ {if (!inside) head = $0}
    /^\{/ {inside = 1; start = FNR; next}
    /^\}/ {
        if (inside && $0 ~ /^\}$/ && FNR - start - 1 > 100) {
            name = head
            sub(/\(.*/, "", name)
            sub(/.*[ *]/, "", name)
            print FILENAME ":" name ": " FNR - start - 1 " lines"
        }
        inside = 0
    }' <"$work/c" | exempt function_length | check functions_up_to_100_lines
grep '^src/\|^include/\|^tests/' "$work/c" | xargs wc -l | awk '$2 != "total" && $1 > 800 {print $2 ": " $1 " lines"}' |
    exempt file_length | check files_up_to_800_lines
grep -E '\.([ch]|inc|sh|build)$' "$work/text" | xargs awk '
    {s = $0; gsub(/[\200-\277]/, "", s)} # continuation bytes of UTF-8 take no column
    length(s) > 120 {print FILENAME ":" FNR ": " length(s) " columns"}' |
    exempt line_length | check lines_up_to_120_columns

# ---- text ----
grep -E '\.([ch]|inc|sh|py|md|build|def|txt)$' "$work/text" | grep -v '^examples/' | xargs awk '
    /[ \t]$/ {print FILENAME ":" FNR ": blanks at the end of the line"}
    /\r$/ {print FILENAME ":" FNR ": carriage return"}' | check no_trailing_blanks
xargs grep -nHE '(^|[^A-Za-z0-9_.])/([w]ork|[w]t|[h]ome|[r]oot|[f]arm|[t]mp/bash_)[/.]' <"$work/text" | cut -c 1-160 |
    check no_machine_paths
xargs grep -nHE '[T]ODO|[F]IXME|[X]XX|not [i]mplemented|[f]or now\b' <"$work/library" |
    exempt unfinished | check nothing_unfinished
grep '\.md$' "$work/text" | while read -r page; do # relative links of the pages
    grep -oE '\]\([^)#]+' "$page" | sed 's/^](//' | grep -vE '^[a-z]+:' | while read -r to; do
        [ -e "$(dirname "$page")/$to" ] || echo "$page: link to $to, which does not exist"
    done
done | check links_of_pages

# ---- the build knows every file ----
grep '^src/.*\.c$' "$work/library" | while read -r file; do
    dir=$(dirname "$file")
    while [ ! -f "$dir/meson.build" ] && [ "$dir" != . ]; do dir=$(dirname "$dir"); done
    grep -q "\b$(basename "$file" .c)\b" "$dir/meson.build" src/embed/meson.build ||
        echo "$file is not in $dir/meson.build"
done | exempt sources_are_built | check sources_are_built
find tests/unit -name 'test_*.c' | sort | while read -r file; do
    name=$(basename "$file" .c)
    grep -q "'${name#test_}'" tests/meson.build || echo "$file is not in tests/meson.build"
done | exempt tests_are_built | check tests_are_built

# ---- faults that `make mutate` plants: each text stands once in its file ----
while IFS= read -r line; do
    case $line in
    '@ '*) set -- ${line#@ } && file=$1 ;;
    '- '*) old=${line#- } && old=${old//'\n'/$'\n'} awk 'BEGIN {RS = "\001"}
        {
            at = index($0, ENVIRON["old"])
            rest = substr($0, at + length(ENVIRON["old"]))
            if (!at || index(rest, ENVIRON["old"])) print FILENAME ": " ENVIRON["old"]
        }' "$file" | head -n 1 ;;
    esac
done <tests/mutate/faults.txt | check faults_can_be_planted

# ---- what is installed ----
for header in include/unet/*.h; do
    printf '#include "unet/%s"\nint unet_header_probe;\n' "$(basename "$header")" >"$work/probe.c"
    $cc -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only "$work/probe.c" 2>"$work/log" ||
        echo "$header as C99: $(head -n 1 "$work/log")"
done | check public_headers_alone_in_c99
if echo 'int probe;' | $cxx -x c++ -fsyntax-only - 2>/dev/null; then
    for header in include/unet/*.h; do
        printf '#include "unet/%s"\nint unet_header_probe;\n' "$(basename "$header")" >"$work/probe.cpp"
        $cxx -std=c++11 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only "$work/probe.cpp" 2>"$work/log" ||
            echo "$header as C++11: $(head -n 1 "$work/log")"
    done | check public_headers_alone_in_cxx11
else
    skip public_headers_alone_in_cxx11 "no C++ compiler"
fi
nm -D --defined-only "$library" | awk '{print $NF}' | sed 's/@.*//' | sort -u >"$work/exported"
grep -vE '^unet_|^__odr_asan' "$work/exported" | sed 's/$/: exported, but no public name/' | check exported_names
bare_code < <(ls include/unet/*.h) | sed 's/^[^:]*:[0-9]*://' | tr '\n' ' ' | grep -oE 'UNET_API [^;{]*' |
    grep -oE '\bunet_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u >"$work/declared"
comm -23 "$work/declared" "$work/exported" | sed 's/$/: declared in include\/unet, but not exported/' |
    exempt declared_names_exist | check declared_names_exist
grep '^unet_' "$work/exported" | comm -13 "$work/declared" - |
    sed 's/$/: exported, but not declared in include\/unet/' | check exported_names_are_declared

awk '{n[$1]++} END {printf "%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]; exit n["FAIL"] > 0}' \
    "$work/results"
