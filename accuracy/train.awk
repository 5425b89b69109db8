# docs/accuracy-train.md behind accuracy/train-head.txt, from accuracy/train.tsv (first file) and results of
# `accuracy/run.sh train` (the others). Sets of several folds are one method; it is compared with another by the pictures
# that both have scored, each by its mean over the seeds.
function method_of(set) { if (folded[set]) sub(/_[0-9]+$/, "", set); return set }
# "a": 1, "b": null of a result into sum and count of the method's pictures.
function take_pictures(text, key,    at, part, n, i, name, value) {
    at = index(text, "\"pictures\": {")
    if (!at) return
    text = substr(text, at + 13)
    sub(/}.*/, "", text)
    n = split(text, part, /, "/)
    for (i = 1; i <= n; i++) {
        name = part[i]; sub(/^"/, "", name); value = name
        sub(/": .*/, "", name); sub(/.*": /, "", value)
        if (value == "null" || value == "") continue
        if (!((key, name) in count)) { pictures_of[key]++; picture[key, pictures_of[key]] = name }
        sum[key, name] += value; count[key, name]++
    }
}
# A generator of its own, so that the page is the same everywhere: Park and Miller 1988.
function draw(n) { state = (state * 16807) % 2147483647; return int(state / 2147483647 * n) + 1 }
# "+0.05 (0.01 to 0.09, 46 pictures)": mean difference of two methods with its 95 % interval.
function difference(a, b,    n, i, k, d, all, total, mean, lo, hi, list) {
    n = all = 0
    for (i = 1; i <= pictures_of[a]; i++) {
        k = picture[a, i]
        if (!((b, k) in count)) continue
        d[++n] = sum[a, k] / count[a, k] - sum[b, k] / count[b, k]
        all += d[n]
    }
    if (n < 2) return "-"
    state = 20201
    for (k = 1; k <= 1000; k++) {
        total = 0
        for (i = 1; i <= n; i++) total += d[draw(n)]
        list[k] = total / n
        for (i = k; i > 1 && list[i] < list[i - 1]; i--) { mean = list[i]; list[i] = list[i - 1]; list[i - 1] = mean }
    }
    return sprintf("%+.3f (%+.3f to %+.3f, %d pictures)", all / n, list[25], list[976], n)
}
# Mean of a figure over folds and seeds, with the range over the seeds (of the means over folds).
function shown(m, budget, f,    s, n, all, lo, hi, v, seeds) {
    for (s in seed_seen) {
        if (!((m, budget, f, s) in figure_count)) continue
        v = figure_sum[m, budget, f, s] / figure_count[m, budget, f, s]
        lo = !n || v < lo ? v : lo; hi = !n || v > hi ? v : hi
        all += v; n++
    }
    if (!n) return "not run"
    return n > 1 ? sprintf("%.3f (%.3f to %.3f, %d seeds)", all / n, lo, hi, n) : sprintf("%.3f", all)
}
function each_figure(m, budget,    f, s) {
    for (f = 1; f <= figures_of[m]; f++) s = s (s == "" ? "" : " / ") shown(m, budget, f)
    return s
}
function section(group,    i, m, a) {
    print ""
    print "## " group
    print ""
    print note[group]
    print ""
    for (i = 1; i <= methods; i++) if (index(method[i], group "_") == 1) { m = method[i]; break }
    print "| what | keys | " labels[m] ": full | quarter | against | full: difference | quarter: difference |"
    print "|---|---|---|---|---|---|---|"
    for (i = 1; i <= methods; i++) {
        m = method[i]
        if (index(m, group "_") != 1) continue
        a = against[m]
        print "| " substr(m, length(group) + 2) ", " amount[m] " | `" keys[m] "` | " each_figure(m, "full") " | " \
            each_figure(m, "quarter") " | " (a == "-" ? "" : substr(a, length(group) + 2)) " | " \
            (a == "-" ? "" : difference(m SUBSEP "full", a SUBSEP "full")) " | " \
            (a == "-" ? "" : difference(m SUBSEP "quarter", a SUBSEP "quarter")) " |"
    }
}
FNR == NR {
    if (split($0, f, "\t") && f[1] == "figure") {
        folded[f[2]] = f[11] != "-"
        m = method_of(f[2])
        if (!(m in known)) { known[m] = 1; method[++methods] = m }
        if (f[14] != "-") folded[f[14]] = folded[f[2]]
        against[m] = f[14] == "-" ? "-" : method_of(f[14])
        keys[m] = f[4]; amount[m] = f[3] (f[3] ~ /steps$/ ? "" : " min")
        if (!((m, f[5]) in label_seen)) {
            label_seen[m, f[5]] = ++figures_of[m]
            labels[m] = labels[m] (labels[m] == "" ? "" : " / ") f[5]
            label[m, figures_of[m]] = f[5]
        }
    } else if (f[1] == "note") { groups++; group_at[groups] = f[2]; note[f[2]] = f[3] }
    next
}
FNR == 1 { results++; file[results] = FILENAME; text[results] = "" }
{ text[results] = text[results] $0 " " }
END {
    for (r = 1; r <= results; r++) { # of each run the newest counts
        key = value_of(text[r], "set") " " value_of(text[r], "budget") " " value_of(text[r], "seed")
        age = value_of(text[r], "date") " " file[r]
        if (!(key in newest) || age > newest_age[key]) { newest[key] = r; newest_age[key] = age }
    }
    for (r = 1; r <= results; r++) {
        t = text[r]
        set = value_of(t, "set"); budget = value_of(t, "budget"); seed = value_of(t, "seed")
        if (newest[set " " budget " " seed] != r || !(set in folded)) continue
        m = method_of(set)
        seed_seen[seed] = 1
        for (i = 1; i <= figures_of[m]; i++) {
            figure_sum[m, budget, i, seed] += value_of(t, label[m, i])
            figure_count[m, budget, i, seed]++
        }
        take_pictures(t, m SUBSEP budget)
        run[++runs] = "| " set " | " budget " | " seed " | " value_of(t, "minutes") " | " value_of(t, "steps") " | " \
            value_of(t, "filters") " | " value_of(t, "patch") " | " value_of(t, "cpu") ", " value_of(t, "cpu_level") ", " \
            value_of(t, "threads") " threads | " value_of(t, "commit") " | " value_of(t, "date") " |"
    }
    for (g = 1; g <= groups; g++) section(group_at[g])
    print ""
    print "## Runs"
    print ""
    print "| set | budget | seed | minutes | steps | filters | patch | CPU | commit | date |"
    print "|---|---|--:|--:|--:|--:|---|---|---|---|"
    for (r = 1; r <= runs; r++) print run[r]
}
