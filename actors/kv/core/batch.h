/* The core's front door: messages in, replies out. By its subject a message is a client's (below), or
 * one of those between sites (route.h), which have files of their own. Consecutive writes of a batch go into one commit,
 * in their order, each seeing those before it; a message that is wrong fails alone. If the commit
 * is overtaken, all of them are done anew from what is there then. What does not go into one commit
 * goes into the next. When the commit is known to have been done, a site that is alone sends the
 * replies; one of a group hands them on to wait for other sites (ship.h). Errors that another site may
 * not have are refusals. What other sites' changes there are in the batch is applied after its writes. Consecutive reads are done out of one reading of the store, a few at a time.
 * One message is a batch of one. Nothing is kept between two calls. */
#ifndef DKV_BATCH_H
#define DKV_BATCH_H

#include "actors/kv/core/env.h"

/* Deals with @count messages, any number. Owns: borrows everything; @ret_handled has @count rows. */
void dkv_batch_handle(const struct dkv_env *env, const struct dkv_message *messages, size_t count,
                      struct dkv_handled *ret_handled);

#endif
