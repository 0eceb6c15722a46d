/* A subscription of an actor: what comes on a subject becomes calls of its message handlers.
 *
 * An ordinary inbox makes one call a message, many at a time (the lane's limit). All batch inboxes of an
 * actor, but for unordered ones, which have a queue each, share one queue, and there is one call at a time for it: what waits in it, whatever its subject, goes
 * together into the next call, in the order in which it came. What arrives while a call waits for the store is so
 * handled at the cost of one call, and writes that arrive while a commit is on its way
 * so do not make one another fail. An inbox with a period has no subscription: the host makes an empty
 * message each time it is over, unless the last one is still handled.
 *
 * A message that cannot be taken, or whose call fails, is answered with an error at once. One whose
 * requester has given up meanwhile is dropped, and a call does not outlive its requester's patience.
 *
 * One loop thread.
 */
#ifndef HR_INBOX_H
#define HR_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "host/run/worker.h"

#define HR_INBOX_BATCH_MAX 64u
#define HR_INBOX_WAITING_MAX 4096u
/* Of all messages of a queue, from their coming to the end of their call. */
#define HR_INBOX_BYTES_MAX ((size_t)64 << 20)
/* Of the messages of one batch; the first one goes in any case. */
#define HR_INBOX_BATCH_BYTES_MAX ((size_t)4 << 20)

struct hr_inbox_options {
    struct hr_str subject;
    struct hr_str queue;
    uint32_t batch; /* 0 = one call a message; else up to this many, at most HR_INBOX_BATCH_MAX */
    uint32_t every_ms; /* not 0: a period instead of a subscription */
    bool no_echo;      /* as in hr_bus_sub_options */
    bool unordered;    /* of a batch: a queue of its own */
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
