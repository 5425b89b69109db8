#include "app/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Signal handlers know nothing but the file's own variables. */
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    static const char note[] = "\nunet: stopping at the next safe place; once more to stop at once\n";

    const int saved = errno;

    (void)number;
    if (asked)
        _exit(130);
    asked = 1;
    if (write(STDERR_FILENO, note, sizeof note - 1) < 0)
        asked = 1; /* nobody listens: nothing to do about it */
    errno = saved;
}

void un_signals_install(void)
{
    struct sigaction a;

    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    sigemptyset(&a.sa_mask);
    a.sa_flags = SA_RESTART;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

int un_signals_cancelled(void *unused)
{
    (void)unused;
    return asked;
}
