/* The steady clock of the machine. */
#ifndef UN_BASE_CLOCK_H
#define UN_BASE_CLOCK_H

/* Seconds since some moment that stays the same while the process runs. */
double un_clock_s(void);

#endif
