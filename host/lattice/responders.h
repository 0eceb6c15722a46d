/* How well those answer who can be asked: what one loop has learned about each responder, whom it asks next,
 * when it asks a second one as well, and how often it may. Pure and deterministic: the caller brings the time
 * (monotonic nanoseconds) and a seed. One thread.
 *
 * A responder is one served subject of one host, known by a number that its finder makes. Of each is kept:
 * - the smoothed round trip and its spread, as RFC 6298 has them (gains 1/8 and 1/4), but that one sample counts
 *   for no more than round trip + 8 * spread: a single stall does not make a fast responder a slow one, several
 *   do. What was not measured for HR_RESPONDER_STALE_NS starts over with the next measurement;
 * - a histogram of round trips in buckets of an eighth of an octave. When it has HR_RESPONDER_SAMPLES_MAX
 *   samples all counts are halved, so that it forgets: the last few hundred decide. Its 95th percentile is off
 *   by at most one bucket (12.5 %) upwards. Of fewer than HR_RESPONDER_SAMPLES_MIN samples the percentile is
 *   not used, but round trip + 4 * spread.
 * - the calls under way, oldest first, and when it was last heard;
 * - its failures in a row. After one it is avoided for HR_RESPONDER_PENALTY_MIN_NS, twice that after the next,
 *   up to _MAX_NS; then one request tries it again, and the others wait for how that ends.
 *
 * It has stalled when its oldest call is older than twice its 95th percentile (bounded below) and nothing has
 * been heard from it since that call began; for what changes something, see HR_RESPONDER_STALL_WRITE_NS. It is avoided until it answers something; one request tries it
 * every HR_RESPONDER_PROBE_NS.
 */
#ifndef HR_RESPONDERS_H
#define HR_RESPONDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

#define HR_RESPONDERS_MAX 4096u
#define HR_RESPONDER_SAMPLES_MAX 512u
#define HR_RESPONDER_SAMPLES_MIN 20u
#define HR_RESPONDER_HEDGE_MIN_NS ((uint64_t)2000000)
#define HR_RESPONDER_HEDGE_MAX_NS ((uint64_t)250000000)
#define HR_RESPONDER_STALL_MIN_NS ((uint64_t)100000000)
#define HR_RESPONDER_STALL_MAX_NS ((uint64_t)250000000)
/* A request that changes something is moved on by its own age alone: only once the responder may not begin it any
 * more (HR_RESPONDER_WRITE_VALID_MS, which it is told), so that it cannot be done late, over what was done after it
 * elsewhere. */
#define HR_RESPONDER_WRITE_VALID_MS 1500u
#define HR_RESPONDER_STALL_WRITE_NS ((uint64_t)1700000000)
#define HR_RESPONDER_PENALTY_MIN_NS ((uint64_t)100000000)
#define HR_RESPONDER_PENALTY_MAX_NS ((uint64_t)5000000000)
#define HR_RESPONDER_PROBE_NS ((uint64_t)2000000000)
/* Exploration: of one not measured for this long, one copy an interval however many there are. */
#define HR_RESPONDER_STALE_NS ((uint64_t)2000000000)
#define HR_RESPONDERS_EXPLORE_NS ((uint64_t)250000000)
/* The budget, in thousandths of a hedge. */
#define HR_RESPONDERS_TOKENS_EACH 50u
#define HR_RESPONDERS_TOKENS_MAX 10000u

struct hr_responders;
struct hr_responder;

/* Somebody who could be asked. */
struct hr_responder_option {
    struct hr_responder *responder;
    uint64_t prior_ns; /* what is known of its round trip besides; 0 = nothing */
    bool here;         /* this host: comes first as long as it is well */
    uint64_t owner;    /* the caller's */
};

/* A request on its way to a responder; embedded in what it is about. */
struct hr_responder_call {
    struct hr_list node;
    struct hr_responder *responder;
    uint64_t began_ns;
};

enum hr_responder_outcome {
    HR_RESPONDER_ANSWERED, /* a good reply: a measurement */
    HR_RESPONDER_REFUSED,  /* it is there, and does not want it: a failure */
    HR_RESPONDER_DECLINED, /* it is well, but cannot do this one: no failure, and no measurement */
    HR_RESPONDER_FAILED,   /* nobody is there: a failure */
    HR_RESPONDER_SILENT,   /* no answer in all the time there was: a failure */
    HR_RESPONDER_FORGOTTEN /* nobody waits any more: says nothing */
};

struct hr_responder_view {
    uint64_t round_trip_ns; /* smoothed; 0 = never measured */
    uint64_t spread_ns;
    uint64_t p95_ns;
    uint32_t outstanding;
    bool stalled;
    bool penalised;
};

/* NULL when memory is out. Returns own: hr_responders_free. */
struct hr_responders *hr_responders_new(uint64_t seed, uint64_t now_ns);
/* No call is under way. Accepts NULL. */
void hr_responders_free(struct hr_responders *responders);

/* The responder of number @key, made if it is not there; beyond HR_RESPONDERS_MAX the one that was looked up
 * longest ago and has no call under way makes room. NULL when there is no room, or memory is out. Valid for
 * the next HR_RESPONDERS_MAX / 2 calls of this function, and while a call is under way. */
struct hr_responder *hr_responders_get(struct hr_responders *responders, uint64_t key,
                                       uint64_t now_ns);
void hr_responder_view(const struct hr_responder *responder, uint64_t now_ns,
                       struct hr_responder_view *ret_view);

/* Puts the best one first, the others behind it in order; those that are avoided come last. One that is due
 * to be tried again counts as well, but not for a request that @only_once can be sent to somebody, as long as
 * there are others that it owes an answer. Returns how many of them are well, at the front. */
size_t hr_responders_order(struct hr_responders *responders, bool only_once, uint64_t now_ns,
                           struct hr_responder_option *options, size_t count);
/* Which of @options, but for the first, should get a copy to be measured by; NULL if none is due. */
struct hr_responder_option *hr_responders_explore(struct hr_responders *responders, uint64_t now_ns,
                                                  struct hr_responder_option *options,
                                                  size_t count);

/* A request came in: the budget grows. */
void hr_responders_count_request(struct hr_responders *responders);
/* Takes a hedge out of the budget; false if there is none. */
bool hr_responders_take_hedge(struct hr_responders *responders);
/* How long to wait for an answer before asking a second one: the 95th percentile, within bounds. */
uint64_t hr_responder_hedge_delay_ns(const struct hr_responder *responder, uint64_t prior_ns);

void hr_responder_begin(struct hr_responder *responder, struct hr_responder_call *call,
                        uint64_t now_ns);
void hr_responder_end(struct hr_responder_call *call, enum hr_responder_outcome outcome,
                      uint64_t now_ns);
/* Whether @call should be moved on because its responder has stalled; if so, the responder is avoided from now
 * on. @is_write: it changes something. @ret_new says whether the stall is news. */
bool hr_responder_check_stall(struct hr_responder_call *call, bool is_write, uint64_t now_ns,
                              bool *ret_new);

#endif
