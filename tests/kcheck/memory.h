/* Between the parts of the harness; suites use kcheck.h. */
#ifndef UN_KCHECK_MEMORY_H
#define UN_KCHECK_MEMORY_H

#include <stdio.h>

#include "kcheck.h"

void kc_release_all(void);
void kc_guard_begin(void);
int kc_guard_intact(void); /* whether no gap of any tensor of the case changed since kc_guard_begin */
void kc_each(const un_view *v, void (*fn)(void *ctx, const int at[5]), void *ctx);

#endif
