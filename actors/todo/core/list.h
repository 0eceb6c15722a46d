/* GET /api: the todos, page by page out of the kv actor, into one array. A step of a call
 * (call.h). One thread. */
#ifndef GW_LIST_H
#define GW_LIST_H

#include "actors/todo/core/call.h"
#include "base/err.h"

/* An answer that would be longer ends there, with a Link to the rest. The bytes are what a host gives
 * to a body if its manifest says nothing else. */
#define GW_LIST_BYTES_MAX ((size_t)8388608)
/* Of the kv actor's pages for one answer; some may be empty. */
#define GW_LIST_PAGES_MAX 4096u

/* Answers with the list that the query asks for. Values that are not todos (todo.h) are left out:
 * anyone may write to the kv actor, and an edit may outlive the todo that it was made to. */
HR_MUST_CHECK enum hr_err gw_list_get(struct gw_call *call);

#endif
