/* Checkpoints, and the cutting back of logs. */
#include "fuzz.h"

#include "train/checkpoint.h"
#include "train/runlog.h"

int un_fuzz_one(const uint8_t *data, size_t size)
{
    un_checkpoint c;
    unet_error err;

    if (un_runlog_cut((const char *)data, size, 7) > size)
        __builtin_trap();
    if (un_checkpoint_view(&c, NULL, data, size, "fuzz", &err))
        return 0;
    for (int b = 0; b < UN_BLOCK_COUNT; b++) {
        float *block = un_alloc_array(NULL, (size_t)c.graph->block_count, sizeof *block);

        if (block && !un_checkpoint_read(&c, (un_block)b, block, &err) && !c.has[b])
            __builtin_trap();
        un_free(block);
    }
    un_checkpoint_close(&c);
    return 0;
}
