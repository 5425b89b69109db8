#include "base/profile.h"

#include <string.h>
#include <time.h>

enum { EVENTS_MAX = 1 << 16 };

struct un_profile {
    un_mem *mem;
    un_profile_row *row;
    int rows, room;
    un_profile_event *event; /* [EVENTS_MAX] */
    int events;
    int64_t lost;
    double origin, began, total; /* began 0: not running */
};

unet_status un_profile_create(un_profile **out, un_mem *mem, unet_error *err)
{
    un_profile *p = un_alloc_zero(mem, sizeof *p);

    *out = NULL;
    if (p)
        p->event = un_alloc_array(mem, EVENTS_MAX, sizeof *p->event);
    if (!p || !p->event) {
        un_profile_destroy(p);
        return un_fail_nomem(err, EVENTS_MAX * sizeof *p->event);
    }
    p->mem = mem;
    *out = p;
    return UNET_OK;
}

void un_profile_destroy(un_profile *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->rows; i++)
        un_free(p->row[i].name);
    un_free(p->row);
    un_free(p->event);
    un_free(p);
}

double un_profile_now(const un_profile *p)
{
    struct timespec t;

    if (!p)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void un_profile_start(un_profile *p)
{
    if (!p)
        return;
    p->began = un_profile_now(p);
    if (p->origin == 0)
        p->origin = p->began;
}

void un_profile_stop(un_profile *p)
{
    if (!p || p->began == 0)
        return;
    p->total += un_profile_now(p) - p->began;
    p->began = 0;
}

void un_profile_reset(un_profile *p)
{
    for (int i = 0; i < p->rows; i++) {
        p->row[i].runs = 0;
        p->row[i].ns = p->row[i].flops = p->row[i].bytes = 0;
    }
    p->events = 0;
    p->lost = 0;
    p->origin = p->began = p->total = 0;
}

static int is_kernel(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

int un_profile_row_of(un_profile *p, const char *part, const char *name, const char *kernel)
{
    un_profile_row *r;

    if (!p)
        return -1;
    for (int i = 0; i < p->rows; i++)
        if (!strcmp(p->row[i].part, part) && !strcmp(p->row[i].name, name) && is_kernel(p->row[i].kernel, kernel))
            return i;
    if (p->rows == p->room) {
        const int room = p->room ? 2 * p->room : 64;

        r = un_realloc(p->mem, p->row, (size_t)room * sizeof *r);
        if (!r)
            return -1;
        p->row = r;
        p->room = room;
    }
    r = &p->row[p->rows];
    *r = (un_profile_row){.part = part, .kernel = kernel, .name = un_strdup(p->mem, name)};
    return r->name ? p->rows++ : -1;
}

void un_profile_add(un_profile *p, int row, double began)
{
    const double ended = un_profile_now(p);

    if (!p || row < 0)
        return;
    p->row[row].ns += ended - began;
    if (p->events < EVENTS_MAX)
        p->event[p->events++] = (un_profile_event){row, began - p->origin, ended - began};
    else
        p->lost++;
}

void un_profile_count(un_profile *p, int row, double flops, double bytes)
{
    if (!p || row < 0)
        return;
    p->row[row].runs++;
    p->row[row].flops += flops;
    p->row[row].bytes += bytes;
}

void un_profile_span(un_profile *p, const char *part, const char *name, double began)
{
    const int row = un_profile_row_of(p, part, name, NULL);

    un_profile_add(p, row, began);
    un_profile_count(p, row, 0, 0);
}

double un_profile_total_ns(const un_profile *p)
{
    return p->total + (p->began > 0 ? un_profile_now(p) - p->began : 0);
}

const un_profile_row *un_profile_rows(const un_profile *p, int *count)
{
    *count = p->rows;
    return p->row;
}

const un_profile_event *un_profile_events(const un_profile *p, int *count, int64_t *lost)
{
    *count = p->events;
    *lost = p->lost;
    return p->event;
}
