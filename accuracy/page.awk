# docs/accuracy.md behind accuracy/head.txt, from accuracy/sets.tsv (first file) and results of accuracy/run.sh (the others).
function verdict(v, bar) { return v >= bar ? "yes" : "no" }
# All figures of one result against a column of bars: "yes" when each is met.
function met(r, bars,    i) {
    for (i = 1; i <= figures; i++)
        if (fset[i] == rset[r] && verdict(value[r, i], bars[i]) == "no") return "no"
    return "yes"
}
# Three digits; four, cut, where three would look like a bar that is not met.
function hidden(v, bar) { return verdict(v, bar) == "no" && verdict(sprintf("%.3f", v) + 0, bar) == "yes" }
function figure(v, i) {
    return hidden(v, must[i]) || hidden(v, aim[i]) ? sprintf("%.4f", int(v * 10000) / 10000) : sprintf("%.3f", v)
}
function shown(r,    i, s) {
    for (i = 1; i <= figures; i++)
        if (fset[i] == rset[r]) s = s (s == "" ? "" : " / ") figure(value[r, i], i)
    return s
}
function newer(a, b) { return rdate[a] > rdate[b] || (rdate[a] == rdate[b] && rfile[a] > rfile[b]) }
# Results of a set and budget, newest first, at[1..n].
function pick(set, budget, at,    r, n, i, t) {
    n = 0
    for (r = 1; r <= results; r++)
        if (rset[r] == set && rbudget[r] == budget) {
            at[++n] = r
            for (i = n; i > 1 && newer(at[i], at[i - 1]); i--) { t = at[i]; at[i] = at[i - 1]; at[i - 1] = t }
        }
    return n
}
# Mean and range over the seeds, of each its newest result: one text for each figure.
function over_seeds(set, n, at,    i, k, m, lo, hi, sum, s, seen) {
    for (i = 1; i <= figures; i++) {
        if (fset[i] != set) continue
        m = sum = 0
        delete seen
        for (k = 1; k <= n; k++) {
            if (seen[rseed[at[k]]]++) continue
            v = value[at[k], i]
            lo = !m || v < lo ? v : lo
            hi = !m || v > hi ? v : hi
            sum += v
            m++
        }
        s = s (s == "" ? "" : " / ") figure(sum / m, i) " (" figure(lo, i) " to " figure(hi, i) ", " m " seeds)"
    }
    return s
}
function bars_of(set, bars,    i, s) {
    for (i = 1; i <= figures; i++)
        if (fset[i] == set) s = s (s == "" ? "" : " / ") sprintf("%.2f", bars[i])
    return s
}
function labels_of(set,    i, s) {
    for (i = 1; i <= figures; i++)
        if (fset[i] == set) s = s (s == "" ? "" : " / ") label[i]
    return s
}
function section(set,    b, n, k, r, at) {
    print ""
    print "## " set
    print ""
    print note[set]
    print ""
    print "`unet train " set " -o MODEL --time " minutes[set] "m --seed N" (keys[set] == "-" ? "" : " " keys[set]) \
        "`, then `unet eval MODEL " set " --split val`."
    print ""
    print "| budget | seed | " labels_of(set) " | must | aim | minutes | steps | filters | patch | batch | MiB (stated) | trained on |" \
        " scored | CPU | commit | kernels | date |"
    print "|---|--:|---|---|---|--:|--:|--:|---|--:|---|--:|--:|---|---|---|---|"
    for (b = 1; b <= 2; b++) {
        n = pick(set, budget[b], at)
        for (k = 1; k <= n; k++) {
            r = at[k]
            print "| " budget[b] " | " rseed[r] " | " shown(r) " | " met(r, must) " | " met(r, aim) " | " \
                rminutes[r] " of " rallowed[r] " | " rrest[r]
        }
    }
}
FNR == NR {
    if (split($0, f, "\t") && f[1] == "figure") {
        figures++
        fset[figures] = f[2]; minutes[f[2]] = f[3]; keys[f[2]] = f[4]; label[figures] = f[5]
        must[figures] = f[8]; aim[figures] = f[9]
        if (!(f[2] in known)) { sets++; known[f[2]] = 1; set_at[sets] = f[2] }
    } else if (f[1] == "note") note[f[2]] = f[3]
    next
}
FNR == 1 { results++; rfile[results] = FILENAME; text[results] = "" }
{ text[results] = text[results] $0 " " }
END {
    budget[1] = "full"; budget[2] = "quarter"
    for (r = 1; r <= results; r++) {
        t = text[r]
        rset[r] = value_of(t, "set"); rbudget[r] = value_of(t, "budget"); rseed[r] = value_of(t, "seed")
        rdate[r] = value_of(t, "date"); rkernels[r] = value_of(t, "kernels")
        rminutes[r] = value_of(t, "minutes"); rallowed[r] = value_of(t, "minutes_allowed")
        for (i = 1; i <= figures; i++) if (fset[i] == rset[r]) value[r, i] = value_of(t, label[i])
        rrest[r] = value_of(t, "steps") " | " value_of(t, "filters") " | " value_of(t, "patch") " | " \
            value_of(t, "batch") " | " value_of(t, "mib") " (" value_of(t, "mib_stated") ") | " value_of(t, "training_pictures") " | " value_of(t, "scored_pictures") " | " \
            value_of(t, "cpu") ", " value_of(t, "cpu_level") ", " value_of(t, "threads") " threads | " \
            value_of(t, "commit") " | " rkernels[r] " | " rdate[r] " |"
    }
    print "| set | figure | must | aim | full, newest | must | aim | quarter, newest |"
    print "|---|---|---|---|---|---|---|---|"
    for (s = 1; s <= sets; s++) {
        set = set_at[s]
        n = pick(set, "full", at)
        m = pick(set, "quarter", bt)
        print "| " set ", " minutes[set] " min | " labels_of(set) " | " bars_of(set, must) " | " bars_of(set, aim) \
            " | " (n ? shown(at[1]) " | " met(at[1], must) " | " met(at[1], aim) : "not run | - | -") " | " \
            (m ? over_seeds(set, m, bt) : "not run") " |"
    }
    for (s = 1; s <= sets; s++) section(set_at[s])
}
