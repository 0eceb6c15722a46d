/* A request as it came, understood: its subject's and its body's meaning, and for a write what makes
 * it recognisable: the opid that goes into the feed, derived from its $request-id if it has one and
 * drawn at random otherwise, and a hash of all it says but for its session, which goes on between a request
 * and its repetition.
 * One arena. Must not know: the store. */
#ifndef DKV_REQUEST_H
#define DKV_REQUEST_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/body.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/subject.h"

struct dkv_request {
    size_t index; /* of the message that it came in */
    enum dkv_op op;
    struct hr_str key;
    struct dkv_listing listing;  /* of LIST */
    struct dkv_patch patch;      /* of SET, DEL and CLEAR */
    struct dkv_session *session; /* of any; NULL: the client keeps none */
    struct dkv_opid opid;
    unsigned char hash[DKV_HASH128_BYTES]; /* only with a $request-id */
};

/* Owns: borrows @message and puts the rest into @arena. ret_request->op is set as soon as the
 * subject is understood. Errors: HR_BAD_INPUT, HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_request_parse(const struct dkv_env *env,
                                            const struct dkv_message *message,
                                            struct hr_arena *arena, struct dkv_request *ret_request,
                                            struct hr_diag *diag);

#endif
