/* The bodies of requests: JSON, read once into typed structs. A patch's members become fields that
 * hold the member's compact JSON text, numbers digit for digit as they came; a null becomes a deleted
 * field. Members whose names start with `$` are options; unknown ones are errors, and so is a
 * name that comes twice. A patch is applied to the value's own members only: an object in a member
 * replaces what was there.
 * Stateless, one arena a call. Must not know: the store. */
#ifndef DKV_BODY_H
#define DKV_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/session.h"
#include "actors/kv/core/format/subject.h"

#define DKV_BODY_BYTES_MAX ((size_t)256 << 10)
/* Members of one patch, removals among them. */
#define DKV_PATCH_FIELDS_MAX 128u
#define DKV_REQUEST_ID_CHARS_MAX 64u
#define DKV_LIST_LIMIT_MAX 1000u

struct dkv_options {
    bool if_absent;
    bool if_present;
    bool if_version;
    struct dkv_stamp version;
    bool has_request_id;
    struct hr_str request_id;
    struct dkv_session *session; /* NULL: the client keeps none; in the arena */
};

/* Whether there is a condition, which is judged by what is known where the request is done. */
static inline bool dkv_options_judge(const struct dkv_options *options)
{
    return options->if_absent || options->if_present || options->if_version;
}

/* What a set, del or clear wants. */
struct dkv_patch {
    struct dkv_options options;
    struct dkv_field *fields; /* in the order of their names, without stamps */
    size_t count;
};

struct dkv_listing {
    uint32_t limit;
    struct hr_str after;         /* empty: from the first */
    struct hr_str prefix;        /* empty: all */
    struct dkv_session *session; /* NULL: as above */
};

/* @op is SET, DEL or CLEAR. Owns: everything lives in @arena.
 * Errors: HR_BAD_INPUT, HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_body_patch(struct hr_str body, enum dkv_op op, struct hr_arena *arena,
                                         struct dkv_patch *ret_patch, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_body_listing(struct hr_str body, struct hr_arena *arena,
                                           struct dkv_listing *ret_listing, struct hr_diag *diag);
/* A get of one key takes no body, or an object with $session at most. */
HR_MUST_CHECK enum hr_err dkv_body_get(struct hr_str body, struct hr_arena *arena,
                                       struct dkv_session **ret_session, struct hr_diag *diag);

#endif
