/* Changes that come in messages: from other sites as they happen, or pulled by this one. They are checked,
 * applied together, and each message is answered with what of it this site holds. An empty message of the
 * route APPLY only lets the sweep go on. Must not know: how changes are merged. */
#ifndef DKV_RECEIVE_H
#define DKV_RECEIVE_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/site/config.h"

/* Changes that are applied together. */
#define DKV_RECEIVE_CHANGES_MAX 2048u

/* Deals with the messages of @messages whose numbers are in @picked. ret_sweeps_on is set if there is
 * something to sweep, and left alone otherwise. Owns: borrows everything. */
void dkv_receive(const struct dkv_env *env, struct dkv_config *config,
                 const struct dkv_message *messages, const size_t *picked, size_t count,
                 struct dkv_handled *handled, bool *ret_sweeps_on);

#endif
