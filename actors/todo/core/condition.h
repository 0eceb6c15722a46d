/* Preconditions of a request: If-Match and If-None-Match (RFC 9110 section 13). A malformed
 * If-Match is an error, since ignoring it could destroy what it protects; a malformed
 * If-None-Match is ignored, which costs a transfer at most on GET. One thread. */
#ifndef GW_CONDITION_H
#define GW_CONDITION_H

#include <stdbool.h>

#include "actors/todo/core/call.h"
#include "actors/todo/core/etag.h"
#include "base/err.h"

struct gw_conditions {
    struct gw_etags if_match;
    struct gw_etags if_none_match;
};

/* Reads both headers; answers with 400 if that cannot be done. A step of a call (call.h). */
HR_MUST_CHECK enum hr_err gw_conditions_read(struct gw_call *call,
                                             struct gw_conditions *ret_conditions);
/* Evaluates them against what is there, whose strong entity tag is "@opaque": answers with 412, or
 * for GET and HEAD by making the response, which must be complete, a 304. A step of a call. */
HR_MUST_CHECK enum hr_err gw_conditions_check(struct gw_call *call,
                                              const struct gw_conditions *conditions,
                                              struct hr_str opaque);
/* For a write on the whole list, which no tag can protect: lets only `If-Match: *` through and
 * answers anything else with 412. A step of a call. */
HR_MUST_CHECK enum hr_err gw_conditions_check_list(struct gw_call *call);
/* Whether the kv actor can evaluate them by itself: no If-None-Match, and an If-Match that is
 * absent, "*", or one strong tag that can be a version. */
bool gw_conditions_are_simple(const struct gw_conditions *conditions);
/* The version that simple conditions want: empty if any will do. */
struct hr_str gw_conditions_version(const struct gw_conditions *conditions);

#endif
