#include "report/profile_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/size.h"
#include "report/table.h"

static const double SHOWN_SHARE = 0.95;

static int longer(const void *a, const void *b)
{
    const un_profile_row *const *x = a, *const *y = b;

    return ((*x)->ns < (*y)->ns) - ((*x)->ns > (*y)->ns);
}

/* A figure a second, in 1e9; NaN when there is none. */
static double giga(double figure, double ns)
{
    return figure > 0 && ns > 0 ? figure / ns : NAN;
}

static void add_row(un_table *t, double total_ns, const un_profile_row *r)
{
    un_table_real(t, total_ns > 0 ? 100 * r->ns / total_ns : NAN, 1);
    un_table_real(t, r->ns * 1e-6, 2);
    un_table_real(t, r->runs ? (double)r->runs : NAN, 0);
    un_table_real(t, giga(r->flops, r->ns), 1);
    un_table_real(t, giga(r->bytes, r->ns), 1);
    un_table_text(t, r->name);
    un_table_text(t, r->kernel ? r->kernel : "");
}

static void add_rest(un_table *t, double total_ns, double ns, const char *name)
{
    char text[64];
    const un_profile_row r = {.name = text, .ns = UN_MAX(ns, 0)};

    snprintf(text, sizeof text, "%s", name);
    add_row(t, total_ns, &r);
}

static void fill(un_table *t, const un_profile *p, const un_profile_row *const *row, int full)
{
    const double total = un_profile_total_ns(p);
    double sum = 0, shown = 0;
    char name[64];
    int count, short_ones = 0;

    (void)un_profile_rows(p, &count);
    for (int i = 0; i < count; i++)
        sum += row[i]->ns;
    for (int i = 0; i < count; i++)
        if (full || !row[i]->kernel || shown < SHOWN_SHARE * sum) {
            add_row(t, total, row[i]);
            shown += row[i]->ns;
        } else
            short_ones++;
    snprintf(name, sizeof name, "%d shorter rows", short_ones);
    if (short_ones)
        add_rest(t, total, sum - shown, name);
    add_rest(t, total, total - sum, "everything else");
}

unet_status un_profile_text(un_text *t, const un_profile *p, un_mem *mem, int full, unet_error *err)
{
    static const char *const head[] = {"%", "ms", "runs", "GFLOP/s", "GB/s", "layer or activity", "kernel"};
    const un_profile_row **sorted;
    un_table *table = NULL;
    int count;
    const un_profile_row *row = un_profile_rows(p, &count);
    unet_status st;

    sorted = un_alloc_array(mem, (size_t)UN_MAX(count, 1), sizeof *sorted);
    if (!sorted)
        return un_fail_nomem(err, (size_t)count * sizeof *sorted);
    for (int i = 0; i < count; i++)
        sorted[i] = &row[i];
    qsort(sorted, (size_t)count, sizeof *sorted, longer);
    st = un_table_create(&table, mem, head, UN_COUNT(head), 0, err);
    if (!st) {
        un_text_printf(t, "time: %.3f s\n", un_profile_total_ns(p) * 1e-9);
        fill(table, p, sorted, full);
        st = un_table_to_text(table, t, err);
    }
    un_table_destroy(table);
    un_free(sorted);
    return st;
}

/* ---- JSON ---- */

static void json_rows(un_text *t, const un_profile *p)
{
    int count;
    const un_profile_row *r = un_profile_rows(p, &count);

    for (int i = 0; i < count; i++, r++) {
        un_text_add(t, i ? ",\n{\"part\":" : "\n{\"part\":");
        un_text_json_string(t, r->part);
        un_text_add(t, ",\"name\":");
        un_text_json_string(t, r->name);
        un_text_add(t, ",\"kernel\":");
        if (r->kernel)
            un_text_json_string(t, r->kernel);
        else
            un_text_add(t, "null");
        un_text_printf(t, ",\"runs\":%lld,\"seconds\":", (long long)r->runs);
        un_text_json_number(t, r->ns * 1e-9);
        un_text_add(t, ",\"flops\":");
        un_text_json_number(t, r->flops);
        un_text_add(t, ",\"bytes\":");
        un_text_json_number(t, r->bytes);
        un_text_add(t, "}");
    }
}

/* Complete events ("X") with times in microseconds. */
static void json_events(un_text *t, const un_profile *p)
{
    int count, rows;
    int64_t lost;
    const un_profile_event *e = un_profile_events(p, &count, &lost);
    const un_profile_row *row = un_profile_rows(p, &rows);

    for (int i = 0; i < count; i++, e++) {
        un_text_add(t, i ? ",\n{\"name\":" : "\n{\"name\":");
        un_text_json_string(t, row[e->row].name);
        un_text_add(t, ",\"cat\":");
        un_text_json_string(t, row[e->row].part);
        un_text_printf(t, ",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f", e->at * 1e-3, e->ns * 1e-3);
        if (row[e->row].kernel) {
            un_text_add(t, ",\"args\":{\"kernel\":");
            un_text_json_string(t, row[e->row].kernel);
            un_text_add(t, "}");
        }
        un_text_add(t, "}");
    }
    un_text_printf(t, "],\n\"displayTimeUnit\":\"ms\",\"eventsLeftOut\":%lld", (long long)lost);
}

void un_profile_json(un_text *t, const un_profile *p, int trace)
{
    un_text_add(t, "{\"seconds\":");
    un_text_json_number(t, un_profile_total_ns(p) * 1e-9);
    un_text_add(t, ",\"rows\":[");
    json_rows(t, p);
    un_text_add(t, "]");
    if (trace) {
        un_text_add(t, ",\n\"traceEvents\":[");
        json_events(t, p);
    }
    un_text_add(t, "}\n");
}
