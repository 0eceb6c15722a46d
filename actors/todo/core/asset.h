/* The web page's files, out of the ui actor. A step of a call (call.h). One thread. */
#ifndef GW_ASSET_H
#define GW_ASSET_H

#include "actors/todo/core/call.h"
#include "base/err.h"

/* GET of any path that is not the API's. */
HR_MUST_CHECK enum hr_err gw_asset_get(struct gw_call *call);

#endif
