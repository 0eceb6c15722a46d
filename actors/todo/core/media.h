/* Content-Type of requests: which bodies POST and PATCH take (docs/api.md). One thread. */
#ifndef GW_MEDIA_H
#define GW_MEDIA_H

#include <stdbool.h>

#include "actors/todo/core/call.h"
#include "base/err.h"
#include "base/str.h"

/* As they stand in Accept-Post and Accept-Patch. */
#define GW_MEDIA_POST "application/json"
#define GW_MEDIA_PATCH "application/merge-patch+json, application/json"

/* Whether a Content-Type value names @media_type; parameters and case do not matter. */
bool gw_media_is(struct hr_str content_type, struct hr_str media_type);
/* Whether the request has a whole body of a type that its method takes; no Content-Type stands for
 * JSON. Answers with 415, 413 or 400 if not. A step of a call (call.h). */
HR_MUST_CHECK enum hr_err gw_media_check(struct gw_call *call);

#endif
