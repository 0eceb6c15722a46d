/* The end of a state transfer (fill.h): what the donor had is what this site has, and now says so. Must not
 * know: messages, records. */
#ifndef DKV_CLOSE_H
#define DKV_CLOSE_H

#include "actors/kv/core/site/attempt.h"
#include "actors/kv/core/transfer/sync.h"

/* Adds a part of the end to @attempt: the marks, and as many origins as there is room for. ret_done: nothing is
 * left after it, and m/sync may go with it. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_close_step(struct dkv_attempt *attempt, const struct dkv_sync *sync,
                                         bool *ret_done, struct hr_diag *diag);

#endif
