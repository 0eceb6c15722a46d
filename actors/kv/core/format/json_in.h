/* JSON in: yyjson with its memory in an arena. Stateless. */
#ifndef DKV_JSON_IN_H
#define DKV_JSON_IN_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/str.h"

/* Keeps @arena. What it frees stays there until the arena goes. */
yyjson_alc dkv_json_in(struct hr_arena *arena);
/* Owns: borrows. Empty for what is no string, and for NULL. */
struct hr_str dkv_json_in_text(yyjson_val *value);

#endif
