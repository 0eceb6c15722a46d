/* What became of a request: an error and its reason, or what the reply says. What a write with a
 * $request-id did is kept for DKV_RESULT_MS, so that the same request gets the same answer. Layout
 * under q/<opid>, version 2 (integers big-endian):
 *
 *   u8 version | u64 wall ms | 16 B hash of the request | u8 what (1 set, 2 del, 3 clear) |
 *   u8 created | 16 B version stamp | u64 seq | u64 count | u32 length of value | value | u32 CRC-32C
 *
 * The stamp's origin and seq name the change in the feed. Version 1 had no seq; it is 0 then.
 *
 * Stateless. Must not know: the store, JSON. */
#ifndef DKV_ANSWER_H
#define DKV_ANSWER_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/session.h"
#include "actors/kv/core/format/stamp.h"
#include "actors/kv/core/site/behind.h"
#include "actors/kv/core/site/request.h"

#define DKV_RESULT_MS ((dkv_wall_ms)10 * 60 * 1000)

struct dkv_answer {
    enum hr_err err;
    struct hr_diag diag; /* the reason, if @err */
    enum dkv_op op;      /* the rest without @err, but for: */
    struct hr_str key;
    struct dkv_stamp version; /* also of what a HR_CONFLICT was with; none: nothing is there */
    bool created;
    uint64_t seq; /* of the change that did it, whose stamp is @version; 0: not known */
    uint64_t count;
    struct hr_str value;             /* JSON; of a LIST its items, with their commas */
    struct hr_str next;              /* of a LIST; empty: that is all */
    const struct dkv_behind *behind; /* of a LIST; NULL: nothing is known to be missing */
    struct dkv_session *session;     /* with what this answer shows; NULL: the client keeps none */
};

/* A result as it is kept. */
struct dkv_result {
    dkv_wall_ms time;
    unsigned char hash[DKV_HASH128_BYTES];
    struct dkv_answer answer; /* its key is not kept: the request has it */
};

/* Errors: HR_CORRUPT, HR_UNSUPPORTED. The value is borrowed from @bytes. */
HR_MUST_CHECK enum hr_err dkv_result_decode(struct hr_str bytes, struct dkv_result *ret_result,
                                            struct hr_diag *diag);
/* The answer is one of a write without an error. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_result_encode(dkv_wall_ms time,
                                            const unsigned char hash[DKV_HASH128_BYTES],
                                            const struct dkv_answer *answer, struct hr_arena *arena,
                                            struct hr_str *ret_bytes);

#endif
