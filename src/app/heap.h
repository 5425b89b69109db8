/* How the programs take memory from the system. */
#ifndef UN_APP_HEAP_H
#define UN_APP_HEAP_H

/* Blocks of a quarter of a MiB and more go back to the system when they are freed, so that a process holds what is in
 * use and not what once was. First thing in main. */
void un_heap_settle(void);

#endif
