#include "cli/training.h"

#include <stdio.h>

#include "app/context.h"
#include "app/errors.h"
#include "app/progress.h"

static void print_json(const unet_train_result *r)
{
    printf("{\"steps\":%lld,\"seconds\":%.3f,\"loss\":%.6g,\"dice\":%.6g,\"iou\":%.6g,\"samples_per_s\":%.6g,"
           "\"waiting\":%.6g,\"stated_seconds\":%.3f,\"stated_bytes\":%llu,\"peak_bytes\":%llu}\n",
        (long long)r->steps, r->seconds, r->loss, r->dice, r->iou, r->samples_per_s, r->waiting, r->stated_seconds,
        (unsigned long long)r->stated_bytes, (unsigned long long)r->peak_bytes);
}

unet_status un_cli_train(const un_args *a, unet_context *c, unet_train_options *o, unet_error *err)
{
    un_progress progress;
    unet_train_result result;
    char *text = NULL;
    unet_status st;

    un_progress_begin(&progress, stderr, &a->common);
    o->progress = un_progress_show;
    o->progress_ctx = &progress;
    st = unet_train(c, o, &result, &text, err);
    un_progress_end(&progress);
    if (!st && a->common.json && o->find_rate)
        printf("{\"steps\":%lld,\"suggested_lr\":%.6g}\n", (long long)result.steps, result.suggested_lr);
    else if (!st && a->common.json && !o->dry_run)
        print_json(&result);
    else
        un_app_print(text);
    if (a->common.json && !o->dry_run)
        unet_string_free(text);
    return st;
}
