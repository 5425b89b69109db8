/* A program outside the tree: sees the installed headers alone. */
#include <stdio.h>
#include <string.h>

#include <unet/unet.h>

int main(void)
{
    unet_context *context;
    unet_config *config;
    unet_error err;
    unet_status st = unet_context_create(&context, NULL, &err);

    if (!st) {
        st = unet_config_create(&config, context, &err);
        if (!st)
            st = unet_config_set(config, "model.depth=3", &err);
        unet_config_destroy(config);
        unet_context_destroy(context);
    }
    if (st)
        printf("%s\n", err.message);
    else
        puts(strcmp(unet_version(), "") ? "ok" : "no version");
    return st != UNET_OK;
}
