/* Trains a network from a program, with progress, messages, settings and a way to stop.
 *
 *     cc train.c $(pkg-config --cflags --libs unet) -o train
 *     ./train cells/ cells.safetensors train.time=10m model.base_filters=16
 *
 * The settings are those of `unet config`; what is left open is planned from the data. Ctrl-C stops: the state is
 * saved, and `unet train cells/ -o cells.safetensors --resume` goes on. */
#include <signal.h>
#include <stdio.h>

#include <unet/unet.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int is_stopped(void *ctx)
{
    (void)ctx;
    return stopped;
}

static void on_log(void *ctx, unet_log_level level, const char *text)
{
    (void)ctx;
    fprintf(stderr, "%s%s\n", level == UNET_LOG_WARN ? "warning: " : "", text);
}

/* Called after each step; unknown figures are NaN. */
static void on_progress(void *ctx, const unet_progress *p)
{
    (void)ctx;
    if (p->done % 10 == 0 || p->done == p->total)
        fprintf(
            stderr, "%s %ld of %ld, loss %.4f, Dice %.4f\n", p->phase, (long)p->done, (long)p->total, p->loss, p->dice);
}

static unet_status train(unet_context *context, int argc, char **argv, unet_error *err)
{
    unet_train_options o = UNET_TRAIN_OPTIONS_INIT;
    unet_config *config;
    char *summary = NULL;
    unet_status st = unet_config_create(&config, context, err);

    for (int i = 3; i < argc && !st; i++)
        st = unet_config_set(config, argv[i], err);
    o.data = argv[1];
    o.model = argv[2];
    o.config = config;
    o.overwrite = 1;
    o.progress = on_progress;
    if (!st)
        st = unet_train(context, &o, NULL, &summary, err);
    if (!st)
        fputs(summary, stdout);
    unet_string_free(summary);
    unet_config_destroy(config);
    return st;
}

int main(int argc, char **argv)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *context = NULL;
    unet_error err;
    unet_status st;

    if (argc < 3) {
        fprintf(stderr, "usage: train DATA MODEL.safetensors [key=value ...]\n");
        return 2;
    }
    signal(SIGINT, on_signal);
    o.log = on_log;
    o.cancel = is_stopped;
    st = unet_context_create(&context, &o, &err);
    if (!st)
        st = train(context, argc, argv, &err);
    unet_context_destroy(context);
    if (st)
        fprintf(stderr, "train: %s: %s\n", err.where, err.message);
    return st != UNET_OK;
}
