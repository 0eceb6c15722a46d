/* Replies that wait for other sites. A commit's changes and the replies of its writes go into messages to
 * this site itself (SHIP), so that the lane of writes goes on while an invocation of its own hands the
 * changes to the other sites, counts who has them, and answers. Once every client has its answer, nothing
 * more is done: who has missed a change will ask for it.
 * Must not know: how writes are done. */
#ifndef DKV_SHIP_H
#define DKV_SHIP_H

#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/config.h"

/* The first round's time; each later one has twice as much, up to the second. */
#define DKV_ROUND_MS_FIRST 250u
#define DKV_ROUND_MS_MAX 1000u
#define DKV_ROUNDS_MAX 256u
/* From the beginning of one round to that of the next at least. */
#define DKV_PAUSE_MS 100u

/* One write of a commit. */
struct dkv_shipment {
    struct hr_str change;   /* as in the feed; empty: the feed no longer has it */
    struct hr_str reply_to; /* empty: nobody waits */
    const struct dkv_answer *answer;
};

/* Hands on what a commit did. ret_sent: how many of the first ones, if it fails. Owns: borrows
 * everything; what it makes lives in @arena. Errors: HR_NO_MEMORY, those of publishing. */
HR_MUST_CHECK enum hr_err dkv_ship_send(const struct dkv_env *env, const struct dkv_config *config,
                                        const struct dkv_shipment *shipments, size_t count,
                                        struct hr_arena *arena, size_t *ret_sent,
                                        struct hr_diag *diag);
/* Deals with a message of the route SHIP: ends when every client has an answer. Errors: HR_CORRUPT,
 * HR_UNSUPPORTED, HR_NO_MEMORY, those of publishing. */
HR_MUST_CHECK enum hr_err dkv_ship_deliver(const struct dkv_env *env, struct dkv_config *config,
                                           const struct dkv_message *message, struct hr_diag *diag);

#endif
