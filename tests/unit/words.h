/* The words that a choice of the configuration may take. */
#ifndef WORDS_H
#define WORDS_H

#include <string.h>

#include "config/config.h"

/* The n-th word of a choice, without auto; NULL: no more. */
static inline const char *word_of(const char *key, int n)
{
    const char *dot = strchr(key, '.');

    for (size_t i = 0; i < un_config_key_count(); i++) {
        un_config_key_info k;

        un_config_key(i, &k);
        if (strncmp(k.section, key, (size_t)(dot - key)) != 0 || strcmp(k.key, dot + 1) != 0)
            continue;
        for (size_t v = 0; v < k.value_count; v++)
            if (strcmp(k.values[v], "auto") != 0 && !n--)
                return k.values[v];
    }
    return NULL;
}

#endif
