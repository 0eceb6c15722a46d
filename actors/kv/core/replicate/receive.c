/* From messages to changes, and from their fates to acknowledgements. */
#include "actors/kv/core/replicate/receive.h"

#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/apply.h"
#include "actors/kv/core/site/route.h"

/* Messages whose changes are applied together. */
struct load {
    const struct dkv_env *env;
    struct dkv_config *config;
    const struct dkv_message *messages;
    struct dkv_handled *handled;
    struct hr_arena arena;
    struct dkv_incoming *incoming;
    size_t count;
    bool *sweeps_on;
};

/* Where a message's changes are. */
struct span {
    size_t message;
    size_t first;
    size_t count;
};

/* Reads a message's changes; all of them are sound, or none is taken. */
static enum hr_err take(struct load *load, struct span *span, struct hr_diag *diag)
{
    struct dkv_parcel parcel;
    const struct dkv_message *message = &load->messages[span->message];
    struct dkv_pulled *pulled = NULL;
    struct hr_str changes = message->body;
    enum hr_err err = HR_OK;
    if (dkv_route_of(message->subject, load->config) == DKV_ROUTE_APPLY) {
        pulled = hr_arena_alloc(&load->arena, sizeof *pulled);
        err = pulled ? dkv_pulled_decode(message->body, pulled, diag) : HR_NO_MEMORY;
        changes = err ? changes : pulled->changes;
    }
    if (!err) {
        err = dkv_parcel_decode(changes, &load->arena, &parcel, diag);
    }
    span->first = load->count;
    for (size_t i = 0; !err && i < parcel.count; i++) {
        struct dkv_incoming *incoming = &load->incoming[load->count + i];
        *incoming = (struct dkv_incoming){.bytes = parcel.changes[i], .pulled = pulled};
        err = dkv_change_decode(parcel.changes[i], &load->arena, &incoming->change, diag);
        if (!err && dkv_origin_site(incoming->change.stamp.origin) == 0) {
            err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: there is no site 0"));
        }
    }
    if (!err) {
        span->count = parcel.count;
        load->count += parcel.count;
        *load->sweeps_on = *load->sweeps_on || parcel.count == 0;
    }
    return err;
}

/* Tells the sender what is held. Where that is nothing, it is a refusal, so that a sender who waits for
 * one site's acknowledgement goes on waiting for another's. */
static void answer(struct load *load, const struct span *span)
{
    bool any = span->count == 0;
    const struct dkv_message *message = &load->messages[span->message];
    struct dkv_handled *handled = &load->handled[span->message];
    struct dkv_ack ack = {
        .site = load->config->site_id, .crc = dkv_parcel_crc(message->body), .count = span->count};
    struct dkv_message reply = {.subject = message->reply_to};
    if (message->reply_to.len == 0) {
        return;
    }
    for (size_t i = 0; i < span->count; i++) {
        ack.held[i] = load->incoming[span->first + i].fate == DKV_FATE_HELD;
        any = any || ack.held[i];
    }
    handled->err = dkv_ack_encode(&ack, &load->arena, &reply.body);
    if (!handled->err && any) {
        handled->err = load->env->publish(load->env->arg, &reply, &handled->diag);
    } else if (!handled->err) {
        handled->err = load->env->refuse(load->env->arg, message->reply_to, HR_STR("not held"),
                                         reply.body, &handled->diag);
    }
}

static void apply(struct load *load, const struct span *spans, size_t count)
{
    struct hr_diag diag = {0};
    enum hr_err err = HR_OK;
    if (load->count > 0) {
        err = dkv_apply_changes(load->env, load->config, load->incoming, load->count,
                                load->sweeps_on, &diag);
    }
    for (size_t i = 0; i < count; i++) {
        answer(load, &spans[i]);
        struct dkv_handled *handled = &load->handled[spans[i].message];
        if (err && !handled->err) {
            *handled = (struct dkv_handled){err, diag};
        }
    }
}

/* As many messages from the first as go together. Returns how many. */
static size_t receive_some(struct load *load, const size_t *picked, size_t count)
{
    struct span spans[DKV_BATCH_MAX];
    size_t span_count = 0;
    size_t done = 0;
    size_t bytes = 0;
    load->incoming = hr_arena_alloc(&load->arena, DKV_RECEIVE_CHANGES_MAX * sizeof *load->incoming);
    for (; done < count && done < DKV_BATCH_MAX; done++) {
        struct dkv_handled *handled = &load->handled[picked[done]];
        struct span *span = &spans[span_count];
        bytes += load->messages[picked[done]].body.len;
        bool full = load->count + DKV_PARCEL_CHANGES_MAX > DKV_RECEIVE_CHANGES_MAX ||
                    bytes > DKV_RUN_BYTES_MAX;
        if (full && done > 0) {
            break;
        }
        *span = (struct span){.message = picked[done]};
        handled->err = load->incoming ? take(load, span, &handled->diag) : HR_NO_MEMORY;
        span_count += !handled->err;
    }
    apply(load, spans, span_count);
    return done;
}

void dkv_receive(const struct dkv_env *env, struct dkv_config *config,
                 const struct dkv_message *messages, const size_t *picked, size_t count,
                 struct dkv_handled *handled, bool *ret_sweeps_on)
{
    for (size_t at = 0; at < count;) {
        struct load load = {.env = env,
                            .config = config,
                            .messages = messages,
                            .handled = handled,
                            .sweeps_on = ret_sweeps_on};
        hr_arena_init(&load.arena, DKV_ARENA_BYTES_MAX);
        at += receive_some(&load, picked + at, count - at);
        hr_arena_release(&load.arena);
    }
}
