# What bench/record.sh and bench/start.sh share; they set `work`, a folder of their own.
export LC_ALL=C

# The name of this processor's results, as machine.slug in bench/peers/machine.py makes it.
cpu_slug() {
    awk -F' *\t*: *' '!($1 in seen) {seen[$1] = $2}
        END {print seen["model name"] " f" seen["cpu family"] " m" seen["model"] " s" seen["stepping"]}' /proc/cpuinfo |
        tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9]+/-/g; s/^-|-$//g'
}

# store KIND: the table on standard input goes to bench/results/CPU-KIND.tsv (RESULTS: another folder), each row with
# the last commit of the sources and the day; rows of the same cases there are replaced, others stay.
store() {
    local file
    file=${RESULTS:-bench/results}/$(cpu_slug)-$1.tsv
    awk -v last="$(git log -1 --format=%h -- src)" -v day="$(date +%F)" \
        'NR == 1 {print $0 "\tcommit\tdate"; next} {print $0 "\t" last "\t" day}' >"$work/new"
    [ -f "$file" ] || head -n 1 "$work/new" >"$file"
    {
        head -n 1 "$work/new"
        awk -F'\t' 'FNR == NR {if (FNR == 1) head = $0; new[$1]; next}
            FNR == 1 && $0 != head {exit} FNR > 1 && !($1 in new)' "$work/new" "$file" |
            cat - <(tail -n +2 "$work/new") | sort -s -t "$(printf '\t')" -k 1,1
    } >"$file.new"
    mv "$file.new" "$file"
    echo "$file: python3 bench/peers/report.py shows it in docs/benchmarks.md" >&2
}

# create FILE FILTERS: a U-Net with random weights for pictures of three channels, ready for unet predict.
create() {
    build/bench/ours create "$1" model.dims=2 model.in_channels=3 model.classes=2 model.depth=4 \
        model.base_filters="$2" model.norm=batch model.head=softmax train.seed=1 'train.patch=[256,256]' \
        data.colour=rgb 'data.classes=[ground,object]' data.normalise=percentile data.scale=1
}
picture=examples/nuclei/images/00071198d059ba7f5914a526d124d28e6d010c92466da21d4a04cd5413362552.png # 256x256

# predict MODEL OPTION...: milliseconds and KiB of a process that predicts the picture.
predict() {
    build/bench/process build/src/cli/unet predict "$1" "$picture" -o "$work/masks" --threads 1 --quiet "${@:2}"
}

median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
least() { sort -g | head -n 1; }
mib() { awk '$2 > most {most = $2} END {printf "%.1f", most / 1024}'; } # the most of what predict printed

# A folder of its own, in memory where there is one.
make_work() {
    if [ -d /dev/shm ]; then work=$(mktemp -d -p /dev/shm); else work=$(mktemp -d); fi
    trap 'rm -rf "$work"' EXIT
    export XDG_CACHE_HOME=$work/cache
}
