/* Results of requests with an id, so that a repeated request is harmless. A result is kept under the
 * opid, and named once more by the time it was kept, so that finding the expired ones is one short
 * scan. Every write takes some of them away. What failed was not done and is not kept.
 * Must not know: what the requests do. */
#ifndef DKV_RESULTS_H
#define DKV_RESULTS_H

#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/attempt.h"

#define DKV_PURGE_MAX 64u

/* Looks for the result of an earlier request with the same id. Errors: HR_NOT_FOUND;
 * HR_BAD_INPUT: it was another request; HR_CORRUPT; the store's. */
HR_MUST_CHECK enum hr_err dkv_results_find(struct dkv_attempt *attempt,
                                           const struct dkv_request *request,
                                           struct dkv_answer *ret_answer, struct hr_diag *diag);
/* Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_results_keep(struct dkv_attempt *attempt,
                                           const struct dkv_request *request,
                                           const struct dkv_answer *answer);
/* Keeps the result of another site's change with clock @made, unless it is older than results are
 * kept, or there is one already. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_results_keep_foreign(struct dkv_attempt *attempt,
                                                   const struct dkv_change *change,
                                                   const struct dkv_answer *answer,
                                                   struct hr_diag *diag);
/* Makes @change one of @request, so that any site that has it recognises the request. */
void dkv_results_identify(const struct dkv_request *request, struct dkv_change *change);
/* Takes expired results away, more than @count, which is how many may be added. */
HR_MUST_CHECK enum hr_err dkv_results_purge(struct dkv_attempt *attempt, size_t count,
                                            struct hr_diag *diag);

#endif
