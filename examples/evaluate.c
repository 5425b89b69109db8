/* Scores a model on labelled pictures.
 *
 *     cc evaluate.c $(pkg-config --cflags --libs unet) -o evaluate
 *     ./evaluate cells.safetensors cells/ test [report/]
 *
 * Prints the scores of the foreground beside those of a threshold, and writes report/ when it is named. */
#include <stdio.h>

#include <unet/unet.h>

int main(int argc, char **argv)
{
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_context *context = NULL;
    unet_eval_result r;
    unet_error err;
    unet_status st;

    if (argc < 4) {
        fprintf(stderr, "usage: evaluate MODEL.safetensors DATA SPLIT [REPORT-FOLDER]\n");
        return 2;
    }
    o.model = argv[1];
    o.data = argv[2];
    o.split = argv[3];
    o.out_dir = argc > 4 ? argv[4] : NULL;
    st = unet_context_create(&context, NULL, &err);
    if (!st)
        st = unet_eval(context, &o, &r, NULL, NULL, &err);
    unet_context_destroy(context);
    if (st) {
        fprintf(stderr, "evaluate: %s: %s\n", err.where, err.message);
        return 1;
    }
    printf("%d pictures\n", r.pictures);
    printf("mean Dice   %.4f, of a threshold %.4f\n", r.dice_mean, r.floor_dice_mean);
    printf("pooled IoU  %.4f, of a threshold %.4f\n", r.iou_pooled, r.floor_iou_pooled);
    return 0;
}
