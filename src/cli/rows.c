#include "cli/rows.h"

#include "app/context.h"

const char *const un_cli_without_time[] = {"train.epochs", "train.steps", NULL};
const char *const un_cli_without_epochs[] = {"train.time", "train.steps", NULL};
const char *const un_cli_without_steps[] = {"train.time", "train.epochs", NULL};

unet_status un_cli_profile_begin(unet_profile **out, unet_context *c, const char *option, unet_error *err)
{
    *out = NULL;
    return option ? unet_profile_create(out, c, err) : UNET_OK;
}

unet_status un_cli_profile_end(unet_profile *p, const un_args *a, const char *option, unet_status st, unet_error *err)
{
    unet_error why;
    unet_status shown = UNET_OK;
    char *text = NULL;

    if (p && unet_profile_seconds(p) > 0) { /* the job may have been stopped, or have failed in part */
        shown = a->common.json ? unet_profile_json(&text, p, &why) : unet_profile_text(&text, p, 0, &why);
        un_app_print(text);
        if (!shown && *option)
            shown = unet_profile_write(p, option, &why);
    }
    unet_profile_destroy(p);
    if (st || !shown)
        return st;
    *err = why;
    return shown;
}
