/* What a request is known by, of its $request-id. Stateless, any thread. */
#ifndef DKV_OPID_H
#define DKV_OPID_H

#include "actors/kv/core/format/keys.h"

/* The SipHash-128 of @id. Of an @id that is a UUID of version 7 (RFC 9562 section 5.7) the first six bytes are that UUID's
 * instead, its milliseconds: outcomes of the same time lie together in the store, and a commit of many writes few pages. The
 * other ten bytes are as good as sixteen, because nobody makes many requests in one of its milliseconds. */
struct dkv_opid dkv_opid_of(struct hr_str id);

#endif
