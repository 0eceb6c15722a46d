/* Processes that outlive whoever started them. One is known by its number and by when it began, so that a number
 * which the system has given to another process since is never signalled. Knows nothing of clouds. */
#ifndef CLI_CLOUDS_PROCESS_H
#define CLI_CLOUDS_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/diag.h"
#include "base/err.h"

struct clouds_process {
    pid_t pid;        /* 0: there is none */
    uint64_t started; /* clock ticks since the machine's start, as /proc has it */
};

/* Ended, and being waited for by nobody, counts as down. */
enum clouds_life { CLOUDS_DOWN, CLOUDS_STOPPED, CLOUDS_UP };

const char *clouds_life_name(enum clouds_life life);

struct clouds_spawn {
    const char *program; /* a path */
    char *const *argv;
    char *const *env;
    const char *folder; /* where it runs */
    const char *log;    /* what it prints goes to the end of this file */
};

/* Starts a process in a session of its own, with no open file but /dev/null and its log, and all signals at their
 * defaults. Errors: HR_NOT_FOUND (no such program or folder), HR_IO. */
HR_MUST_CHECK enum hr_err clouds_process_spawn(const struct clouds_spawn *spawn,
                                               struct clouds_process *ret_process,
                                               struct hr_diag *diag);

enum clouds_life clouds_process_life(struct clouds_process process);

/* Sends @sig to that very process. Errors: HR_NOT_FOUND (it is down), HR_DENIED, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_process_signal(struct clouds_process process, int sig);

/* Waits until one of them is down (HR_OK; at once if one is down already) or HR_TIMEOUT. Those with pid 0 are
 * left out; with none to watch it is a pause. Errors: HR_TIMEOUT, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_process_wait_any(const struct clouds_process *processes,
                                                  size_t count, uint32_t timeout_ms);
/* Waits until it is down. Errors: HR_TIMEOUT, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_process_wait(struct clouds_process process, uint32_t timeout_ms);

/* Milliseconds of the monotonic clock. */
uint64_t clouds_now_ms(void);

#endif
