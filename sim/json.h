/* Just enough JSON to read the kv actor's replies, written for this and shared with nobody: it is to find
 * what the core's own writer gets wrong. Bytes that are no JSON are found, not crashed on. Stateless. */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include <stdbool.h>

#include "base/str.h"

#define SIM_JSON_DEPTH_MAX 64u

/* The text of the value that begins at the front of @text; false: there is none. ret_rest: what follows. */
bool sim_json_value(struct hr_str text, struct hr_str *ret_value, struct hr_str *ret_rest);
/* The value of the member @name of @object, its text. */
bool sim_json_member(struct hr_str object, struct hr_str name, struct hr_str *ret_value);
/* Goes through an object's members or an array's items: @at begins as the whole text. False: no more.
 * ret_name is empty for an array's. */
bool sim_json_next(struct hr_str *at, struct hr_str *ret_name, struct hr_str *ret_value);
/* A string without escapes, as all of ours are. */
bool sim_json_string(struct hr_str value, struct hr_str *ret_text);
bool sim_json_number(struct hr_str value, uint64_t *ret_number);

#endif
