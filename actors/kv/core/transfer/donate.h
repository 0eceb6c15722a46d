/* The donor's side of a state transfer: answers questions of the route STATE with a page of this site's
 * records and with what it has of each origin. Reads only, but for the boot of the site.
 *
 * What is read first and what last is the point of it. Rows that begin a transfer are read before any
 * record, so whatever they cover is in the records; those of a page are read after its records, so
 * whatever is in the records is in them. Clear mark, floor and what is gathered up are read after the
 * rows: an origin that has no row because it was gathered up is told as such.
 *
 * A site that is being filled itself is no donor: its records are partly those of another site, of changes that
 * it does not claim to have. One that only wants to be filled is.
 * Must not know: what becomes of the answers. */
#ifndef DKV_DONATE_H
#define DKV_DONATE_H

#include "actors/kv/core/site/config.h"

/* Answers @message, of the route STATE. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_CONFLICT (the site was
 * started anew meanwhile), HR_NO_MEMORY, the store's, those of publishing. */
HR_MUST_CHECK enum hr_err dkv_donate(const struct dkv_env *env, const struct dkv_config *config,
                                     const struct dkv_message *message, struct hr_diag *diag);

#endif
