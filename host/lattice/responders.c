/* Estimates of responders, and choosing by them: see responders.h for what is kept and why. */
#include "host/lattice/responders.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define BUCKETS 512u
#define NS_PER_US 1000u
/* Round trips in microseconds: eight exact buckets, then eight for each doubling, up to 2^26 (67 s). */
#define OCTAVE_BITS 3u
#define OCTAVE_MAX 25u
#define SAMPLE_BUCKETS ((OCTAVE_MAX - OCTAVE_BITS + 2) << OCTAVE_BITS)
#define UNKNOWN_P95_NS ((uint64_t)50000000) /* of one that nothing is known of */
/* Classes of options, best first; the same again, moved by AVOIDED, for those that are avoided. */
#define CLASS_HERE 0u
#define CLASS_KNOWN 1u
#define CLASS_UNKNOWN 2u
#define CLASS_AVOIDED 3u

struct hr_responder {
    struct hr_list in_bucket;
    struct hr_list in_age; /* responders->by_age */
    uint64_t key;
    uint64_t round_trip_ns;
    uint64_t spread_ns;
    uint64_t measured_ns; /* when; 0 = never */
    uint64_t explored_ns;
    uint64_t heard_ns;
    uint64_t avoid_until_ns; /* of one that failed or stalled: when it may be tried again */
    uint32_t failures;       /* in a row */
    bool stalled;
    uint32_t outstanding;
    struct hr_list calls;              /* oldest first */
    struct hr_responder_call *unheard; /* the first that began after it was heard last, or NULL */
    uint32_t sample_count;
    uint16_t samples[SAMPLE_BUCKETS];
};

struct hr_responders {
    struct hr_list buckets[BUCKETS];
    struct hr_list by_age; /* looked up longest ago first */
    uint32_t count;
    uint32_t tokens;
    uint64_t explore_next_ns;
    uint64_t dice;
};

/* --- the table -------------------------------------------------------------------------------------- */

struct hr_responders *hr_responders_new(uint64_t seed, uint64_t now_ns)
{
    struct hr_responders *responders = hr_alloc(sizeof *responders);
    if (!responders) {
        return NULL;
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        hr_list_init(&responders->buckets[i]);
    }
    hr_list_init(&responders->by_age);
    responders->tokens = HR_RESPONDERS_TOKENS_MAX;
    responders->explore_next_ns = now_ns;
    responders->dice = seed;
    return responders;
}

static void drop(struct hr_responders *responders, struct hr_responder *responder)
{
    hr_list_remove(&responder->in_bucket);
    hr_list_remove(&responder->in_age);
    responders->count--;
    hr_free(responder);
}

void hr_responders_free(struct hr_responders *responders)
{
    if (!responders) {
        return;
    }
    while (!hr_list_empty(&responders->by_age)) {
        struct hr_responder *responder =
            HR_LIST_OWNER(responders->by_age.next, struct hr_responder, in_age);
        HR_ASSERT(responder->outstanding == 0);
        drop(responders, responder);
    }
    hr_free(responders);
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t roll(struct hr_responders *responders, uint64_t below)
{
    uint64_t z = (responders->dice += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % below;
}

/* False if all that are there have calls under way. */
static bool make_room(struct hr_responders *responders)
{
    if (responders->count < HR_RESPONDERS_MAX) {
        return true;
    }
    for (struct hr_list *node = responders->by_age.next; node != &responders->by_age;
         node = node->next) {
        struct hr_responder *responder = HR_LIST_OWNER(node, struct hr_responder, in_age);
        if (responder->outstanding == 0) {
            drop(responders, responder);
            return true;
        }
    }
    return false;
}

static struct hr_responder *add(struct hr_responders *responders, struct hr_list *bucket,
                                uint64_t key, uint64_t now_ns)
{
    struct hr_responder *responder = make_room(responders) ? hr_alloc(sizeof *responder) : NULL;
    if (!responder) {
        return NULL;
    }
    responder->key = key;
    responder->explored_ns = now_ns > HR_RESPONDER_STALE_NS ? now_ns - HR_RESPONDER_STALE_NS : 0;
    hr_list_init(&responder->calls);
    hr_list_push_back(bucket, &responder->in_bucket);
    hr_list_push_back(&responders->by_age, &responder->in_age);
    responders->count++;
    return responder;
}

struct hr_responder *hr_responders_get(struct hr_responders *responders, uint64_t key,
                                       uint64_t now_ns)
{
    struct hr_list *bucket = &responders->buckets[key % BUCKETS];
    for (struct hr_list *node = bucket->next; node != bucket; node = node->next) {
        struct hr_responder *responder = HR_LIST_OWNER(node, struct hr_responder, in_bucket);
        if (responder->key == key) {
            hr_list_remove(&responder->in_age);
            hr_list_push_back(&responders->by_age, &responder->in_age);
            return responder;
        }
    }
    return add(responders, bucket, key, now_ns);
}

/* --- round trips ------------------------------------------------------------------------------------ */

/* The bucket of @us microseconds: its bits after the first one, and how many there are. */
static uint32_t bucket_of(uint64_t us)
{
    if (us < 1u << OCTAVE_BITS) {
        return (uint32_t)us;
    }
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(us);
    if (octave > OCTAVE_MAX) {
        return SAMPLE_BUCKETS - 1;
    }
    uint32_t rest = (uint32_t)(us >> (octave - OCTAVE_BITS)) & ((1u << OCTAVE_BITS) - 1);
    return ((octave - OCTAVE_BITS + 1) << OCTAVE_BITS) | rest;
}

/* The first number of microseconds that is past @bucket. */
static uint64_t bucket_end_us(uint32_t bucket)
{
    if (bucket < 1u << OCTAVE_BITS) {
        return bucket + 1u;
    }
    uint32_t shift = (bucket >> OCTAVE_BITS) - 1;
    uint64_t rest = bucket & ((1u << OCTAVE_BITS) - 1);
    return ((1u << OCTAVE_BITS) + rest + 1) << shift;
}

static void halve_samples(struct hr_responder *responder)
{
    responder->sample_count = 0;
    for (uint32_t i = 0; i < SAMPLE_BUCKETS; i++) {
        responder->samples[i] /= 2;
        responder->sample_count += responder->samples[i];
    }
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void smooth(struct hr_responder *responder, uint64_t round_trip_ns)
{
    uint64_t smoothed_ns = responder->round_trip_ns;
    uint64_t reach_ns = 8 * responder->spread_ns;
    reach_ns =
        reach_ns > smoothed_ns / 2 ? reach_ns : smoothed_ns / 2; /* also with no spread yet */
    if (round_trip_ns > smoothed_ns + reach_ns) {
        round_trip_ns = smoothed_ns + reach_ns;
    }
    responder->spread_ns = (3 * responder->spread_ns + distance(smoothed_ns, round_trip_ns)) / 4;
    responder->round_trip_ns = (7 * smoothed_ns + round_trip_ns) / 8;
}

static void measure(struct hr_responder *responder, uint64_t round_trip_ns, uint64_t now_ns)
{
    bool is_stale = now_ns >= responder->measured_ns + HR_RESPONDER_STALE_NS;
    if (responder->measured_ns == 0 || is_stale) {
        responder->round_trip_ns = round_trip_ns;
        responder->spread_ns = round_trip_ns / 2;
        halve_samples(responder); /* soon there are too few of them to go by */
    } else {
        smooth(responder, round_trip_ns);
    }
    responder->measured_ns = now_ns;
    responder->samples[bucket_of(round_trip_ns / NS_PER_US)]++;
    responder->sample_count++;
    if (responder->sample_count >= HR_RESPONDER_SAMPLES_MAX) {
        halve_samples(responder);
    }
}

static uint64_t histogram_p95_ns(const struct hr_responder *responder)
{
    uint32_t above = 0;
    uint32_t bucket = SAMPLE_BUCKETS;
    while (bucket > 0 && above <= responder->sample_count / 20) {
        above += responder->samples[--bucket];
    }
    return bucket_end_us(bucket) * NS_PER_US;
}

static uint64_t p95_ns(const struct hr_responder *responder, uint64_t prior_ns)
{
    if (responder->sample_count >= HR_RESPONDER_SAMPLES_MIN) {
        return histogram_p95_ns(responder);
    }
    if (responder->measured_ns) {
        return responder->round_trip_ns + 4 * responder->spread_ns;
    }
    return prior_ns ? 3 * prior_ns : UNKNOWN_P95_NS; /* 3: as after a first measurement */
}

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

uint64_t hr_responder_hedge_delay_ns(const struct hr_responder *responder, uint64_t prior_ns)
{
    return clamp(p95_ns(responder, prior_ns), HR_RESPONDER_HEDGE_MIN_NS, HR_RESPONDER_HEDGE_MAX_NS);
}

static bool is_avoided(const struct hr_responder *responder)
{
    return responder->stalled || responder->failures > 0;
}

void hr_responder_view(const struct hr_responder *responder, uint64_t now_ns,
                       struct hr_responder_view *ret_view)
{
    *ret_view = (struct hr_responder_view){
        .round_trip_ns = responder->round_trip_ns,
        .spread_ns = responder->spread_ns,
        .p95_ns = p95_ns(responder, 0),
        .outstanding = responder->outstanding,
        .stalled = responder->stalled,
        .penalised = responder->failures > 0 && now_ns < responder->avoid_until_ns,
    };
}

/* --- choosing --------------------------------------------------------------------------------------- */

/* What an option is sorted by, most significant first. Round trips that share a bucket are the same: of those
 * the one with fewer calls under way goes first. */
struct rank {
    uint32_t class;
    uint32_t bucket;
    uint32_t outstanding;
    uint64_t round_trip_ns;
    uint64_t key;
};

static struct rank rank_of(const struct hr_responder_option *option, bool only_once,
                           uint64_t now_ns)
{
    const struct hr_responder *responder = option->responder;
    uint64_t round_trip_ns = responder->measured_ns ? responder->round_trip_ns : option->prior_ns;
    struct rank rank = {
        .class = option->here    ? CLASS_HERE
                 : round_trip_ns ? CLASS_KNOWN
                                 : CLASS_UNKNOWN,
        .bucket = bucket_of(round_trip_ns / NS_PER_US),
        .outstanding = responder->outstanding,
        .round_trip_ns = round_trip_ns,
        .key = responder->key,
    };
    bool is_due =
        now_ns >= responder->avoid_until_ns && (!only_once || responder->outstanding == 0);
    if (is_avoided(responder) && !is_due) {
        rank.class += CLASS_AVOIDED;
    }
    return rank;
}

static bool is_before(const struct rank *a, const struct rank *b)
{
    if (a->class != b->class) {
        return a->class < b->class;
    }
    if (a->bucket != b->bucket) {
        return a->bucket < b->bucket;
    }
    if (a->outstanding != b->outstanding) {
        return a->outstanding < b->outstanding;
    }
    if (a->round_trip_ns != b->round_trip_ns) {
        return a->round_trip_ns < b->round_trip_ns;
    }
    return a->key < b->key;
}

/* By insertion: there are few, and mostly in order. */
size_t hr_responders_order(struct hr_responders *responders, bool only_once, uint64_t now_ns,
                           struct hr_responder_option *options, size_t count)
{
    (void)responders;
    size_t well = 0;
    for (size_t i = 0; i < count; i++) {
        struct hr_responder_option option = options[i];
        struct rank rank = rank_of(&option, only_once, now_ns);
        well += rank.class < CLASS_AVOIDED;
        size_t at = i;
        while (at > 0) {
            struct rank before = rank_of(&options[at - 1], only_once, now_ns);
            if (!is_before(&rank, &before)) {
                break;
            }
            options[at] = options[at - 1];
            at--;
        }
        options[at] = option;
    }
    return well;
}

/* When @responder was measured, or meant to be, last. */
static uint64_t looked_at_ns(const struct hr_responder *responder)
{
    return responder->measured_ns > responder->explored_ns ? responder->measured_ns
                                                           : responder->explored_ns;
}

struct hr_responder_option *hr_responders_explore(struct hr_responders *responders, uint64_t now_ns,
                                                  struct hr_responder_option *options, size_t count)
{
    if (now_ns < responders->explore_next_ns) {
        return NULL;
    }
    struct hr_responder_option *longest = NULL;
    for (size_t i = 1; i < count; i++) {
        uint64_t looked_ns = looked_at_ns(options[i].responder);
        if (looked_ns + HR_RESPONDER_STALE_NS <= now_ns &&
            (!longest || looked_ns < looked_at_ns(longest->responder))) {
            longest = &options[i];
        }
    }
    if (longest) {
        longest->responder->explored_ns = now_ns;
        /* Uneven, so that hosts which started together do not go on exploring together. */
        responders->explore_next_ns =
            now_ns + HR_RESPONDERS_EXPLORE_NS + roll(responders, HR_RESPONDERS_EXPLORE_NS / 2);
    }
    return longest;
}

void hr_responders_count_request(struct hr_responders *responders)
{
    responders->tokens += HR_RESPONDERS_TOKENS_EACH;
    if (responders->tokens > HR_RESPONDERS_TOKENS_MAX) {
        responders->tokens = HR_RESPONDERS_TOKENS_MAX;
    }
}

bool hr_responders_take_hedge(struct hr_responders *responders)
{
    if (responders->tokens < 1000) {
        return false;
    }
    responders->tokens -= 1000;
    return true;
}

/* --- calls ------------------------------------------------------------------------------------------ */

static uint64_t penalty_ns(const struct hr_responder *responder)
{
    if (responder->stalled) {
        return HR_RESPONDER_PROBE_NS;
    }
    uint64_t penalty = HR_RESPONDER_PENALTY_MIN_NS;
    for (uint32_t i = 1; i < responder->failures && penalty < HR_RESPONDER_PENALTY_MAX_NS; i++) {
        penalty *= 2;
    }
    return clamp(penalty, HR_RESPONDER_PENALTY_MIN_NS, HR_RESPONDER_PENALTY_MAX_NS);
}

void hr_responder_begin(struct hr_responder *responder, struct hr_responder_call *call,
                        uint64_t now_ns)
{
    call->responder = responder;
    call->began_ns = now_ns;
    hr_list_push_back(&responder->calls, &call->node);
    responder->outstanding++;
    if (!responder->unheard) {
        responder->unheard = call;
    }
    if (is_avoided(responder) && now_ns >= responder->avoid_until_ns) {
        responder->avoid_until_ns = now_ns + penalty_ns(responder); /* others wait for this one */
    }
}

static void hear(struct hr_responder *responder, uint64_t now_ns)
{
    responder->heard_ns = now_ns;
    responder->unheard = NULL;
    responder->stalled = false;
}

static void fail(struct hr_responder *responder, uint64_t now_ns)
{
    if (responder->failures < UINT32_MAX) {
        responder->failures++;
    }
    responder->avoid_until_ns = now_ns + penalty_ns(responder);
}

static void leave(struct hr_responder_call *call)
{
    struct hr_responder *responder = call->responder;
    if (responder->unheard == call) {
        struct hr_list *next = call->node.next;
        responder->unheard =
            next == &responder->calls ? NULL : HR_LIST_OWNER(next, struct hr_responder_call, node);
    }
    hr_list_remove(&call->node);
    HR_ASSERT(responder->outstanding > 0);
    responder->outstanding--;
    call->responder = NULL;
}

void hr_responder_end(struct hr_responder_call *call, enum hr_responder_outcome outcome,
                      uint64_t now_ns)
{
    struct hr_responder *responder = call->responder;
    bool was_heard = responder->heard_ns >= call->began_ns;
    leave(call);
    switch (outcome) {
    case HR_RESPONDER_ANSWERED:
        hear(responder, now_ns);
        measure(responder, now_ns - call->began_ns, now_ns);
        responder->failures = 0;
        responder->avoid_until_ns = 0;
        break;
    case HR_RESPONDER_DECLINED:
        hear(responder, now_ns);
        responder->failures = 0;
        responder->avoid_until_ns = 0;
        break;
    case HR_RESPONDER_REFUSED:
        hear(responder, now_ns);
        fail(responder, now_ns);
        break;
    case HR_RESPONDER_FAILED:
        fail(responder, now_ns);
        break;
    case HR_RESPONDER_SILENT:
        if (!was_heard) {
            fail(responder, now_ns);
        }
        break;
    case HR_RESPONDER_FORGOTTEN:
        break;
    }
}

bool hr_responder_check_stall(struct hr_responder_call *call, bool is_write, uint64_t now_ns,
                              bool *ret_new)
{
    struct hr_responder *responder = call->responder;
    *ret_new = false;
    if (!responder->unheard) {
        return false; /* it has answered others since: this call is only a long one */
    }
    uint64_t limit_ns =
        responder->measured_ns
            ? clamp(2 * p95_ns(responder, 0), HR_RESPONDER_STALL_MIN_NS, HR_RESPONDER_STALL_MAX_NS)
            : HR_RESPONDER_STALL_MAX_NS;
    bool is_over = is_write ? now_ns - call->began_ns > HR_RESPONDER_STALL_WRITE_NS
                            : now_ns - responder->unheard->began_ns > limit_ns;
    if (is_over && !responder->stalled) {
        responder->stalled = true;
        responder->avoid_until_ns = now_ns + HR_RESPONDER_PROBE_NS;
        *ret_new = true;
    }
    return is_over || (responder->stalled && !is_write);
}
