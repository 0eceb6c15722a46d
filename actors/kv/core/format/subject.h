/* The subjects that anyone may use (docs/protocol.md):
 *   wasmkv.get   wasmkv.get.<key>   wasmkv.set.<key>   wasmkv.del   wasmkv.del.<key>
 * Stateless, any thread. Must not know: bodies. */
#ifndef DKV_SUBJECT_H
#define DKV_SUBJECT_H

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

enum dkv_op { DKV_OP_LIST, DKV_OP_GET, DKV_OP_SET, DKV_OP_DEL, DKV_OP_CLEAR };

struct dkv_subject {
    enum dkv_op op;
    struct hr_str key; /* of GET, SET and DEL; borrowed from the subject */
};

/* Errors: HR_BAD_INPUT. */
HR_MUST_CHECK enum hr_err dkv_subject_parse(struct hr_str subject, struct dkv_subject *ret_subject,
                                            struct hr_diag *diag);
/* Whether it changes anything. */
bool dkv_op_writes(enum dkv_op op);

#endif
