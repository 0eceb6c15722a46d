/* Replies as docs/protocol.md has them. Stateless. Must not know: the store. */
#ifndef DKV_REPLY_H
#define DKV_REPLY_H

#include "actors/kv/core/site/acks.h"
#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/config.h"

/* The JSON of @answer; lives in @arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_reply_write(const struct dkv_config *config, struct dkv_acks acks,
                                          const struct dkv_answer *answer, struct hr_arena *arena,
                                          struct hr_str *ret_body);
/* The same in two parts: all but acks, sites and the last brace, to which they are added later.
 * @answer is one of a write without an error. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_reply_open(const struct dkv_config *config,
                                         const struct dkv_answer *answer, struct hr_arena *arena,
                                         struct hr_str *ret_body);
HR_MUST_CHECK enum hr_err dkv_reply_close(struct hr_str open, struct dkv_acks acks,
                                          struct hr_arena *arena, struct hr_str *ret_body);
/* Names of sites. */
struct dkv_names {
    size_t count;
    struct hr_str names[DKV_MEMBERS_MAX];
};

/* Says that a write is held by fewer sites than were wanted, @missing among those that have not acknowledged it,
 * instead of what dkv_reply_open made of it, whose session it takes over. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_reply_too_few(const struct dkv_config *config, struct dkv_acks acks,
                                            const struct dkv_names *missing, struct hr_str open,
                                            struct hr_arena *arena, struct hr_str *ret_body);
/* The public code of @err. */
struct hr_str dkv_reply_code(enum hr_err err);
/* Whether another site may do better. */
bool dkv_reply_is_refusal(const struct dkv_answer *answer, bool identified);
/* Whether @answer is a no to a write by what this site knows, while another site may have done it: a
 * condition that does not hold, and a $request-id (@identified) that says that it may be repeated. */
bool dkv_reply_is_judgement(const struct dkv_answer *answer, bool identified);
/* Whether @err is ours to look at, not the client's doing. */
bool dkv_reply_is_fault(enum hr_err err);

#endif
