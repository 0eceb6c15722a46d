/* One record's part of a state transfer (fill.h): what is here becomes what the donor has, merged with what
 * of it the donor could not know. Must not know: ranges, m/sync. */
#ifndef DKV_REPLACE_H
#define DKV_REPLACE_H

#include "actors/kv/core/site/attempt.h"
#include "actors/kv/core/transfer/sync.h"

/* @found: what is stored under @key here. @donor: the record that the donor has, NULL if it has none.
 * A record that cannot be read here becomes the donor's, with what the feed has of it that is not covered.
 * Errors: HR_CORRUPT, HR_UNSUPPORTED (also: the record here is of a later version), HR_TOO_BIG (of the index),
 * HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_replace(struct dkv_attempt *attempt, const struct dkv_cover *cover,
                                      struct hr_str key, struct dkv_value found,
                                      const struct dkv_record *donor, struct hr_diag *diag);

#endif
