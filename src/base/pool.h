/* Thread pool: one parallel region at a time. Each thread first takes the tasks of its share, which follow each other,
 * then what is left of others' shares.
 *
 * Work is cut by the problem, never by the number of workers: task i does the same thing whichever worker runs it, so
 * results do not depend on the thread count. `worker` (0..threads-1) only selects scratch memory. */
#ifndef UN_BASE_POOL_H
#define UN_BASE_POOL_H

#include "base/error.h"
#include "base/mem.h"

typedef struct un_pool un_pool;
typedef void (*un_task_fn)(void *arg, int64_t task, int worker);

/* threads 0: one for each processor this process may use (base/limits.h). threads 1 starts none. */
UN_NODISCARD unet_status un_pool_create(un_pool **out, un_mem *mem, int threads, unet_error *err);
void un_pool_destroy(un_pool *p);
int un_pool_threads(const un_pool *p); /* NULL: 1 */

/* Runs fn(arg, 0..tasks-1, worker) and returns when all are done. NULL pool: in order, on the caller's thread.
 * The caller's thread is worker 0. Not to be nested, and called by one thread at a time. Tasks run in the float mode of
 * base/float_mode.h; the caller's is restored. */
void un_pool_run(un_pool *p, un_task_fn fn, void *arg, int64_t tasks);

#endif
