/* Attempts. */
#include "sim/request.h"

#include <stdio.h>

#include "sim/client.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

#define BEGIN_US (1500 * SIM_MS)
#define MOVE_US (1700 * SIM_MS)

static bool reads(const struct sim_op *op)
{
    return op->kind == SIM_OP_GET || op->kind == SIM_OP_LIST;
}

/* --- names -------------------------------------------------------------------------------------------- */

bool sim_request_of(struct sim_world *world, struct hr_str inbox, struct sim_op **ret_op,
                    uint32_t *ret_attempt)
{
    struct hr_str rest = hr_str_from(inbox, sizeof "_INBOX.c" - 1);
    size_t dot = hr_str_find(rest, '.', 0);
    uint64_t number;
    uint64_t attempt;
    if (dot == SIZE_MAX || !hr_str_to_u64(hr_str_of(rest.ptr, dot), &number) ||
        !hr_str_to_u64(hr_str_from(rest, dot + 1), &attempt)) {
        return false;
    }
    struct sim_op *op = sim_clients_op(world, number);
    if (!op || attempt >= op->attempt_count) {
        return false;
    }
    *ret_op = op;
    *ret_attempt = (uint32_t)attempt;
    return true;
}

static uint32_t site_of(const struct sim_world *world, const struct sim_op *op)
{
    return op->client == SIM_NOWHERE ? world->hosts[op->attempts[0].host].site : op->home;
}

bool sim_request_site(struct sim_world *world, struct hr_str inbox, uint32_t *ret_site)
{
    struct sim_op *op;
    uint32_t attempt;
    if (!sim_request_of(world, inbox, &op, &attempt)) {
        return false;
    }
    *ret_site = site_of(world, op);
    return true;
}

/* --- attempts ----------------------------------------------------------------------------------------- */

static void arrange(struct sim_world *world, const struct sim_op *op, sim_us in,
                    enum sim_request_event what)
{
    struct sim_event event = sim_event_of(SIM_EVENT_CLIENT, world->now + in, op->number);
    event.life = what;
    sim_events_add(&world->events, event);
}

static bool tried(const struct sim_op *op, uint32_t host)
{
    for (uint32_t i = 0; i < op->attempt_count; i++) {
        if (op->attempts[i].host == host) {
            return true;
        }
    }
    return false;
}

/* The next host to ask, as somebody at the client's site sees it: of the own site first. */
static struct sim_host *next_host(struct sim_world *world, const struct sim_op *op)
{
    uint32_t home = site_of(world, op);
    const struct sim_host *eyes = NULL;
    for (uint32_t i = 0; i < 2; i++) {
        struct sim_host *host = &world->hosts[home * 2 + (i ^ op->home_host)];
        if (host->up && !tried(op, host->index)) {
            return host;
        }
        eyes = host->up ? host : eyes;
    }
    uint64_t first = sim_random_below(&world->net_random, world->shape->site_count);
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        uint32_t site = (uint32_t)(first + i) % world->shape->site_count;
        struct sim_host *host = sim_net_pick(world, site, NULL);
        bool seen = eyes ? sim_net_alive(world, eyes, site) : true;
        if (site != home && host && seen && !tried(op, host->index)) {
            return host;
        }
    }
    return NULL;
}

static void send(struct sim_world *world, struct sim_op *op, struct sim_host *host)
{
    char subject[64];
    char body[SIM_BODY_BYTES_MAX];
    char inbox[48];
    struct sim_attempt *attempt = &op->attempts[op->attempt_count];
    *attempt =
        (struct sim_attempt){.host = host->index, .sent_at = world->now, .change = SIM_NOWHERE};
    snprintf(inbox, sizeof inbox, "_INBOX.c%u.%u", op->number, op->attempt_count++);
    sim_clients_subject(op, subject, sizeof subject);
    sim_clients_body(op, body, sizeof body);
    struct sim_letter *letter =
        sim_letter_new(SIM_LETTER_MESSAGE, hr_str_c(subject), hr_str_c(body), hr_str_c(inbox));
    bool moves = op->identified && !reads(op);
    letter->due = world->now + (moves ? BEGIN_US : SIM_PATIENCE_US);
    struct sim_event event = sim_event_of(SIM_EVENT_DELIVER, 0, host->index);
    event.life = host->life;
    event.data = letter;
    sim_trace_say(world, host->site, "client %d asks: %s %s (request %u.%u)", (int)op->client,
                  subject, body, op->number, op->attempt_count - 1);
    unsigned copies = sim_net_send(world, site_of(world, op), host->site, event);
    op->copies += copies;
    op->maybe = op->maybe || copies > 1; /* the second one may come when all is said */
    if (reads(op) && op->attempt_count == 1) {
        arrange(world, op, 20 * SIM_MS + sim_random_below(&world->net_random, 230 * SIM_MS),
                SIM_REQUEST_MOVES_ON);
    } else if (moves || reads(op)) {
        arrange(world, op, reads(op) ? 250 * SIM_MS : MOVE_US, SIM_REQUEST_MOVES_ON);
    }
}

static uint32_t unanswered(const struct sim_op *op)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < op->attempt_count; i++) {
        count += !op->attempts[i].answered;
    }
    return count;
}

static void end(struct sim_world *world, struct sim_op *op, enum sim_outcome outcome,
                struct hr_str reply)
{
    op->outcome = outcome;
    sim_clients_answered(world, op, reply);
}

/* Asks the next one. If there is nobody, and nobody may answer any more, that is the end. */
static void move_on(struct sim_world *world, struct sim_op *op)
{
    struct sim_host *host = op->client == SIM_NOWHERE || op->attempt_count == SIM_ATTEMPTS_MAX
                                ? NULL
                                : next_host(world, op);
    if (host) {
        send(world, op, host);
    } else if (unanswered(op) == 0) {
        bool maybe = op->maybe && !reads(op);
        end(world, op, maybe ? SIM_UNKNOWN : SIM_NO, (struct hr_str){0});
    }
}

void sim_request_begin(struct sim_world *world, struct sim_op *op, uint32_t only)
{
    arrange(world, op, SIM_PATIENCE_US, SIM_REQUEST_GIVES_UP);
    if (only != SIM_NOWHERE) {
        op->attempts[0].host = only; /* for site_of */
        send(world, op, &world->hosts[only]);
    } else {
        move_on(world, op);
    }
}

void sim_request_event(struct sim_world *world, uint32_t number, enum sim_request_event what)
{
    struct sim_op *op = sim_clients_op(world, number);
    if (!op || op->outcome != SIM_PENDING) {
        return;
    }
    if (what == SIM_REQUEST_GIVES_UP) {
        op->maybe = true;
        sim_trace_say(world, site_of(world, op), "request %u: the client gives up", op->number);
        end(world, op, SIM_UNKNOWN, (struct hr_str){0});
    } else if (op->client != SIM_NOWHERE) {
        move_on(world, op);
    }
}

/* --- replies ------------------------------------------------------------------------------------------ */

/* The code of an error's reply; empty: it is none. */
static struct hr_str code_of(struct hr_str body)
{
    struct hr_str error;
    struct hr_str value;
    struct hr_str code = {0};
    if (sim_json_member(body, HR_STR("error"), &error) &&
        sim_json_member(error, HR_STR("code"), &value)) {
        HR_IGNORE(sim_json_string(value, &code)); /* no string: no code */
    }
    return code;
}

static void take_no(struct sim_world *world, struct sim_op *op, const struct sim_letter *letter,
                    struct hr_str code)
{
    bool done =
        hr_str_eq(code, HR_STR("unknown-outcome")) || hr_str_eq(code, HR_STR("too-few-acks"));
    op->maybe = op->maybe || done || letter->kind == SIM_LETTER_FAILED;
    bool moves_on = letter->kind == SIM_LETTER_REFUSED ||
                    (letter->kind == SIM_LETTER_FAILED && (op->identified || reads(op)));
    op->judged = op->judged || letter->kind == SIM_LETTER_JUDGED;
    if (moves_on && !op->judged) {
        move_on(world, op);
        return;
    }
    /* A token of a clock that is far ahead is refused as well. */
    if (hr_str_eq(code, HR_STR("bad-request")) && !op->session) {
        sim_trace_fail(world, "request %u is taken for a bad one: %.*s", op->number,
                       SIM_ARG(letter->body));
    }
    if (op->session && hr_str_eq(code, HR_STR("not-found"))) {
        sim_check_session_absent(world, op);
    }
    if (op->judged && (unanswered(op) > 0 || op->attempt_count > 1)) {
        /* Somebody who was asked before may have done it. */
        if (unanswered(op) == 0) {
            end(world, op, op->maybe ? SIM_UNKNOWN : SIM_NO, letter->body);
        }
        return;
    }
    bool maybe = !reads(op) && (op->maybe || unanswered(op) > 0);
    end(world, op, maybe ? SIM_UNKNOWN : SIM_NO, letter->body);
}

void sim_request_reply(struct sim_world *world, const struct sim_letter *letter)
{
    struct sim_op *op;
    uint32_t number;
    if (!sim_request_of(world, letter->subject, &op, &number)) {
        return;
    }
    struct sim_attempt *attempt = &op->attempts[number];
    bool late = op->outcome != SIM_PENDING || attempt->answered;
    struct hr_str code = code_of(letter->body);
    bool good = letter->kind == SIM_LETTER_MESSAGE && code.len == 0;
    attempt->answered = true;
    sim_trace_say(world, site_of(world, op), "request %u.%u is answered: %s%.*s%s", op->number,
                  number, letter->kind == SIM_LETTER_FAILED ? "it failed " : "",
                  SIM_ARG(letter->body), late ? " (too late)" : "");
    if (late) {
        return;
    }
    if (good) {
        sim_model_told(world, op, number, letter->body);
        end(world, op, SIM_DONE, letter->body);
    } else {
        take_no(world, op, letter, code);
    }
}
