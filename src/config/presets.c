/* Named sets of values. */
#include "config/config.h"

#include <string.h>

#include "base/size.h"

static const un_preset table[] = {
#define UN_PRESET(name, help, paper, yaml) {name, help, paper, yaml},
#include "config/presets.def"
#undef UN_PRESET
};

size_t un_preset_count(void)
{
    return UN_COUNT(table);
}

const un_preset *un_preset_at(size_t i)
{
    return i < UN_COUNT(table) ? &table[i] : NULL;
}

unet_status un_config_preset(un_config *c, un_mem *mem, const char *name, unet_error *err)
{
    const char *names[UN_COUNT(table)], *near;

    for (size_t i = 0; i < UN_COUNT(table); i++) {
        if (!strcmp(table[i].name, name))
            return un_config_parse(c, mem, table[i].yaml, strlen(table[i].yaml), table[i].name, err);
        names[i] = table[i].name;
    }
    near = un_nearest(name, names, UN_COUNT(table));
    return un_fail_file(err, UNET_E_CONFIG, "preset", "no preset '%.40s'%s%s%s", name,
        near ? "; did you mean '" : "; `unet config presets` lists them", near ? near : "", near ? "'?" : "");
}
