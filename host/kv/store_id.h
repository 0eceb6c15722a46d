/* A store's identity: 16 random bytes that the first host to use it leaves there, so that two sites can tell
 * whether they are one. Lies in a bucket whose name no guest's link can have. */
#ifndef HR_STORE_ID_H
#define HR_STORE_ID_H

#include "base/diag.h"
#include "base/err.h"
#include "host/kv/kv.h"

#define HR_STORE_ID_BYTES 16u

/* Reads the identity, or makes it. Blocks, on a loop of its own; before or besides the store's other users.
 * Errors: as hr_kv_get and hr_kv_commit; HR_CORRUPT if something else is there. */
HR_MUST_CHECK enum hr_err hr_store_id_read(struct hr_kv *kv,
                                           unsigned char ret_id[HR_STORE_ID_BYTES],
                                           struct hr_diag *diag);

#endif
