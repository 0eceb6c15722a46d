/* Requests on a lattice: to whom first, and what then; host/lattice/bus.h has the rules.
 *
 * What can happen to a request, besides its caller's cancelling it:
 *   an attempt is answered                         -> the request is over, other attempts lose
 *   an attempt fails or is refused                 -> the next candidate, if that is allowed; else, with no other
 *                                                     attempt under way, the request is over
 *   the hedge's time has come                      -> a second candidate besides, within the budget
 *   a responder has stalled, or its host leaves    -> the next candidate besides
 *   a host is gone, or NATS                        -> as if the attempt had failed
 *   the time is up                                 -> the request is over
 * Callbacks of callers come last in a function: they may cancel any request, and close the port.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "host/lattice/bus_impl.h"

#define NS_PER_MS ((uint64_t)1000000)

/* How good a refusal is to have; 0 is none. */
#define RANK_HOST 1u
#define RANK_BODY 2u
#define RANK_JUDGED 3u /* an answer, if nobody asked before may have done it */

static struct hr_bus_lattice_port *port_of(const struct hr_bus_lattice_request *request)
{
    return (struct hr_bus_lattice_port *)request->base.port;
}

/* --- their start and their end ------------------------------------------------------------------------ */

static void on_hedge_time(void *arg);

struct hr_bus_lattice_request *hr_bus_lattice_request_new(struct hr_bus_lattice_port *port,
                                                          uint32_t want)
{
    struct hr_bus_lattice_request *request = hr_alloc(sizeof *request);
    if (!request) {
        return NULL;
    }
    request->base.port = &port->base;
    request->want = want;
    hr_list_init(&request->in_port);
    hr_list_init(&request->attempts);
    hr_timer_init(&request->timer, want ? hr_bus_lattice_on_gather_time : on_hedge_time, request);
    return request;
}

void hr_bus_lattice_request_free(struct hr_bus_lattice_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        hr_bus_message_unref(request->kept[i]);
    }
    hr_free(request->kept);
    hr_free(request->replies);
    hr_bus_message_unref(request->message);
    hr_bus_message_unref(request->refusal);
    hr_free(request);
}

void hr_bus_lattice_attach(struct hr_bus_lattice_request *request)
{
    struct hr_bus_lattice_port *port = port_of(request);
    hr_list_push_back(&port->requests, &request->in_port);
    port->request_count++;
    hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_REQUESTS);
    hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_PUBLISHED);
}

void hr_bus_lattice_detach(struct hr_bus_lattice_request *request)
{
    struct hr_bus_lattice_port *port = port_of(request);
    hr_loop_timer_stop(port->base.loop, &request->timer);
    hr_list_remove(&request->in_port);
    HR_ASSERT(port->request_count > 0);
    port->request_count--;
}

static struct hr_bus_lattice_attempt *first_attempt(const struct hr_bus_lattice_request *request)
{
    return HR_LIST_OWNER(request->attempts.next, struct hr_bus_lattice_attempt, in_request);
}

/* Tells the caller; what is still under way loses. */
static void complete(struct hr_bus_lattice_request *request, enum hr_err err,
                     const struct hr_bus_msg *reply)
{
    hr_bus_lattice_detach(request);
    while (!hr_list_empty(&request->attempts)) {
        hr_bus_lattice_attempt_lose(first_attempt(request));
    }
    if (err == HR_TIMEOUT) {
        hr_bus_lattice_count(request->base.port, HR_BUS_LATTICE_TIMEOUTS);
    } else if (err == HR_NO_RESPONDERS) {
        hr_bus_lattice_count(request->base.port, HR_BUS_LATTICE_NO_RESPONDERS);
    }
    request->reply_cb(request->arg, err, err ? NULL : reply);
    hr_bus_lattice_request_free(request);
}

/* Takes everything of @request off the two buses. */
static void mute(struct hr_bus_lattice_request *request)
{
    hr_loop_timer_stop(request->base.port->loop, &request->timer);
    hr_bus_cancel(request->part);
    request->part = NULL;
    while (!hr_list_empty(&request->attempts)) {
        hr_bus_lattice_attempt_end(first_attempt(request), HR_RESPONDER_FORGOTTEN);
    }
}

static void forget(struct hr_bus_lattice_request *request)
{
    mute(request);
    hr_bus_lattice_detach(request);
}

void hr_bus_lattice_mute_all(struct hr_bus_lattice_port *port)
{
    for (struct hr_list *node = port->requests.next; node != &port->requests; node = node->next) {
        mute(HR_LIST_OWNER(node, struct hr_bus_lattice_request, in_port));
    }
    while (!hr_list_empty(&port->attempts)) {
        hr_bus_lattice_attempt_end(
            HR_LIST_OWNER(port->attempts.next, struct hr_bus_lattice_attempt, in_port),
            HR_RESPONDER_FORGOTTEN);
    }
}

void hr_bus_lattice_cancel(struct hr_bus_request *base)
{
    struct hr_bus_lattice_request *request = (struct hr_bus_lattice_request *)base;
    forget(request);
    hr_bus_lattice_request_free(request);
}

void hr_bus_lattice_cancel_all(struct hr_bus_lattice_port *port)
{
    while (!hr_list_empty(&port->requests)) {
        struct hr_bus_lattice_request *request =
            HR_LIST_OWNER(port->requests.next, struct hr_bus_lattice_request, in_port);
        forget(request);
        if (request->reply_cb) {
            request->reply_cb(request->arg, HR_CANCELED, NULL);
        } else {
            request->gather_cb(request->arg, HR_CANCELED, NULL, 0);
        }
        hr_bus_lattice_request_free(request);
    }
}

/* --- sending ---------------------------------------------------------------------------------------- */

static void mark_tried(struct hr_bus_lattice_request *request, uint64_t host)
{
    if (request->tried_count < HR_BUS_LATTICE_ATTEMPTS_MAX) {
        request->tried[request->tried_count++] = host;
    }
}

static bool may_try_more(const struct hr_bus_lattice_request *request)
{
    return request->message && request->tried_count < HR_BUS_LATTICE_ATTEMPTS_MAX &&
           hr_now_ns() < request->due_ns;
}

/* Whether an attempt is under way in whose place no other was sent. */
static bool is_under_way(const struct hr_bus_lattice_request *request)
{
    for (const struct hr_list *node = request->attempts.next; node != &request->attempts;
         node = node->next) {
        if (!HR_LIST_OWNER(node, struct hr_bus_lattice_attempt, in_request)->replaced) {
            return true;
        }
    }
    return false;
}

static void aim_hedge(struct hr_bus_lattice_request *request,
                      const struct hr_responder_option *option)
{
    struct hr_bus_lattice_port *port = port_of(request);
    if (request->repeat == HR_BUS_SAFE && request->message && !hr_timer_active(&request->timer) &&
        !hr_bus_lattice_of(&port->base)->no_hedges) {
        uint64_t delay_ns = hr_responder_hedge_delay_ns(option->responder, option->prior_ns);
        hr_loop_timer_start(port->base.loop, &request->timer, delay_ns / NS_PER_MS);
    }
}

/* Sends @msg to the first of @options that takes it. */
static enum hr_err send_to_best(struct hr_bus_lattice_request *request,
                                const struct hr_bus_msg *msg,
                                const struct hr_responder_option *options, size_t count,
                                struct hr_bus_lattice_attempt **ret_attempt)
{
    enum hr_err err = HR_NO_RESPONDERS;
    for (size_t i = 0; i < count && request->tried_count < HR_BUS_LATTICE_ATTEMPTS_MAX; i++) {
        err = hr_bus_lattice_attempt(request, msg, &options[i], false, ret_attempt);
        mark_tried(request, options[i].owner);
        if (!err) {
            aim_hedge(request, &options[i]);
            return HR_OK;
        }
    }
    return err;
}

/* Another attempt, of one that is well if @only_well; NULL if there is nobody to try. */
static struct hr_bus_lattice_attempt *send_to_next(struct hr_bus_lattice_request *request,
                                                   bool only_well)
{
    struct hr_responder_option options[HR_BUS_LATTICE_OPTIONS_MAX];
    struct hr_bus_lattice_attempt *attempt = NULL;
    size_t well;
    if (!may_try_more(request)) {
        return NULL;
    }
    size_t count = hr_bus_lattice_candidates(port_of(request), request,
                                             request->message->view.subject, options, &well);
    enum hr_err err =
        send_to_best(request, &request->message->view, options, only_well ? well : count, &attempt);
    return err ? NULL : attempt;
}

static void fail_over(struct hr_bus_lattice_request *request)
{
    hr_bus_lattice_count(request->base.port, HR_BUS_LATTICE_FAILOVERS);
}

static void on_hedge_time(void *arg)
{
    struct hr_bus_lattice_request *request = arg;
    struct hr_bus_lattice_port *port = port_of(request);
    struct hr_responder_option options[HR_BUS_LATTICE_OPTIONS_MAX];
    struct hr_bus_lattice_attempt *attempt;
    size_t well;
    if (!may_try_more(request) || request->attempts.next->next != &request->attempts) {
        return; /* there are two already */
    }
    hr_bus_lattice_candidates(port, request, request->message->view.subject, options, &well);
    if (well == 0) {
        return;
    }
    if (!hr_responders_take_hedge(port->responders)) {
        hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_HEDGES_SAVED);
        return;
    }
    if (!send_to_best(request, &request->message->view, options, well, &attempt)) {
        attempt->hedge = true;
        hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_HEDGES);
    }
}

/* --- answers ---------------------------------------------------------------------------------------- */

static bool says(const struct hr_bus_msg *reply, enum hr_err err)
{
    struct hr_str text = hr_bus_header(reply, HR_STR(HR_BUS_HEADER_ERROR));
    return hr_str_starts(text, hr_str_c(hr_err_text(err)));
}

static uint32_t rank_of(const struct hr_bus_msg *reply)
{
    bool is_actors = hr_bus_header(reply, HR_STR(HR_BUS_HEADER_REFUSED)).len > 0;
    bool is_hosts = hr_bus_header(reply, HR_STR(HR_BUS_HEADER_ERROR)).len > 0;
    if (hr_bus_header(reply, HR_STR(HR_BUS_HEADER_JUDGED)).len > 0) {
        return RANK_JUDGED;
    }
    if (is_actors && reply->body.len > 0) {
        return RANK_BODY;
    }
    return is_actors || is_hosts ? RANK_HOST : 0;
}

/* Whether somebody who was asked may have done it all the same. */
static bool is_doubtful(const struct hr_bus_lattice_request *request)
{
    return request->repeat == HR_BUS_IDEMPOTENT &&
           (request->err == HR_UNKNOWN_OUTCOME || request->err == HR_TIMEOUT);
}

/* Whether @reply answers the request now. A judgement has to wait for those who were asked before. */
static bool is_good(const struct hr_bus_lattice_request *request, const struct hr_bus_msg *reply)
{
    uint32_t rank = rank_of(reply);
    bool waits = request && request->repeat == HR_BUS_IDEMPOTENT &&
                 (!hr_list_empty(&request->attempts) || is_doubtful(request));
    return rank == 0 || (rank == RANK_JUDGED && !waits);
}

/* Whether who failed so has certainly done nothing with the request. */
static bool is_untouched(enum hr_err err, const struct hr_bus_msg *reply)
{
    if (reply) {
        return hr_bus_header(reply, HR_STR(HR_BUS_HEADER_REFUSED)).len > 0 ||
               says(reply, HR_BUSY) || says(reply, HR_NO_RESPONDERS);
    }
    return err == HR_NO_RESPONDERS || err == HR_BUSY;
}

static enum hr_responder_outcome outcome_of(enum hr_err err, bool good,
                                            const struct hr_bus_msg *reply)
{
    if (good) {
        return HR_RESPONDER_ANSWERED;
    }
    if (reply && hr_str_eq(hr_bus_header(reply, HR_STR(HR_BUS_HEADER_REFUSED)),
                           HR_STR(HR_BUS_REFUSED_BEHIND))) {
        return HR_RESPONDER_DECLINED;
    }
    if (reply || err == HR_BUSY) {
        return HR_RESPONDER_REFUSED;
    }
    return err == HR_TIMEOUT ? HR_RESPONDER_SILENT : HR_RESPONDER_FAILED;
}

/* Keeps @reply if it is better than what there is. With no memory the request ends with an error instead. */
static void keep_refusal(struct hr_bus_lattice_request *request, const struct hr_bus_msg *reply)
{
    if (reply && (!request->refusal || rank_of(reply) > rank_of(&request->refusal->view))) {
        struct hr_bus_message *copy = hr_bus_message_new(reply, reply->reply_to);
        if (copy) {
            hr_bus_message_unref(request->refusal);
            request->refusal = copy;
        }
    }
}

/* What the requester is told if nobody does better than @err. */
static void keep_error(struct hr_bus_lattice_request *request, enum hr_err err, bool untouched)
{
    bool doubtful = !untouched && err != HR_TIMEOUT && request->repeat != HR_BUS_SAFE;
    if (doubtful) {
        request->err = HR_UNKNOWN_OUTCOME;
    } else if (request->err != HR_UNKNOWN_OUTCOME) {
        request->err = err;
    }
}

/* An attempt has ended without a good answer. */
static void go_on(struct hr_bus_lattice_request *request, enum hr_err err,
                  const struct hr_bus_msg *reply)
{
    bool untouched = is_untouched(err, reply);
    bool may_repeat = request->repeat != HR_BUS_ONCE || untouched;
    if (!reply) {
        keep_error(request, err, untouched);
    }
    bool is_judged = reply && rank_of(reply) == RANK_JUDGED;
    if (may_repeat && !is_judged && !is_under_way(request) && send_to_next(request, false)) {
        fail_over(request);
    }
    if (!hr_list_empty(&request->attempts) && hr_now_ns() < request->due_ns) {
        keep_refusal(request, reply);
        return;
    }
    bool is_best =
        reply && (!request->refusal || rank_of(reply) > rank_of(&request->refusal->view));
    const struct hr_bus_msg *best = is_best            ? reply
                                    : request->refusal ? &request->refusal->view
                                                       : NULL;
    if (best && rank_of(best) == RANK_JUDGED && is_doubtful(request)) {
        complete(request, request->err, NULL);
    } else if (is_best) {
        complete(request, HR_OK, reply);
    } else if (request->refusal) {
        complete(request, HR_OK, &request->refusal->view);
    } else {
        complete(request, request->err ? request->err : HR_NO_MEMORY, NULL);
    }
}

void hr_bus_lattice_on_answer(struct hr_bus_lattice_attempt *attempt, enum hr_err err,
                              const struct hr_bus_msg *reply)
{
    struct hr_bus_lattice_request *request = attempt->request;
    struct hr_bus_port *port = &attempt->port->base;
    bool hedge = attempt->hedge;
    bool exploring = attempt->exploring;
    bool answered = !err && (rank_of(reply) == 0 || rank_of(reply) == RANK_JUDGED);
    hr_bus_lattice_attempt_end(attempt, outcome_of(err, answered, reply));
    bool good = answered && is_good(request, reply);
    if (!err && !answered) {
        hr_bus_lattice_count(port, HR_BUS_LATTICE_REFUSALS);
    }
    if (!request) {
        if (!err && !exploring) {
            hr_bus_lattice_count(port, HR_BUS_LATTICE_REPLIES_DROPPED);
        }
        return;
    }
    if (good) {
        if (hedge) {
            hr_bus_lattice_count(port, HR_BUS_LATTICE_HEDGES_WON);
        }
        complete(request, HR_OK, reply);
        return;
    }
    go_on(request, err, reply);
}

/* --- moving on -------------------------------------------------------------------------------------- */

/* Marks those to be moved on first and moves them then: whatever a callback ends meanwhile leaves the list. */
static struct hr_bus_lattice_attempt *take_moved(struct hr_bus_lattice_port *port)
{
    struct hr_list *node = hr_list_pop_front(&port->moved);
    return node ? HR_LIST_OWNER(node, struct hr_bus_lattice_attempt, in_moved) : NULL;
}

/* Sends the request of @attempt to another one as well; it may still be answered. */
static void replace(struct hr_bus_lattice_attempt *attempt)
{
    struct hr_bus_lattice_request *request = attempt->request;
    attempt->replaced = true;
    if (is_under_way(request)) {
        return; /* a hedge is on its way */
    }
    if (send_to_next(request, true)) {
        fail_over(request);
    } else {
        attempt->replaced = false; /* nobody is better off now: the next sweep looks again */
    }
}

static bool has_stalled(struct hr_bus_lattice_attempt *attempt, uint64_t now_ns)
{
    const struct hr_bus_lattice_request *request = attempt->request;
    if (!request || attempt->replaced || !request->message || request->repeat == HR_BUS_ONCE ||
        !attempt->call.responder) {
        return false;
    }
    bool is_new;
    bool stalled =
        hr_responder_check_stall(&attempt->call, request->repeat != HR_BUS_SAFE, now_ns, &is_new);
    if (is_new) {
        hr_bus_lattice_count(&attempt->port->base, HR_BUS_LATTICE_STALLS);
    }
    return stalled;
}

void hr_bus_lattice_on_sweep(void *arg)
{
    struct hr_bus_lattice_port *port = arg;
    struct hr_bus_lattice_attempt *attempt;
    uint64_t now_ns = hr_now_ns();
    bool more = false;
    hr_bus_lattice_refresh(port);
    for (struct hr_list *node = port->attempts.next; node != &port->attempts; node = node->next) {
        attempt = HR_LIST_OWNER(node, struct hr_bus_lattice_attempt, in_port);
        more = more || (attempt->request && attempt->request->message);
        if (has_stalled(attempt, now_ns)) {
            hr_list_push_back(&port->moved, &attempt->in_moved);
        }
    }
    if (more) {
        hr_loop_timer_start(port->base.loop, &port->sweep_timer, HR_BUS_LATTICE_SWEEP_MS);
    }
    while ((attempt = take_moved(port))) {
        replace(attempt);
    }
}

/* Whether @attempt has to do without its host; @ret_leaving: it may still be answered. */
static bool has_lost_host(const struct hr_bus_lattice_attempt *attempt, bool *ret_leaving)
{
    const struct hr_lattice_table *table = attempt->port->table;
    *ret_leaving = false;
    if (attempt->plain) {
        return !table->connected;
    }
    if (attempt->host == HR_BUS_LATTICE_HERE) {
        return false;
    }
    const struct hr_lattice_table_host *host = hr_lattice_table_find(table, attempt->host);
    *ret_leaving = host && host->leaving;
    return !host || host->leaving;
}

static void lose_host(struct hr_bus_lattice_attempt *attempt)
{
    struct hr_bus_lattice_request *request = attempt->request;
    bool is_leaving;
    HR_IGNORE(has_lost_host(attempt, &is_leaving)); /* that it has is why it is here */
    if (is_leaving) {
        if (request && request->repeat != HR_BUS_ONCE && !attempt->replaced) {
            replace(attempt);
        }
        return;
    }
    hr_bus_lattice_attempt_end(attempt, HR_RESPONDER_FAILED);
    if (request) {
        go_on(request, request->repeat == HR_BUS_SAFE ? HR_NO_RESPONDERS : HR_UNKNOWN_OUTCOME,
              NULL);
    }
}

void hr_bus_lattice_on_table(void *arg)
{
    struct hr_bus_lattice_port *port = arg;
    struct hr_bus_lattice_attempt *attempt;
    bool is_leaving;
    for (struct hr_list *node = port->attempts.next; node != &port->attempts; node = node->next) {
        attempt = HR_LIST_OWNER(node, struct hr_bus_lattice_attempt, in_port);
        if (has_lost_host(attempt, &is_leaving)) {
            hr_list_push_back(&port->moved, &attempt->in_moved);
        }
    }
    while ((attempt = take_moved(port))) {
        lose_host(attempt);
    }
}

/* --- the operation ---------------------------------------------------------------------------------- */

/* A copy to somebody who has not been measured for a while: the answer goes to nobody. */
static void explore(struct hr_bus_lattice_request *request, const struct hr_bus_msg *msg,
                    struct hr_responder_option *options, size_t count)
{
    struct hr_bus_lattice_port *port = port_of(request);
    struct hr_bus_lattice_attempt *attempt;
    struct hr_responder_option *option =
        hr_responders_explore(port->responders, hr_now_ns(), options, count);
    if (option && !hr_bus_lattice_attempt(request, msg, option, false, &attempt)) {
        attempt->exploring = true;
        hr_bus_lattice_attempt_lose(attempt);
        hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_EXPLORATIONS);
    }
}

/* Nobody has announced the subject: whoever hears it on NATS, or else the local bus says that nobody does. */
static enum hr_err send_plain(struct hr_bus_lattice_request *request, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = port_of(request);
    struct hr_bus_lattice_attempt *attempt;
    bool plain = port->table->connected && !hr_bus_lattice_is_local(msg->subject);
    enum hr_err err = hr_bus_lattice_attempt(request, msg, NULL, plain, &attempt);
    if (err == HR_CLOSED && plain) { /* NATS has just gone */
        plain = false;
        err = hr_bus_lattice_attempt(request, msg, NULL, false, &attempt);
    }
    if (!err) {
        hr_bus_lattice_count(&port->base, plain ? HR_BUS_LATTICE_PLAIN : HR_BUS_LATTICE_LOCAL);
    }
    return err;
}

static enum hr_err start(struct hr_bus_lattice_request *request, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = port_of(request);
    struct hr_responder_option options[HR_BUS_LATTICE_OPTIONS_MAX];
    struct hr_bus_lattice_attempt *attempt;
    size_t well;
    size_t count = hr_bus_lattice_candidates(port, request, msg->subject, options, &well);
    hr_responders_count_request(port->responders);
    if (count == 0) {
        return send_plain(request, msg);
    }
    if (count > 1) {
        request->message = hr_bus_message_new(msg, HR_STR(""));
        if (!request->message) {
            return HR_NO_MEMORY;
        }
    }
    enum hr_err err = send_to_best(request, msg, options, count, &attempt);
    if (err) {
        return err;
    }
    hr_bus_lattice_count(&port->base, attempt->host == HR_BUS_LATTICE_HERE ? HR_BUS_LATTICE_LOCAL
                                                                           : HR_BUS_LATTICE_REMOTE);
    if (request->repeat == HR_BUS_SAFE && count > 1) {
        explore(request, msg, options, count);
    }
    return HR_OK;
}

enum hr_err hr_bus_lattice_request(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                   uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                   struct hr_bus_request **ret_request)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    if (port->request_count >= HR_BUS_REQUESTS_MAX) {
        return HR_BUSY;
    }
    struct hr_bus_lattice_request *request = hr_bus_lattice_request_new(port, 0);
    if (!request) {
        return HR_NO_MEMORY;
    }
    hr_bus_lattice_refresh(port);
    request->repeat = msg->repeat;
    request->reply_cb = cb;
    request->arg = arg;
    request->due_ns = hr_now_ns() + timeout_ms * NS_PER_MS;
    enum hr_err err = start(request, msg);
    if (err) {
        hr_loop_timer_stop(base->loop, &request->timer);
        hr_bus_lattice_request_free(request);
        return err;
    }
    hr_bus_lattice_attach(request);
    if (ret_request) {
        *ret_request = &request->base;
    }
    return HR_OK;
}
