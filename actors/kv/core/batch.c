/* Cuts a batch into runs of writes and single reads, and answers each message. */
#include "actors/kv/core/batch.h"

#include "actors/kv/core/attempt.h"
#include "actors/kv/core/list.h"
#include "actors/kv/core/read.h"
#include "actors/kv/core/reply.h"
#include "actors/kv/core/sweep.h"
#include "actors/kv/core/text.h"
#include "actors/kv/core/write.h"

struct batch {
    const struct dkv_env *env;
    const struct dkv_message *messages;
    struct dkv_handled *handled;
    struct dkv_config config;
    bool sweeps_on; /* after everything else */
};

/* Writes that wait to be done together. */
struct run {
    struct hr_arena arena;
    struct dkv_request *requests;
    size_t count;
    size_t bytes;
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

/* Publishes the answer to message @index. */
static void reply(struct batch *batch, size_t index, const struct dkv_answer *answer,
                  struct hr_arena *arena)
{
    const struct dkv_message *message = &batch->messages[index];
    struct dkv_handled *handled = &batch->handled[index];
    struct dkv_message out = {.subject = message->reply_to};
    if (dkv_reply_is_fault(answer->err)) {
        log_fault(batch, message, answer);
    }
    if (message->reply_to.len == 0) {
        return;
    }
    handled->err = dkv_reply_write(&batch->config, dkv_acks_of_commit(&batch->config), answer,
                                   arena, &out.body);
    if (!handled->err) {
        handled->err = batch->env->publish(batch->env->arg, &out, &handled->diag);
    }
    if (handled->err) {
        HR_IGNORE(dkv_text_prefix(&handled->diag, handled->err, HR_STR("reply to "),
                                  message->subject)); /* the error is in the row */
    }
}

static void reply_error(struct batch *batch, size_t index, enum hr_err err,
                        const struct hr_diag *diag)
{
    struct dkv_answer answer = {.err = err, .diag = *diag};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    reply(batch, index, &answer, &arena);
    hr_arena_release(&arena);
}

static void serve_read(struct batch *batch, const struct dkv_request *request)
{
    struct dkv_site site;
    struct dkv_answer answer = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    answer.err = dkv_site_open(batch->env, &batch->config, &arena, &site, &answer.diag);
    if (!answer.err && request->op == DKV_OP_GET) {
        dkv_read_value(batch->env, request, &arena, &answer);
    } else if (!answer.err) {
        dkv_list_values(batch->env, request, &arena, &answer);
    }
    reply(batch, request->index, &answer, &arena);
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

/* Applies as many of @requests as go into one commit, and commits them. ret_done: how many
 * answers there are, at least one; they are true unless an error is returned, which then is
 * everybody's. @sweeps: a part of the sweep may come along. */
static enum hr_err attempt_once(struct batch *batch, const struct dkv_request *requests,
                                size_t count, bool sweeps, struct hr_arena *arena,
                                struct dkv_answer *answers, size_t *ret_done, struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    size_t done = 0;
    *ret_done = count;
    enum hr_err err =
        dkv_attempt_begin(&attempt, batch->env, &batch->config, requests, count, arena, diag);
    if (err) {
        return err;
    }
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
    *ret_done = done;
    if (sweeps && attempt.change_count > 0) {
        dkv_sweep_step(&attempt);
    }
    err = dkv_attempt_commit(&attempt, diag);
    if (!err) {
        batch->sweeps_on = dkv_sweep_eager(&attempt);
    }
    return err;
}

/* Tries until a commit goes through. Returns how many requests that took care of: at least one. */
static size_t write_some(struct batch *batch, const struct dkv_request *requests, size_t count)
{
    const struct dkv_env *env = batch->env;
    struct hr_diag diag = {0};
    struct hr_arena arena;
    struct dkv_answer *answers = NULL;
    size_t done = count;
    enum hr_err err = HR_CONFLICT;
    dkv_mono_ms start = env->mono(env->arg);
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    for (unsigned i = 0; err == HR_CONFLICT && i < DKV_WRITE_TRIES_MAX; i++) {
        if (i > 0 && env->mono(env->arg) - start > DKV_WRITE_MS_MAX) {
            break;
        }
        hr_arena_release(&arena);
        answers = hr_arena_alloc(&arena, count * sizeof *answers);
        err = answers ? attempt_once(batch, requests, count, i == 0, &arena, answers, &done, &diag)
                      : HR_NO_MEMORY;
    }
    if (err == HR_CONFLICT) {
        err = DKV_FAIL(&diag, HR_BUSY, HR_STR("other writes kept coming first"));
    }
    for (size_t i = 0; i < done; i++) {
        if (err) {
            reply_error(batch, requests[i].index, err, &diag);
        } else {
            reply(batch, requests[i].index, &answers[i], &arena);
        }
    }
    hr_arena_release(&arena);
    return done;
}

static void run_write(struct batch *batch, struct run *run)
{
    for (size_t done = 0; done < run->count;) {
        done += write_some(batch, run->requests + done, run->count - done);
    }
    run->count = 0;
}

/* Does the run's writes and makes it empty. */
static void run_flush(struct batch *batch, struct run *run)
{
    run_write(batch, run);
    hr_arena_release(&run->arena);
    *run = (struct run){0};
    hr_arena_init(&run->arena, DKV_ARENA_BYTES_MAX);
}

/* Reads message @index at once, answers it if it is no write, or lets it wait in the run. */
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
        reply_error(batch, index, err, &diag);
    } else if (dkv_op_writes(request.op)) {
        run->requests[run->count++] = request;
    } else {
        /* What came before a read is done before it; its texts lie in the run's arena. */
        run_write(batch, run);
        serve_read(batch, &request);
        run_flush(batch, run);
    }
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
    enum hr_err err = dkv_config_read(env, &arena, &batch.config, &diag);
    for (size_t i = 0; i < count; i++) {
        if (err) {
            reply_error(&batch, i, err, &diag);
        } else {
            take(&batch, &run, i);
        }
    }
    run_flush(&batch, &run);
    if (batch.sweeps_on) {
        dkv_sweep_on(env, &batch.config);
    }
    hr_arena_release(&run.arena);
    hr_arena_release(&arena);
}
