/* Cuts a batch into runs of writes, runs of reads and single lists, and answers each message. */
#include "actors/kv/core/batch.h"

#include "actors/kv/core/catchup.h"
#include "actors/kv/core/compare/mend.h"
#include "actors/kv/core/compare/serve_dig.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/operate/operator.h"
#include "actors/kv/core/replicate/receive.h"
#include "actors/kv/core/replicate/ship.h"
#include "actors/kv/core/site/acks.h"
#include "actors/kv/core/site/attempt.h"
#include "actors/kv/core/site/behind.h"
#include "actors/kv/core/site/drift.h"
#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/site/serve.h"
#include "actors/kv/core/transfer/donate.h"
#include "actors/kv/core/transfer/fill.h"
#include "actors/kv/core/values/list.h"
#include "actors/kv/core/values/meet.h"
#include "actors/kv/core/values/read.h"
#include "actors/kv/core/values/reply.h"
#include "actors/kv/core/values/sweep.h"
#include "actors/kv/core/values/write.h"

struct batch {
    const struct dkv_env *env;
    const struct dkv_message *messages;
    struct dkv_handled *handled;
    struct dkv_config config;
    struct dkv_group group;
    size_t *changes; /* numbers of messages with other sites' changes */
    size_t change_count;
    bool sweeps_on; /* after everything else */
};

/* What became of some writes. */
struct written {
    struct dkv_answer *answers;
    struct hr_str
        *changes; /* of the answers without an error: as in the feed, as far as it has them */
    size_t done;  /* answers that there are */
    bool grouped;
};

/* Writes, or reads, that wait to be done together. */
struct run {
    struct hr_arena arena;
    struct dkv_request *requests;
    size_t count;
    size_t bytes;
    bool reads;
};

static void log_fault(const struct batch *batch, const struct dkv_message *message,
                      const struct dkv_answer *answer)
{
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, answer->err, HR_STR("event=request-failed subject="),
                       message->subject, HR_STR(" error="), hr_str_c(hr_err_name(answer->err)),
                       HR_STR(" reason="),
                       hr_str_c(answer->diag.text))); /* only put together here */
    batch->env->log(batch->env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
}

/* Sends the answer to message @index, or a refusal. @identified: it has a $request-id. */
static void reply(struct batch *batch, size_t index, const struct dkv_answer *answer,
                  bool identified, struct hr_arena *arena)
{
    const struct dkv_acks alone = {1, 1};
    const struct dkv_env *env = batch->env;
    const struct dkv_message *message = &batch->messages[index];
    struct dkv_handled *handled = &batch->handled[index];
    struct dkv_message out = {.subject = message->reply_to};
    if (dkv_reply_is_fault(answer->err)) {
        log_fault(batch, message, answer);
    }
    if (message->reply_to.len == 0) {
        return;
    }
    handled->err = dkv_reply_write(&batch->config, alone, answer, arena, &out.body);
    if (!handled->err && dkv_reply_is_refusal(answer, identified)) {
        handled->err = env->refuse(env->arg, message->reply_to, dkv_reply_code(answer->err),
                                   out.body, &handled->diag);
    } else if (!handled->err && dkv_reply_is_judgement(answer, identified)) {
        handled->err = env->judge(env->arg, message->reply_to, dkv_reply_code(answer->err),
                                  out.body, &handled->diag);
    } else if (!handled->err) {
        handled->err = env->publish(env->arg, &out, &handled->diag);
    }
    if (handled->err) {
        HR_IGNORE(dkv_text_prefix(&handled->diag, handled->err, HR_STR("reply to "),
                                  message->subject)); /* the error is in the row */
    }
}

static void reply_error(struct batch *batch, size_t index, enum hr_err err,
                        const struct hr_diag *diag, bool identified)
{
    struct dkv_answer answer = {.err = err, .diag = *diag};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    reply(batch, index, &answer, identified, &arena);
    hr_arena_release(&arena);
}

/* A list, and before it what it may lack: what comes meanwhile is missed by neither. */
static void list(struct batch *batch, const struct dkv_request *request,
                 const struct dkv_site *site, struct hr_arena *arena, struct dkv_answer *ret_answer)
{
    struct hr_diag diag = {0};
    struct dkv_behind *behind = hr_arena_alloc(arena, sizeof *behind);
    enum hr_err err = behind
                          ? dkv_behind_read(batch->env, site, &batch->group, arena, behind, &diag)
                          : HR_NO_MEMORY;
    if (err) {
        *ret_answer = (struct dkv_answer){.err = err, .diag = diag, .op = request->op};
        return;
    }
    dkv_list_values(batch->env, request, arena, ret_answer);
    if (behind->changes > 0 || behind->silent_count > 0) {
        ret_answer->behind = behind;
    }
}

/* A value, for a session. */
static void get(struct batch *batch, const struct dkv_request *request, struct hr_arena *arena,
                struct dkv_answer *ret_answer)
{
    struct dkv_reading reading;
    struct hr_diag diag = {0};
    enum hr_err err =
        dkv_read_records(batch->env, &batch->config, request, 1, arena, &reading, &diag);
    if (err) {
        *ret_answer = (struct dkv_answer){.err = err, .diag = diag, .op = request->op};
        return;
    }
    dkv_read_value(request, &reading, arena, ret_answer);
}

/* In a lane others wait behind a read that waits for what its session has seen: it goes to an invocation of its
 * own, which answers. False if it does not: this is that one, or it could not be sent. */
static bool let_wait(struct batch *batch, size_t index, struct hr_arena *arena)
{
    const struct dkv_env *env = batch->env;
    struct dkv_message message = batch->messages[index];
    struct hr_diag diag;
    message.subject = dkv_route_subject(DKV_ROUTE_MEET, &batch->config, message.subject, arena);
    return env->in_lane && message.reply_to.len > 0 && message.subject.ptr &&
           !env->publish(env->arg, &message, &diag);
}

/* A read that goes with no others: a list, or one of a session. */
static void serve_alone(struct batch *batch, const struct dkv_request *request)
{
    struct dkv_site site;
    struct dkv_answer answer = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    answer.err = dkv_site_open(batch->env, &batch->config, &arena, &site, &answer.diag);
    if (!answer.err) {
        answer.err = dkv_site_serves(batch->env, &site, &arena, &answer.diag);
    }
    if (!answer.err) {
        answer.err = dkv_meet_wait(batch->env, &site, request->session, &answer.diag);
    }
    if (!answer.err && request->op == DKV_OP_GET) {
        get(batch, request, &arena, &answer);
    } else if (!answer.err) {
        list(batch, request, &site, &arena, &answer);
    }
    if (answer.err != HR_AGAIN || !let_wait(batch, request->index, &arena)) {
        reply(batch, request->index, &answer, false, &arena);
    }
    hr_arena_release(&arena);
}

/* A read that was let wait. It has an invocation of its own. */
static void take_waiting(struct batch *batch, size_t index)
{
    struct dkv_message message = batch->messages[index];
    struct dkv_request request = {.index = index};
    struct hr_diag diag = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    message.subject = dkv_route_client(message.subject, &batch->config);
    enum hr_err err = dkv_request_parse(batch->env, &message, &arena, &request, &diag);
    if (!err && (dkv_op_writes(request.op) || !request.session)) {
        err = DKV_FAIL(&diag, HR_BAD_INPUT, HR_STR("only a session's reads wait"));
    }
    if (err) {
        reply_error(batch, index, err, &diag, false);
    } else {
        serve_alone(batch, &request);
    }
    hr_arena_release(&arena);
}

/* Answers @count reads, DKV_READS_MAX at most, out of one reading of the store. */
static void serve_reads(struct batch *batch, const struct dkv_request *requests, size_t count)
{
    struct dkv_reading readings[DKV_READS_MAX];
    struct hr_diag diag = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err =
        dkv_read_records(batch->env, &batch->config, requests, count, &arena, readings, &diag);
    for (size_t i = 0; i < count; i++) {
        struct dkv_answer answer = {.err = err, .diag = diag};
        struct hr_arena own;
        hr_arena_init(&own, DKV_ARENA_BYTES_MAX);
        if (!err) {
            dkv_read_value(&requests[i], &readings[i], &own, &answer);
        }
        reply(batch, requests[i].index, &answer, false, &own);
        hr_arena_release(&own);
    }
    hr_arena_release(&arena);
}

/* Applies @request, and undoes it if it fails. False if it is too much for this commit: then it is
 * as if it had not been tried. */
static bool apply(struct dkv_attempt *attempt, const struct dkv_request *request,
                  struct dkv_answer *answer)
{
    struct dkv_attempt_mark mark = dkv_attempt_mark(attempt);
    if (dkv_write_apply(attempt, request, answer)) {
        dkv_attempt_undo(attempt, mark);
    }
    if (dkv_attempt_fits(attempt)) {
        return true;
    }
    dkv_attempt_forget(attempt, mark);
    return false;
}

/* Finds the changes behind the answers, as the feed has them: those of this commit, and those of
 * requests that were done before. */
static enum hr_err find_changes(const struct dkv_attempt *attempt, struct written *written,
                                struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    enum hr_err err = HR_OK;
    written->changes = hr_arena_alloc(attempt->arena, written->done * sizeof *written->changes);
    if (!written->changes) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; !err && i < written->done; i++) {
        const struct dkv_answer *answer = &written->answers[i];
        struct dkv_value value = {0};
        if (answer->err || answer->seq == 0) {
            continue;
        }
        struct hr_str key = dkv_key_change(attempt->arena, answer->version.origin, answer->seq);
        const struct dkv_entry *entry = key.ptr ? dkv_txn_written(&attempt->txn, key) : NULL;
        if (!key.ptr) {
            err = HR_NO_MEMORY;
        } else if (entry) {
            value = entry->now;
        } else {
            err = env->get_many(env->arg, &key, 1, attempt->arena, &value, diag);
        }
        written->changes[i] = value.bytes;
    }
    return err;
}

/* Applies as many of @requests as go into one commit, and commits them. There is one answer at least;
 * they are true unless an error is returned, which then is everybody's. @sweeps: a part of the sweep
 * may come along. */
static enum hr_err attempt_once(struct batch *batch, const struct dkv_request *requests,
                                size_t count, bool sweeps, struct hr_arena *arena,
                                struct written *written, struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    size_t done = 0;
    *written = (struct written){.done = count};
    written->answers = hr_arena_alloc(arena, count * sizeof *written->answers);
    if (!written->answers) {
        return HR_NO_MEMORY;
    }
    enum hr_err err =
        dkv_attempt_begin(&attempt, batch->env, &batch->config, requests, count, arena, diag);
    if (!err) {
        err = dkv_site_serves(batch->env, &attempt.site, arena, diag);
    }
    if (!err) {
        err = dkv_drift_admit(&attempt, diag);
    }
    if (err) {
        return err;
    }
    struct dkv_answer *answers = written->answers;
    while (done < count && apply(&attempt, &requests[done], &answers[done])) {
        done++;
    }
    if (done == 0) {
        /* Alone, a failed one needs no commit; one that did not fail is more than a commit holds. */
        if (!answers[0].err) {
            answers[0].err = DKV_FAIL(&answers[0].diag, HR_TOO_BIG,
                                      HR_STR("this write does not go into one commit"));
        }
        done = 1;
    }
    written->done = done;
    written->grouped = attempt.site.grouped;
    if (written->grouped) {
        /* Before the commit, after which nothing may fail that can be known before. */
        err = find_changes(&attempt, written, diag);
    }
    if (!err && sweeps && attempt.change_count > 0) {
        dkv_sweep_step(&attempt);
    }
    if (!err) {
        err = dkv_attempt_commit(&attempt, diag);
    }
    if (!err) {
        batch->sweeps_on = batch->sweeps_on || dkv_sweep_eager(&attempt);
    }
    return err;
}

/* Lets the answers of a group's site wait for the other sites. Nobody gets those that cannot be handed
 * on: the clients' time runs out, and they do not know, which is the truth. */
static void ship(struct batch *batch, const struct dkv_request *requests,
                 const struct written *written, struct hr_arena *arena)
{
    struct hr_diag diag = {0};
    size_t *places = hr_arena_alloc(arena, written->done * sizeof *places);
    struct dkv_shipment *shipments = hr_arena_alloc(arena, written->done * sizeof *shipments);
    size_t count = 0;
    size_t sent = 0;
    enum hr_err err = places && shipments ? HR_OK : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < written->done; i++) {
        size_t index = requests[i].index;
        if (written->answers[i].err) {
            continue;
        }
        places[count] = index;
        shipments[count++] = (struct dkv_shipment){.change = written->changes[i],
                                                   .reply_to = batch->messages[index].reply_to,
                                                   .answer = &written->answers[i]};
    }
    if (!err && count > 0) {
        err = dkv_ship_send(batch->env, &batch->config, shipments, count, arena, &sent, &diag);
    }
    for (size_t i = sent; err && i < count; i++) {
        batch->handled[places[i]] = (struct dkv_handled){err, diag};
    }
}

/* Tries until a commit goes through. Returns how many requests that took care of: at least one. */
static size_t write_some(struct batch *batch, const struct dkv_request *requests, size_t count)
{
    const struct dkv_env *env = batch->env;
    struct hr_diag diag = {0};
    struct hr_arena arena;
    struct written written = {.done = count};
    enum hr_err err = HR_CONFLICT;
    dkv_mono_ms start = env->mono(env->arg);
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    for (unsigned i = 0; err == HR_CONFLICT && i < DKV_WRITE_TRIES_MAX; i++) {
        if (i > 0 && env->mono(env->arg) - start > DKV_WRITE_MS_MAX) {
            break;
        }
        hr_arena_release(&arena);
        err = attempt_once(batch, requests, count, i == 0, &arena, &written, &diag);
    }
    if (err == HR_CONFLICT) {
        err = DKV_FAIL(&diag, HR_BUSY, HR_STR("other writes kept coming first"));
    }
    for (size_t i = 0; i < written.done; i++) {
        bool identified = requests[i].patch.options.has_request_id;
        if (err) {
            reply_error(batch, requests[i].index, err, &diag, identified);
        } else if (!written.grouped || written.answers[i].err) {
            reply(batch, requests[i].index, &written.answers[i], identified, &arena);
        }
    }
    if (!err && written.grouped) {
        ship(batch, requests, &written, &arena);
    }
    hr_arena_release(&arena);
    return written.done;
}

static void run_serve(struct batch *batch, struct run *run)
{
    for (size_t done = 0; run->reads && done < run->count; done += DKV_READS_MAX) {
        size_t left = run->count - done;
        serve_reads(batch, run->requests + done, left < DKV_READS_MAX ? left : DKV_READS_MAX);
    }
    for (size_t done = 0; !run->reads && done < run->count;) {
        done += write_some(batch, run->requests + done, run->count - done);
    }
    run->count = 0;
}

/* Does what is in the run and makes it empty. */
static void run_flush(struct batch *batch, struct run *run)
{
    run_serve(batch, run);
    hr_arena_release(&run->arena);
    *run = (struct run){0};
    hr_arena_init(&run->arena, DKV_ARENA_BYTES_MAX);
}

/* Parses message @index, and answers a list or a session's read at once; all else waits in the run, which is of one kind. What came before
 * is done before it. */
static void take(struct batch *batch, struct run *run, size_t index)
{
    const struct dkv_message *message = &batch->messages[index];
    struct dkv_request request = {.index = index};
    struct hr_diag diag = {0};
    if (run->count == DKV_BATCH_MAX || run->bytes + message->body.len > DKV_RUN_BYTES_MAX) {
        run_flush(batch, run);
    }
    run->bytes += message->body.len;
    if (!run->requests) {
        run->requests = hr_arena_alloc(&run->arena, DKV_BATCH_MAX * sizeof *run->requests);
    }
    enum hr_err err = run->requests
                          ? dkv_request_parse(batch->env, message, &run->arena, &request, &diag)
                          : HR_NO_MEMORY;
    if (err) {
        reply_error(batch, index, err, &diag, false);
        return;
    }
    bool reads = !dkv_op_writes(request.op);
    bool alone = request.op == DKV_OP_LIST || (reads && request.session);
    if (reads != run->reads || alone) {
        run_serve(batch, run); /* the request's texts lie in the run's arena */
    }
    run->reads = reads;
    if (alone) {
        serve_alone(batch, &request);
        run_flush(batch, run);
    } else {
        run->requests[run->count++] = request;
    }
}

/* Messages between sites. Those that change something wait until the batch's writes are done. */
static void take_peer(struct batch *batch, enum dkv_route route, size_t index)
{
    const struct dkv_message *message = &batch->messages[index];
    struct dkv_handled *handled = &batch->handled[index];
    switch (route) {
    case DKV_ROUTE_CHANGES:
    case DKV_ROUTE_APPLY:
        batch->changes[batch->change_count++] = index;
        break;
    case DKV_ROUTE_SHIP:
        handled->err = dkv_ship_deliver(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_HAVE:
        handled->err = dkv_serve_have(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_LOG:
        handled->err = dkv_serve_log(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_DIG:
        handled->err =
            dkv_serve_dig(batch->env, &batch->config, &batch->group, message, &handled->diag);
        break;
    case DKV_ROUTE_MEND:
        handled->err = dkv_mend_handle(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_ADMIN:
        handled->err =
            dkv_operator_handle(batch->env, &batch->config, &batch->group, message, &handled->diag);
        break;
    case DKV_ROUTE_MEET:
        take_waiting(batch, index);
        break;
    case DKV_ROUTE_STATE:
        handled->err = dkv_donate(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_FILL:
        handled->err = dkv_fill(batch->env, &batch->config, message, &handled->diag);
        break;
    case DKV_ROUTE_TICK:
        handled->err = dkv_catchup_tick(batch->env, &batch->config, &batch->group, &handled->diag);
        break;
    case DKV_ROUTE_CLIENT:
    case DKV_ROUTE_NOWHERE:
        handled->err = DKV_FAIL(&handled->diag, HR_BAD_INPUT,
                                HR_STR("a subject of no route, or of another bucket or site"));
        break;
    }
}

/* What the whole batch needs. */
static enum hr_err begin(struct batch *batch, size_t count, struct hr_arena *arena,
                         struct hr_diag *diag)
{
    batch->changes = hr_arena_alloc(arena, count * sizeof *batch->changes);
    enum hr_err err = dkv_config_read(batch->env, arena, &batch->config, diag);
    if (!err) {
        /* Before it is asked who: what it may say by then counts for those who are asked about later. */
        batch->config.unsettled = !batch->env->settled(batch->env->arg);
        err = dkv_group_read(batch->env, &batch->config, arena, &batch->group, diag);
    }
    if (!err) {
        batch->config.clock_ahead_ms = batch->group.clock_ahead_ms;
    }
    for (size_t i = 0; !err && i < batch->group.count; i++) {
        dkv_group_note(&batch->config, batch->group.peers[i].id);
    }
    return !err && !batch->changes ? HR_NO_MEMORY : err;
}

void dkv_batch_handle(const struct dkv_env *env, const struct dkv_message *messages, size_t count,
                      struct dkv_handled *ret_handled)
{
    struct batch batch = {.env = env, .messages = messages, .handled = ret_handled};
    struct run run = {0};
    struct hr_arena arena;
    struct hr_diag diag = {0};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    hr_arena_init(&run.arena, DKV_ARENA_BYTES_MAX);
    memset(ret_handled, 0, count * sizeof *ret_handled);
    enum hr_err err = begin(&batch, count, &arena, &diag);
    for (size_t i = 0; i < count; i++) {
        enum dkv_route route = dkv_route_of(messages[i].subject, &batch.config);
        if (err && route == DKV_ROUTE_CLIENT) {
            reply_error(&batch, i, err, &diag, false);
        } else if (err) {
            ret_handled[i] = (struct dkv_handled){err, diag};
        } else if (route == DKV_ROUTE_CLIENT) {
            take(&batch, &run, i);
        } else {
            take_peer(&batch, route, i);
        }
    }
    run_flush(&batch, &run);
    dkv_receive(env, &batch.config, messages, batch.changes, batch.change_count, ret_handled,
                &batch.sweeps_on);
    if (batch.sweeps_on) {
        dkv_sweep_on(env, &batch.config);
    }
    hr_arena_release(&run.arena);
    hr_arena_release(&arena);
}
