#include "app/progress.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/errors.h"

static const double LIVE_SECONDS = 0.1, PLAIN_SECONDS = 10;

void un_progress_begin(un_progress *p, FILE *to, const un_common *common)
{
    struct winsize w;

    *p = (un_progress){.to = to};
    if (common->quiet)
        p->mode = UN_PROGRESS_NONE;
    else if (common->json)
        p->mode = UN_PROGRESS_JSON;
    else if (isatty(fileno(to))) {
        p->mode = UN_PROGRESS_LIVE;
        p->columns = !ioctl(fileno(to), TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 80;
    } else
        p->mode = UN_PROGRESS_PLAIN;
}

static void add(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *buf, size_t size, const char *fmt, ...)
{
    const size_t n = strlen(buf);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf + n, size - n, fmt, ap);
    va_end(ap);
}

static void add_time(char *buf, size_t size, double seconds)
{
    const long s = (long)(seconds + 0.5);

    if (s >= 3600)
        add(buf, size, ", %ldh%02ldm left", s / 3600, s / 60 % 60);
    else if (s >= 60)
        add(buf, size, ", %ldm%02lds left", s / 60, s % 60);
    else
        add(buf, size, ", %lds left", s);
}

static void add_figure(char *buf, size_t size, const char *before, double v)
{
    if (isnan(v))
        add(buf, size, "%s-", before);
    else
        add(buf, size, "%s%.4f", before, v);
}

static void add_classes(char *buf, size_t size, const unet_progress *r)
{
    for (int k = 0; k < r->classes; k++) {
        add(buf, size, "%s%s", k ? ", " : "; ", r->class_name[k]);
        add_figure(buf, size, " ", r->class_dice[k]);
        add_figure(buf, size, "/", r->class_iou[k]);
    }
}

void un_progress_text(char *buf, size_t size, const unet_progress *r)
{
    const int training = !strcmp(r->phase, "train");

    snprintf(buf, size, "%s", r->phase);
    if (r->epoch >= 0)
        add(buf, size, ", epoch %.1f", r->epoch);
    if (r->total > 0)
        add(buf, size, ", %s%lld/%lld", training ? "step " : "", (long long)r->done, (long long)r->total);
    else if (r->done > 0)
        add(buf, size, ", %s%lld", training ? "step " : "", (long long)r->done);
    if (!isnan(r->loss))
        add(buf, size, ", loss %.4f", r->loss);
    if (!isnan(r->dice))
        add(buf, size, ", Dice %.4f", r->dice);
    if (!isnan(r->iou))
        add(buf, size, ", IoU %.4f", r->iou);
    if (r->per_second > 0)
        add(buf, size, ", %.1f%s/s", r->per_second, training ? " patches" : "");
    if (r->seconds_left >= 0 && isfinite(r->seconds_left))
        add_time(buf, size, r->seconds_left);
    if (r->item)
        add(buf, size, ", %s", r->item);
    if (r->classes > 1)
        add_classes(buf, size, r);
}

static void json_number(FILE *to, const char *key, double v)
{
    if (isfinite(v) && v != -1)
        fprintf(to, ",\"%s\":%.9g", key, v);
}

static void show_classes(FILE *to, const unet_progress *r)
{
    fputs(",\"classes\":[", to);
    for (int k = 0; k < r->classes; k++) {
        fputs(k ? ",{\"name\":" : "{\"name\":", to);
        un_json_print(to, r->class_name[k]);
        json_number(to, "dice", r->class_dice[k]);
        json_number(to, "iou", r->class_iou[k]);
        fputc('}', to);
    }
    fputc(']', to);
}

static void show_json(FILE *to, const unet_progress *r)
{
    fputs("{\"event\":\"progress\",\"phase\":", to);
    un_json_print(to, r->phase);
    fprintf(to, ",\"done\":%lld", (long long)r->done);
    if (r->total >= 0)
        fprintf(to, ",\"total\":%lld", (long long)r->total);
    json_number(to, "epoch", r->epoch);
    json_number(to, "loss", r->loss);
    json_number(to, "dice", r->dice);
    json_number(to, "iou", r->iou);
    json_number(to, "learning_rate", r->learning_rate);
    json_number(to, "per_second", r->per_second);
    json_number(to, "seconds_left", r->seconds_left);
    json_number(to, "waiting", r->waiting);
    if (r->item) {
        fputs(",\"item\":", to);
        un_json_print(to, r->item);
    }
    if (r->classes > 0)
        show_classes(to, r);
    fputs("}\n", to);
}

/* Whether enough time has passed since the last print. */
static int is_due(un_progress *p, double seconds)
{
    struct timespec now;
    double passed;

    clock_gettime(CLOCK_MONOTONIC, &now);
    passed = (double)(now.tv_sec - p->last.tv_sec) + 1e-9 * (double)(now.tv_nsec - p->last.tv_nsec);
    if (p->last.tv_sec && passed < seconds)
        return 0;
    p->last = now;
    return 1;
}

/* Whether it says how far the work is and nothing that a reader would miss. */
static int only_counts(const unet_progress *r)
{
    return isnan(r->loss) && isnan(r->dice) && isnan(r->iou) && !r->item;
}

void un_progress_show(void *progress, const unet_progress *r)
{
    un_progress *p = progress;
    char line[4096];
    const int changed = strncmp(p->phase, r->phase, sizeof p->phase - 1) != 0;
    const int complete = r->total > 0 && r->done >= r->total;
    const int whole = p->mode == UN_PROGRESS_JSON && !only_counts(r);

    if (p->mode == UN_PROGRESS_NONE)
        return;
    if (changed)
        un_progress_end(p);
    snprintf(p->phase, sizeof p->phase, "%s", r->phase);
    if (!is_due(p, p->mode == UN_PROGRESS_PLAIN ? PLAIN_SECONDS : LIVE_SECONDS) && !changed && !complete && !whole)
        return;
    if (p->mode == UN_PROGRESS_JSON) {
        show_json(p->to, r);
        return;
    }
    un_progress_text(line, sizeof line, r);
    if (p->mode == UN_PROGRESS_PLAIN) {
        fprintf(p->to, "%s\n", line);
        return;
    }
    fprintf(p->to, "\r%.*s\033[K", p->columns - 1, line);
    fflush(p->to);
    p->open = 1;
}

void un_progress_end(un_progress *p)
{
    if (p->open)
        fputc('\n', p->to);
    p->open = 0;
    fflush(p->to);
}
