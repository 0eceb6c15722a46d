/* What may be done with one todo, and the two writes on the list. Steps of a call (call.h). One
 * thread. */
#ifndef GW_ITEM_H
#define GW_ITEM_H

#include "actors/todo/core/call.h"
#include "base/err.h"

/* GET /api/<id> */
HR_MUST_CHECK enum hr_err gw_item_get(struct gw_call *call);
/* POST /api */
HR_MUST_CHECK enum hr_err gw_item_create(struct gw_call *call);
/* PATCH /api/<id> */
HR_MUST_CHECK enum hr_err gw_item_patch(struct gw_call *call);
/* DELETE /api/<id> */
HR_MUST_CHECK enum hr_err gw_item_delete(struct gw_call *call);
/* DELETE /api */
HR_MUST_CHECK enum hr_err gw_item_delete_all(struct gw_call *call);

#endif
