/* The gateway's side of docs/protocol.md: one request to the kv actor and what it answered, checked
 * once and typed.
 *
 * All requests of one call have kv-timeout-ms (configuration, 1 to 60000, 5000 if not set) together.
 * Who else could answer, and how soon to turn to them, is the host's to know: it has asked everybody
 * before it reports that nobody is there, and a refusal is the best answer that it got. So there is
 * a second attempt only when the first one was lost while there was time left. It has the same body,
 * so the same $request-id: a write is done once however many attempts it took. The client's session
 * (session.h) goes with every request; one from a cookie that the kv actor does not take is dropped, and the
 * request asked again.
 * One thread. Must not know: HTTP requests, what a todo is. */
#ifndef GW_KV_H
#define GW_KV_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "actors/todo/core/call.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define GW_KV_TIMEOUT_MS_DEFAULT 5000u
#define GW_KV_TIMEOUT_MS_MAX 60000u
#define GW_KV_ATTEMPTS_MAX 2u

enum gw_kv_code {
    GW_KV_OK,
    /* What the actor says. */
    GW_KV_BAD_REQUEST,
    GW_KV_NOT_FOUND,
    GW_KV_CONFLICT,
    GW_KV_TOO_LARGE,
    GW_KV_BUSY,
    GW_KV_BEHIND, /* no site that was asked has what the session has seen */
    GW_KV_UNAVAILABLE,
    GW_KV_UNKNOWN_OUTCOME,
    GW_KV_TOO_FEW_ACKS, /* done, at fewer sites than wanted */
    GW_KV_CORRUPT,
    GW_KV_INTERNAL,
    /* What we found. */
    GW_KV_NO_ANSWER,   /* nobody there, or no reply in time */
    GW_KV_NONSENSE,    /* a reply that docs/protocol.md does not have */
    GW_KV_BAD_SESSION, /* the client's token is none that the kv actor gave */
    GW_KV_MISCONFIGURED
};

struct gw_kv_reply {
    enum gw_kv_code code;
    yyjson_doc *doc; /* NULL if there was no reply */
    yyjson_val *root;
    struct hr_diag reason; /* unless GW_KV_OK: one sentence or less */
    bool is_read;          /* what was asked for changes nothing */
    bool maybe_done;       /* a write may have been done without our seeing the result */
    uint64_t acks;         /* so many sites have the write, */
    uint64_t sites;        /* of so many; 0: not told */
};

/* One value of a reply; borrows the reply. */
struct gw_kv_item {
    struct hr_str key;
    struct hr_str version;
    yyjson_val *value;
};

/* Sends @body to @subject and waits. What went wrong there is in ret_reply->code; ret_reply is own
 * also then: gw_kv_reply_release. Takes over the reply's site.
 * Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_kv_call(struct gw_call *call, struct hr_str subject,
                                     struct hr_str body, struct gw_kv_reply *ret_reply);
/* Accepts a zeroed one. */
void gw_kv_reply_release(struct gw_kv_reply *reply);
/* Reads key, version and value out of @object (a reply's root or one of its items); false if they
 * are not there or not valid. */
bool gw_kv_item_read(yyjson_val *object, struct gw_kv_item *ret_item);
/* Says that a reply which looked good is not, once its user has seen the rest of it. */
void gw_kv_nonsense(struct gw_kv_reply *reply, const char *why);
/* Adds Hedgerow-Acks to the response, if the reply tells. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_kv_add_acks(struct gw_call *call, const struct gw_kv_reply *reply);
/* Answers the client with the problem behind a reply that is not GW_KV_OK, and logs it if it is
 * ours (5xx). Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_kv_problem(struct gw_call *call, const struct gw_kv_reply *reply);

#endif
