#!/usr/bin/env bash
# The queue of `make rows` with two steps in place of hundreds: it knows each row of the registries, gives a loss the
# head it goes with, does nothing twice, keeps what was refused with its reason and nothing of what was killed; and the
# page of the project has a result for each row. rows.sh SOURCE-ROOT UNET
set -u
root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export UNET=$2 ROWS_RESULTS=$tmp/rows.tsv ROWS_PAGE=$tmp/page.md XDG_CACHE_HOME=$tmp/cache
. "$root/tests/results.sh"
rows() { ROWS_STEPS=2 "$root/accuracy/rows.sh" "$@" >"$tmp/out" 2>&1; }
last() { tail -n 1 "$tmp/out"; }
page_has() { grep -qF -- "$1" "$ROWS_PAGE" || echo "no '$1'"; }

names=$(for list in losses optimisers regularisers schedules; do "$UNET" list $list; done | grep -c '^[a-z]')
rows list
result lists_each_row "$([ "$(wc -l <"$tmp/out")" = $((names + 3)) ] || echo "$names names, $(wc -l <"$tmp/out") runs")"
result list_writes_nothing "$([ ! -e "$ROWS_RESULTS" ] || cat "$ROWS_RESULTS")"
rows defaults losses/bce
result trains "$([ $? = 0 ] && [ "$(wc -l <"$ROWS_RESULTS")" -ge 6 ] || last)"
result gives_a_head "$(page_has '| bce | `loss.terms=[bce] model.head=sigmoid` | 2 | 0.')"
result shows_the_floor "$(page_has "Otsu's threshold, no training")"
result names_the_rest "$(page_has '| lion | `optimiser.name=lion` | not run yet |')"
rows defaults losses/bce
result does_nothing_twice "$([ $? = 0 ] && [ ! -s "$tmp/out" ] || last)"

cat >"$tmp/stopped" <<STOPPED
#!/usr/bin/env bash
[ "\$1" != train ] || { echo '{"event":"error","message":"not on these data"}' >&2; exit \$CODE; }
exec "$UNET" "\$@"
STOPPED
chmod +x "$tmp/stopped"
CODE=137 UNET=$tmp/stopped rows losses/focal
result names_what_was_killed "$([ $? = 1 ] && grep -q 'FAIL losses focal (exit code 137)' "$tmp/out" || last)"
result keeps_nothing_of_it "$(page_has '| focal | `loss.terms=[focal]` | not run yet |')"
CODE=2 UNET=$tmp/stopped rows losses/focal
result keeps_a_refusal "$([ $? = 0 ] && page_has '| focal | `loss.terms=[focal]` | not trained: not on these data |')"

{
    head -n 1 "$ROWS_RESULTS"
    printf 'defaults\tseed 1\ttrain.seed=1\t2\t1\t0.5\t0.8000\t9\tcpu\taaa\t-\n'
    printf 'losses\tcldice\tloss.terms=[cldice]\t2\t1\t0.5\t0.2000\t9\tcpu\taaa\t-\n'
    printf 'losses\tdice\tloss.terms=[dice]\t2\t1\t1.5\t0.7500\t9\tcpu\tbbb\t-\n'
} >"$tmp/made" && mv "$tmp/made" "$ROWS_RESULTS"
rows list
result beside_dice "$(grep -qxF 'losses cldice: loss.terms=[dice,cldice]' "$tmp/out" || last)"
result alone_where_it_does "$(grep -F '[dice,dice]' "$tmp/out")"
rows table
result counts "$(page_has '3 runs trained, in 2 of them the loss fell; 0 refused.')"
ROWS_STEPS=3 "$root/accuracy/rows.sh" list >"$tmp/out" 2>&1
result other_steps_begin_anew "$([ "$(wc -l <"$tmp/out")" = $((names + 3)) ] || last)"

env -u ROWS_RESULTS -u ROWS_PAGE "$root/accuracy/rows.sh" list >"$tmp/out" 2>&1
result each_row_has_a_result "$(sed 's/$/: make rows/' "$tmp/out" | head -n 1)"
finish
