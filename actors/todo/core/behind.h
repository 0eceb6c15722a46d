/* What a site says about its lists when it may lack something: the member `behind` of a reply (docs/protocol.md),
 * and the header Hedgerow-Behind, a dictionary of RFC 9651: `changes=12, silent=("oslo" "rome")`; and `session`
 * with a 503, where no site in reach has what the session has seen. One thread. */
#ifndef GW_BEHIND_H
#define GW_BEHIND_H

#include <yyjson.h>

#include "actors/todo/core/call.h"
#include "base/err.h"

#define GW_BEHIND_HEADER "Hedgerow-Behind"
/* Of the site names that are told. */
#define GW_BEHIND_SITES_MAX 32u

/* Takes over what the reply @root says; of several pages of a list, the last one that says something counts.
 * What docs/protocol.md does not have is passed over. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_behind_take(struct gw_call *call, yyjson_val *root);
/* Says that it is the client's session that no site can go on with. */
void gw_behind_session(struct gw_call *call);
/* Adds the header, if there is something to say. */
void gw_behind_finish(struct gw_call *call);

#endif
