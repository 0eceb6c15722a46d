/* JSON out (RFC 8259), appended to a writer, whose sticky error it shares. Stateless. */
#ifndef DKV_JSON_H
#define DKV_JSON_H

#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/wire.h"

/* A string with its quotes. @text is UTF-8. */
void dkv_json_string(struct dkv_out *out, struct hr_str text);
void dkv_json_number(struct dkv_out *out, uint64_t value);
/* A version with its quotes; null for none. */
void dkv_json_version(struct dkv_out *out, struct dkv_stamp version);
/* The object that a record's visible fields are, in the bytewise order of their names. */
void dkv_json_value(struct dkv_out *out, const struct dkv_record *record, struct dkv_stamp clear);

#endif
