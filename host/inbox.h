/* A subscription of an actor: what comes on a subject becomes calls of its message handlers.
 *
 * An ordinary inbox makes one call a message, many at a time (the lane's limit). A batch inbox makes one
 * call for all that wait (up to its size), one call at a time: writes that arrive while a commit is on
 * its way go together into the next, which is what keeps them from failing one another. A message that
 * cannot be taken, or whose call fails, is answered with an error at once.
 *
 * One loop thread.
 */
#ifndef HR_INBOX_H
#define HR_INBOX_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "host/worker.h"

#define HR_INBOX_BATCH_MAX 64u
#define HR_INBOX_WAITING_MAX 4096u
/* Of all messages of an inbox, from their coming to the end of their call. */
#define HR_INBOX_BYTES_MAX ((size_t)64 << 20)

struct hr_inbox_options {
    struct hr_str subject;
    struct hr_str queue;
    uint32_t batch; /* 0 = one call a message; else up to this many, at most HR_INBOX_BATCH_MAX */
};

/* Subscribes. Copies the options. Errors: as hr_bus_subscribe; HR_UNSUPPORTED if the actor lacks
 * the handler. The worker keeps the inbox until hr_inbox_free_all. */
HR_MUST_CHECK enum hr_err hr_inbox_open(struct hr_worker *worker, struct hr_lane *lane,
                                        const struct hr_inbox_options *options);
/* All inboxes of the worker stop taking messages; what waits is still handled. */
void hr_inbox_stop_all(struct hr_worker *worker);
/* Frees them, stopped before; no call of theirs is in flight. */
void hr_inbox_free_all(struct hr_worker *worker);

#endif
