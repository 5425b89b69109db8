# docs/rows.md behind accuracy/rows-head.txt, from accuracy/rows.tsv (first file) and the queue of accuracy/rows.sh (the
# second: list, name, keys), whose order is that of the registries.
function line_of(name, keys, key,    f) {
    if (!(key in row)) return "| " name " | `" keys "` | not run yet | | | | |"
    split(row[key], f, "\t")
    if (f[11] != "-") return "| " name " | `" keys "` | not trained: " f[11] " | | | | |"
    return "| " name " | " (keys == "-" ? "" : "`" keys "`") " | " f[4] " | " f[5] " | " f[6] " | " \
        sprintf("%.3f", f[7]) " | " f[8] " |"
}
function table(list,    i) {
    print ""
    print "## " (list == "defaults" ? "The defaults, with three seeds" : toupper(substr(list, 1, 1)) substr(list, 2))
    print ""
    print "| row | what is set | steps | loss at the start | at the end | Dice | ms a step |"
    print "|---|---|--:|--:|--:|--:|--:|"
    for (i = 1; i <= n; i++) if (list_of[i] == list) print line_of(name_of[i], keys_of[i], key_of[i])
    if (list == "defaults" && floor != "") print "| " floor_name ", no training | | | | | " sprintf("%.3f", floor) " | |"
}
FNR == NR {
    if ($1 == "floor") { floor_name = $2; floor = $7 }
    else if (!/^#/) row[$1 "\t" $2 "\t" $3] = $0
    next
}
{
    n++
    list_of[n] = $1; name_of[n] = $2; keys_of[n] = $3; key_of[n] = $1 "\t" $2 "\t" $3
    if (!($1 in seen)) { seen[$1] = 1; lists[++n_lists] = $1 }
    if (!(key_of[n] in row)) next
    split(row[key_of[n]], f, "\t")
    where = f[9] ", commit " f[10]
    if (!(where in ran)) places[++n_places] = where
    ran[where]++
    if (f[11] != "-") { refused++; next }
    trained++
    if (f[6] + 0 < f[5] + 0) fell++
    if ($1 == "defaults") {
        if (low == "" || f[7] < low) low = f[7]
        if (high == "" || f[7] > high) high = f[7]
    }
}
END {
    print ""
    print "    unet train examples/nuclei -o MODEL " common " WHAT_IS_SET"
    print "    unet eval MODEL examples/nuclei --split test"
    print ""
    for (i = 1; i <= n_places; i++) print "* " ran[places[i]] " runs on " places[i] "."
    printf "* %d runs trained, in %d of them the loss fell; %d refused. ", trained, fell, refused
    printf "Defaults with three seeds: Dice %.3f to %.3f.\n", low, high
    for (i = 1; i <= n_lists; i++) table(lists[i])
}
