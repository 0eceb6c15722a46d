/* JSON for the gateway: yyjson behind hr_alloc, strict (RFC 8259, UTF-8 only), and the writing of
 * strings and numbers. yyjson does not recurse, so nesting costs no stack. Stateless, any thread.
 * Must not know: what the JSON means. */
#ifndef GW_JSON_H
#define GW_JSON_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

/* Parses @text, which it copies. ret_doc: own, yyjson_doc_free.
 * Errors: HR_BAD_INPUT, where and why in @diag ("malformed JSON at line 1, column 5 ..."),
 * HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_json_read(struct hr_str text, yyjson_doc **ret_doc,
                                       struct hr_diag *diag);
/* Writes @text as a JSON string with its quotes; everything but quotes, backslashes and control
 * characters stands as it is. @text is UTF-8. Errors: HR_NO_MEMORY, HR_TOO_BIG. */
HR_MUST_CHECK enum hr_err gw_json_put_string(struct hr_buf *out, struct hr_str text);
/* Writes a number so that it reads back as the same. Errors: HR_NO_MEMORY, HR_TOO_BIG. */
HR_MUST_CHECK enum hr_err gw_json_put_number(struct hr_buf *out, const yyjson_val *number);
/* The text of a string value, borrowed from its document; an empty run for anything else. */
struct hr_str gw_json_str(yyjson_val *value);
/* The longest beginning of @text that has at most @max_bytes and cuts no character of UTF-8. */
struct hr_str gw_json_clip(struct hr_str text, size_t max_bytes);

#endif
