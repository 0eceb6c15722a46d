/* The feed's old end. Of the entries of all origins the newest `feed-max` stay, for others to catch up
 * with and for whoever wants to know what happened; a site that is alone needs none of them.
 *
 * Of a site that is alone the oldest go first in the order of names, because its later incarnations
 * are higher; an origin of an earlier boot whose entries are all gone is forgotten. In a group
 * what is left of origins that are gathered up (retire.h) goes first; then the origin goes whose first entry has
 * the oldest clock, up to where another's is older, so that what the group's floor has passed goes before what it
 * has not. Nothing of an origin goes that came before an earlier change of it, and no origin is forgotten.
 * Must not know: what the changes are. */
#ifndef DKV_FEED_H
#define DKV_FEED_H

#include "actors/kv/core/site/attempt.h"

/* Names and contents of all entries together. */
#define DKV_FEED_BYTES_MAX ((uint64_t)256 << 20)
/* So many too many may lie there, so that not every commit has to look for some. */
#define DKV_FEED_SLACK 64u
/* What a commit with @changes new entries can surely cut; more if it has room. */
#define DKV_FEED_CUT_OPS(changes) (2 * (changes) + 8)

/* Cuts what is too much, as part of @attempt. Errors: HR_CORRUPT, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_feed_cut(struct dkv_attempt *attempt, struct hr_diag *diag);

#endif
