/* Ctrl-C and a request to end become a flag that long work asks for; the second one ends the program at once. */
#ifndef UN_APP_SIGNALS_H
#define UN_APP_SIGNALS_H

void un_signals_install(void);

/* Fits unet_context_options.cancel. */
int un_signals_cancelled(void *unused);

#endif
