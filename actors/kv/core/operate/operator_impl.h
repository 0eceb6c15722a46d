/* What the operator's verbs share. Only for operator*.c. */
#ifndef DKV_OPERATOR_IMPL_H
#define DKV_OPERATOR_IMPL_H

#include <yyjson.h>

#include "actors/kv/core/compare/digest.h"
#include "actors/kv/core/compare/repair.h"
#include "actors/kv/core/format/json.h"
#include "actors/kv/core/operate/operator.h"
#include "actors/kv/core/site/holdings.h"

/* One request. The reply is written to @out after its first member, "site". */
struct dkv_operator {
    struct dkv_tick tick;
    struct hr_arena *arena;
    yyjson_val *body;
    yyjson_alc alc;
    struct dkv_out out;
    struct hr_diag *diag;
};

/* The text of member @name; empty if there is none or it is no text. */
struct hr_str dkv_operator_text(const struct dkv_operator *op, const char *name);
/* Writes ,"name": */
void dkv_operator_member(struct dkv_out *out, const char *name);
/* What all that are alive hold, and a repair by that. */
HR_MUST_CHECK enum hr_err dkv_operator_look(struct dkv_operator *op,
                                            struct dkv_holdings *ret_holdings,
                                            struct dkv_repair *ret_repair);

HR_MUST_CHECK enum hr_err dkv_operator_status(struct dkv_operator *op);
HR_MUST_CHECK enum hr_err dkv_operator_verify(struct dkv_operator *op, bool repairs);
HR_MUST_CHECK enum hr_err dkv_operator_export(struct dkv_operator *op);
HR_MUST_CHECK enum hr_err dkv_operator_import(struct dkv_operator *op);
HR_MUST_CHECK enum hr_err dkv_operator_remove(struct dkv_operator *op);

#endif
