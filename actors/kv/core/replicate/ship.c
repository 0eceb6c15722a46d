/* Sending of changes to this site's own deliveries, and the deliveries. */
#include "actors/kv/core/replicate/ship.h"

#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/acks.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/values/reply.h"

/* --- sending ------------------------------------------------------------------------------------------ */

/* One message of what goes together, in @shipments all of it. */
static enum hr_err send(const struct dkv_env *env, const struct dkv_config *config,
                        const struct dkv_shipment *shipments, size_t count, struct hr_arena *arena,
                        struct hr_diag *diag)
{
    struct dkv_parcel parcel = {.count = 0};
    struct dkv_ship ship = {.count = 0};
    struct dkv_message out = {
        .subject = dkv_route_subject(DKV_ROUTE_SHIP, config, (struct hr_str){0}, arena)};
    parcel.changes = hr_arena_alloc(arena, count * sizeof *parcel.changes);
    ship.waiting = hr_arena_alloc(arena, count * sizeof *ship.waiting);
    enum hr_err err = parcel.changes && ship.waiting && out.subject.ptr ? HR_OK : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < count; i++) {
        const struct dkv_shipment *shipment = &shipments[i];
        parcel.changes[parcel.count++] = shipment->change;
        if (shipment->reply_to.len > 0) {
            struct dkv_waiting *waiting = &ship.waiting[ship.count++];
            waiting->index = parcel.count - 1;
            waiting->reply_to = shipment->reply_to;
            err = dkv_reply_open(config, shipment->answer, arena, &waiting->body);
        }
    }
    if (!err) {
        err = dkv_parcel_encode(&parcel, arena, &ship.changes);
    }
    if (!err) {
        err = dkv_ship_encode(&ship, arena, &out.body);
    }
    return err ? err : env->publish(env->arg, &out, diag);
}

/* Says at once that too few sites hold a change that is no longer in the feed: it cannot be sent again. */
static enum hr_err give_up(const struct dkv_env *env, const struct dkv_config *config,
                           const struct dkv_shipment *shipment, struct hr_arena *arena,
                           struct hr_diag *diag)
{
    const struct dkv_names nobody = {0};
    const struct dkv_acks acks = {1, 1 + (uint32_t)config->other_count};
    struct dkv_message out = {.subject = shipment->reply_to};
    if (shipment->reply_to.len == 0) {
        return HR_OK;
    }
    struct hr_str open;
    enum hr_err err = dkv_reply_open(config, shipment->answer, arena, &open);
    if (!err) {
        err = dkv_reply_too_few(config, acks, &nobody, open, arena, &out.body);
    }
    return err ? err : env->publish(env->arg, &out, diag);
}

static size_t weight(const struct dkv_shipment *shipment)
{
    return shipment->change.len + shipment->answer->value.len;
}

enum hr_err dkv_ship_send(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_shipment *shipments, size_t count,
                          struct hr_arena *arena, size_t *ret_sent, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    *ret_sent = 0;
    while (!err && *ret_sent < count) {
        const struct dkv_shipment *first = &shipments[*ret_sent];
        size_t part = 0;
        size_t bytes = 0;
        while (*ret_sent + part < count && part < DKV_PARCEL_CHANGES_MAX &&
               first[part].change.len > 0 &&
               (part == 0 || bytes + weight(&first[part]) <= DKV_PARCEL_BYTES_GOAL)) {
            bytes += weight(&first[part]);
            part++;
        }
        err = part > 0 ? send(env, config, first, part, arena, diag)
                       : give_up(env, config, first, arena, diag);
        *ret_sent += err ? 0 : (part > 0 ? part : 1);
    }
    return err;
}

/* --- delivering --------------------------------------------------------------------------------------- */

struct delivery {
    const struct dkv_env *env;
    const struct dkv_config *config;
    struct dkv_ship ship;
    size_t change_count;
    bool *answered; /* of each that waits */
    size_t left;    /* that are not */
    /* Who has acknowledged: a site's place in @sites is its bit in @held, which has one row a change. */
    uint16_t sites[DKV_MEMBERS_MAX];
    size_t site_count;
    uint32_t *held;
    bool sibling; /* another host of this site has answered, as it does every time */
    /* As of this round. */
    uint32_t members; /* that m/cfg names, without those that were taken out */
    struct dkv_fences fences;
    uint32_t known;
    uint32_t alive;
    enum hr_err err; /* the first of publishing */
    struct hr_diag *diag;
};

static uint32_t acks_of(const struct delivery *delivery, size_t index)
{
    uint32_t acks = 1;
    for (uint32_t bits = delivery->held[index]; bits > 0; bits &= bits - 1) {
        acks++;
    }
    return acks;
}

/* Looks at the sites anew. */
static void look_around(struct delivery *delivery)
{
    struct dkv_group group = {0};
    struct hr_diag diag;
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    if (!dkv_group_read(delivery->env, delivery->config, &arena, &group, &diag)) {
        uint32_t seen = 1;
        uint32_t alive = 1;
        for (size_t i = 0; i < group.count; i++) {
            bool counts = !dkv_fence_is_out(&delivery->fences, group.peers[i].id);
            seen += counts;
            alive += counts && group.peers[i].alive;
        }
        delivery->known = seen > delivery->members ? seen : delivery->members;
        delivery->alive = alive;
    }
    hr_arena_release(&arena);
}

/* If the store is away now, everybody counts. */
static void look_who_is_out(struct delivery *delivery, const struct dkv_site *site,
                            struct hr_arena *arena)
{
    struct hr_diag diag;
    if (dkv_fence_read(delivery->env, arena, &delivery->fences, &diag)) {
        delivery->fences.count = 0;
    }
    delivery->members = (uint32_t)dkv_fence_members(&delivery->fences, &site->cfg);
}

/* Whether @site has acknowledged the change of @index. */
static bool has_acked(const struct delivery *delivery, uint16_t site, size_t index)
{
    for (size_t i = 0; i < delivery->site_count; i++) {
        if (delivery->sites[i] == site) {
            return (delivery->held[index] >> i & 1) == 1;
        }
    }
    return false;
}

/* Says who has not acknowledged it, as far as the host knows them by name. */
static enum hr_err too_few(const struct delivery *delivery, const struct dkv_waiting *waiting,
                           struct dkv_acks acks, struct hr_arena *arena, struct hr_str *ret_body)
{
    struct dkv_names missing = {0};
    struct dkv_group group = {0};
    struct hr_diag diag;
    if (!dkv_group_read(delivery->env, delivery->config, arena, &group, &diag)) {
        for (size_t i = 0; i < group.count; i++) {
            const struct dkv_peer *peer = &group.peers[i];
            if (!dkv_fence_is_out(&delivery->fences, peer->id) &&
                !has_acked(delivery, peer->id, waiting->index)) {
                missing.names[missing.count++] = peer->name;
            }
        }
    }
    return dkv_reply_too_few(delivery->config, acks, &missing, waiting->body, arena, ret_body);
}

static void answer(struct delivery *delivery, size_t index, bool enough)
{
    const struct dkv_waiting *waiting = &delivery->ship.waiting[index];
    struct dkv_message out = {.subject = waiting->reply_to};
    struct dkv_acks acks = {acks_of(delivery, waiting->index), delivery->known};
    struct hr_diag diag = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    acks.sites = acks.acks > acks.sites ? acks.acks : acks.sites;
    enum hr_err err = enough ? dkv_reply_close(waiting->body, acks, &arena, &out.body)
                             : too_few(delivery, waiting, acks, &arena, &out.body);
    if (!err) {
        err = delivery->env->publish(delivery->env->arg, &out, &diag);
    }
    if (err && !delivery->err) {
        delivery->err = err;
        *delivery->diag = diag;
    }
    delivery->answered[index] = true;
    delivery->left--;
    hr_arena_release(&arena);
}

/* Answers those whose change enough sites hold; all that are left if the time is up. */
static void settle(struct delivery *delivery, bool time_is_up)
{
    uint32_t needed = dkv_acks_needed(delivery->config, delivery->known, delivery->alive);
    for (size_t i = 0; i < delivery->ship.count; i++) {
        bool enough = acks_of(delivery, delivery->ship.waiting[i].index) >= needed;
        if (!delivery->answered[i] && (enough || time_is_up)) {
            answer(delivery, i, enough);
        }
    }
}

/* The site's place, made if there is room; DKV_MEMBERS_MAX if there is none. */
static size_t place_of(struct delivery *delivery, uint16_t site)
{
    for (size_t i = 0; i < delivery->site_count; i++) {
        if (delivery->sites[i] == site) {
            return i;
        }
    }
    if (delivery->site_count == DKV_MEMBERS_MAX) {
        return DKV_MEMBERS_MAX;
    }
    delivery->sites[delivery->site_count] = site;
    return delivery->site_count++;
}

static void count_ack(struct delivery *delivery, const struct dkv_ack *ack)
{
    if (dkv_fence_is_out(&delivery->fences, ack->site)) {
        return;
    }
    if (ack->site == delivery->config->site_id) {
        delivery->sibling = true;
        return;
    }
    if (ack->count != delivery->change_count ||
        ack->crc != dkv_parcel_crc(delivery->ship.changes)) {
        return; /* the answer to something else */
    }
    size_t place = place_of(delivery, ack->site);
    for (size_t i = 0; place < DKV_MEMBERS_MAX && i < ack->count; i++) {
        delivery->held[i] |= (uint32_t)ack->held[i] << place;
    }
}

/* Sends the changes to all other sites and counts who holds them. */
static void round_of(struct delivery *delivery, uint32_t want, uint32_t timeout_ms)
{
    const struct dkv_env *env = delivery->env;
    struct dkv_message *replies = NULL;
    size_t count = 0;
    struct hr_diag diag = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_CHANGES, delivery->config, (struct hr_str){0}, &arena);
    enum hr_err err = subject.ptr ? env->gather(env->arg, subject, delivery->ship.changes, want,
                                                timeout_ms, &arena, &replies, &count, &diag)
                                  : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < count; i++) {
        struct dkv_ack ack;
        if (dkv_ack_decode(replies[i].body, &ack, &diag)) {
            HR_IGNORE(dkv_text_prefix(&diag, HR_OK, HR_STR("event=bad-ack reason="), HR_STR("")));
            env->log(env->arg, DKV_LOG_WARN, hr_str_c(diag.text));
        } else {
            count_ack(delivery, &ack);
        }
    }
    if (err) {
        /* As if nobody had answered: the next round tries again. */
        HR_IGNORE(dkv_text_prefix(&diag, err, HR_STR("event=no-acks reason="), HR_STR("")));
        env->log(env->arg, DKV_LOG_DEBUG, hr_str_c(diag.text));
    }
    hr_arena_release(&arena);
}

/* How long a round that began at @began may last, of which some is left before @end. */
static uint32_t rest_ms(const struct delivery *delivery, dkv_mono_ms began, uint32_t time_ms,
                        dkv_mono_ms end)
{
    dkv_mono_ms now = delivery->env->mono(delivery->env->arg);
    dkv_mono_ms until = began + time_ms < end ? began + time_ms : end;
    return now < until ? (uint32_t)(until - now) : 0;
}

/* Rounds until everybody has an answer. The first one ends with the acknowledgement that suffices, a
 * later one with everybody's. One that ends early, because nobody can be reached or somebody does not
 * take a change yet, is followed by a pause: only time can help. If another host of this site turns out to
 * answer too, it has taken another site's place: the round is begun anew, with room for both. */
static void deliver(struct delivery *delivery)
{
    const struct dkv_env *env = delivery->env;
    dkv_mono_ms now = env->mono(env->arg);
    dkv_mono_ms end = now + delivery->config->ack_timeout_ms;
    uint32_t time_ms = DKV_ROUND_MS_FIRST;
    bool first = true;
    for (unsigned i = 0; delivery->left > 0 && now < end && i < DKV_ROUNDS_MAX; i++) {
        bool expected = delivery->sibling;
        uint32_t needed = dkv_acks_needed(delivery->config, delivery->known, delivery->alive);
        uint32_t all = needed > delivery->alive ? needed : delivery->alive;
        uint32_t want = first ? needed - 1 : all - 1;
        round_of(delivery, (want > 0 ? want : 1) + expected, rest_ms(delivery, now, time_ms, end));
        look_around(delivery);
        settle(delivery, false);
        if (delivery->sibling && !expected) {
            now = env->mono(env->arg);
            continue;
        }
        first = false;
        uint32_t pause_ms = rest_ms(delivery, now, DKV_PAUSE_MS, end);
        if (delivery->left > 0 && pause_ms > 0) {
            env->sleep(env->arg, pause_ms);
        }
        time_ms = time_ms * 2 < DKV_ROUND_MS_MAX ? time_ms * 2 : DKV_ROUND_MS_MAX;
        now = env->mono(env->arg);
    }
    settle(delivery, true);
}

/* Nobody waits, or nobody waits any more: the others get the changes all the same. */
static enum hr_err broadcast(struct delivery *delivery, struct hr_arena *arena)
{
    const struct dkv_message out = {
        .subject =
            dkv_route_subject(DKV_ROUTE_CHANGES, delivery->config, (struct hr_str){0}, arena),
        .body = delivery->ship.changes};
    return out.subject.ptr ? delivery->env->publish(delivery->env->arg, &out, delivery->diag)
                           : HR_NO_MEMORY;
}

static enum hr_err prepare(struct delivery *delivery, const struct dkv_message *message,
                           struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_parcel parcel;
    enum hr_err err = dkv_ship_decode(message->body, arena, &delivery->ship, diag);
    if (!err) {
        err = dkv_parcel_decode(delivery->ship.changes, arena, &parcel, diag);
    }
    if (err) {
        return err;
    }
    delivery->change_count = parcel.count;
    delivery->left = delivery->ship.count;
    delivery->answered = hr_arena_alloc(arena, delivery->ship.count * sizeof *delivery->answered);
    delivery->held = hr_arena_alloc(arena, parcel.count * sizeof *delivery->held);
    for (size_t i = 0; i < delivery->ship.count; i++) {
        if (delivery->ship.waiting[i].index >= parcel.count) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ship: a reply waits for no change"));
        }
    }
    return delivery->answered && delivery->held ? HR_OK : HR_NO_MEMORY;
}

enum hr_err dkv_ship_deliver(const struct dkv_env *env, struct dkv_config *config,
                             const struct dkv_message *message, struct hr_diag *diag)
{
    struct delivery delivery = {
        .env = env, .config = config, .members = 1, .known = 1, .alive = 1, .diag = diag};
    struct dkv_site site;
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = prepare(&delivery, message, &arena, diag);
    if (!err) {
        /* If the store is away now, those count that the host sees. */
        if (!dkv_site_open(env, config, &arena, &site, diag)) {
            look_who_is_out(&delivery, &site, &arena);
        }
        look_around(&delivery);
        settle(&delivery, false);
        if (delivery.left > 0) {
            deliver(&delivery);
            err = delivery.err;
        } else {
            err = broadcast(&delivery, &arena);
            err = err ? err : delivery.err;
        }
    }
    hr_arena_release(&arena);
    return err;
}
