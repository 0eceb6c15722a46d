/* The operator's view: requests that come through the host's admin address (ADMIN). Body and reply are one JSON
 * object each; the body has a "verb":
 *
 *   status   {"digest": bool}: what is known of each site; with "digest" all records are compared by digests
 *   verify   {"cursor": "..."}: a piece of the comparison of all sites key by key; "next" is the next
 *            cursor, null at the end
 *   repair   the same, and what differs is repaired, at every site that is active; with "rebuild": true this
 *            site takes everything anew from another one (transfer.h), and nothing else happens
 *   export   {"after": "<key>", "limit": n}: values; "next" is what to pass as "after", null at the end
 *   import   {"items": [{"key", "value"}, ...]}: each is written as wasmkv.set does it
 *   member-remove {"name": "<site>"}: the site, by its name or its id, is out of the group (fence.h)
 *
 * verify, repair without "rebuild" and export are refused (`unavailable`) while the site does not serve clients.
 * An error is {"site", "error": {"code", "message"}}.
 * Must not know: HTTP, tables. */
#ifndef DKV_OPERATOR_H
#define DKV_OPERATOR_H

#include "actors/kv/core/site/config.h"
#include "actors/kv/core/site/group.h"

#define DKV_OPERATOR_BODY_BYTES_MAX ((size_t)8 << 20)
#define DKV_OPERATOR_ITEMS_MAX 256u

/* Answers @message, of the route ADMIN. What fails is said in the answer. Errors: HR_NO_MEMORY, those of
 * publishing. */
HR_MUST_CHECK enum hr_err dkv_operator_handle(const struct dkv_env *env,
                                              const struct dkv_config *config,
                                              const struct dkv_group *group,
                                              const struct dkv_message *message,
                                              struct hr_diag *diag);

#endif
