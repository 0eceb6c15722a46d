/* Several sites, each with a store of its own (test_dkv_fake.h), and a network between them that may lose,
 * repeat, delay and cut. What waits (gather, request) lets the world go on meanwhile, some calls deep. A
 * client's answer with acks is checked when it comes: as many stores have the change. So is each
 * acknowledgement of a site. One thread; include it once a program. */
#ifndef TEST_DKV_WORLD_H
#define TEST_DKV_WORLD_H

#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/siphash.h"
#include "dice.h"
#include "test_dkv_check.h"

#define SITES_MAX 5u
#define CLIENTS_MAX 4000u
#define DEPTH_MAX 3u
#define PACKETS_MAX 4096u
#define INBOXES_MAX 64u
#define REPLIES_MAX 64u

struct world;

struct site {
    struct fake fake; /* first: the env's argument is either of them */
    struct world *world;
    unsigned index;
    char name[8];
    char id[8];
    char nonce[33];
    bool up;
    int64_t skew_ms;
    uint64_t mono_base_ms; /* by which its host's monotonic clock is ahead of the world's time */
    struct hr_str handled; /* the changes of the message that is being handled */
};

struct packet {
    bool used;
    unsigned to;
    uint64_t due_ms;
    char *subject;
    char *reply_to;
    char *body;
    size_t body_len;
};

/* Where replies to a gather or a request come in. */
struct inbox {
    char name[32];
    unsigned owner;
    char *bodies[REPLIES_MAX];
    size_t lens[REPLIES_MAX];
    size_t count;
};

struct client {
    unsigned char opid[16];
    char subject[48];
    char body[160];
    bool answered; /* well, by a write */
    bool refused;
};

struct world {
    struct site sites[SITES_MAX];
    unsigned count;
    struct dice dice;
    uint64_t now_ms;
    unsigned depth;
    struct packet packets[PACKETS_MAX];
    struct inbox inboxes[INBOXES_MAX];
    size_t inbox_count;
    unsigned inbox_number;
    struct client clients[CLIENTS_MAX];
    size_t client_count;
    unsigned boots;
    size_t acked;
    size_t too_few;
    char answer[2048]; /* the newest to a client */
    /* the network */
    bool cut[SITES_MAX][SITES_MAX];
    bool seen[SITES_MAX][SITES_MAX];
    unsigned loss_per_mille;
    unsigned repeat_per_mille;
    unsigned delay_ms;
    bool
        siblings; /* each site has a second host, on the same store, that hears what the first one says to
                      other hosts, and answers before everybody else */
    bool healed;
    bool clocks_known; /* hosts know by how much the others' clocks are ahead */
    bool in_lane;      /* messages come as a lane's batches */
    unsigned refusals; /* of clients' requests */
    /* Somebody asks @to something; NULL: nothing comes in between. */
    void (*asked)(struct world *world, unsigned to, struct hr_str subject);
    /* Site @from has answered that; the answer may be forged. NULL: none is. */
    void (*answered)(struct world *world, unsigned from, struct hr_str subject,
                     struct hr_arena *arena, struct hr_str *body);
    void (*happens)(struct world *world); /* a little time has passed; NULL: nothing does */
};

static inline uint64_t roll(struct world *world, uint64_t below)
{
    return dice_roll(&world->dice, below);
}

static inline bool chance(struct world *world, unsigned per_mille)
{
    return roll(world, 1000) < per_mille;
}

static inline void set_clock(struct site *site)
{
    site->fake.wall = (uint64_t)((int64_t)site->world->now_ms + site->skew_ms);
    site->fake.mono = site->world->now_ms + site->mono_base_ms;
}

static inline void start_site(struct site *site)
{
    snprintf(site->nonce, sizeof site->nonce, "%032x", ++site->world->boots);
    site->fake.nonce = site->nonce;
    site->fake.dead = false;
    site->up = true;
}

/* --- messages ----------------------------------------------------------------------------------------- */

static inline void send_packet(struct world *world, unsigned to, const struct dkv_message *message,
                               uint64_t delay_ms)
{
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        struct packet *packet = &world->packets[i];
        if (!packet->used) {
            *packet =
                (struct packet){.used = true,
                                .to = to,
                                .due_ms = world->now_ms + delay_ms,
                                .subject = fake_copy(message->subject.ptr, message->subject.len),
                                .reply_to = fake_copy(message->reply_to.ptr, message->reply_to.len),
                                .body = fake_copy(message->body.ptr, message->body.len),
                                .body_len = message->body.len};
            return;
        }
    }
    /* The network drops what is too much for it. */
}

static inline bool arrives(struct world *world, unsigned from, unsigned to)
{
    return world->sites[to].up && !world->cut[from][to] && !chance(world, world->loss_per_mille);
}

/* To all other sites, as far as they get it. */
static inline void spread(struct site *site, const struct dkv_message *message)
{
    struct world *world = site->world;
    if (world->siblings) {
        send_packet(world, site->index, message, 0);
    }
    for (unsigned to = 0; to < world->count; to++) {
        if (to == site->index || !world->seen[to][site->index]) {
            continue;
        }
        unsigned copies = 1 + chance(world, world->repeat_per_mille);
        for (unsigned i = 0; i < copies; i++) {
            if (arrives(world, site->index, to)) {
                send_packet(world, to, message, 1 + roll(world, world->delay_ms + 1));
            }
        }
    }
}

static inline struct inbox *find_inbox(struct world *world, struct hr_str name)
{
    for (size_t i = 0; i < world->inbox_count; i++) {
        if (hr_str_eq(name, hr_str_c(world->inboxes[i].name))) {
            return &world->inboxes[i];
        }
    }
    return NULL;
}

/* Inboxes are opened and closed like brackets, because what waits is a call within a call. */
static inline struct inbox *open_inbox(struct site *site)
{
    struct world *world = site->world;
    if (world->inbox_count == INBOXES_MAX) {
        abort();
    }
    struct inbox *inbox = &world->inboxes[world->inbox_count++];
    *inbox = (struct inbox){.owner = site->index};
    snprintf(inbox->name, sizeof inbox->name, "_INBOX.w%u", ++world->inbox_number);
    return inbox;
}

static inline void close_inbox(struct world *world)
{
    struct inbox *inbox = &world->inboxes[--world->inbox_count];
    for (size_t i = 0; i < inbox->count; i++) {
        free(inbox->bodies[i]);
    }
}

/* How many changes of a request lie in a store. */
static inline size_t held(const struct fake *fake, const unsigned char *opid)
{
    size_t count = 0;
    for (size_t i = fake_at(fake, HR_STR("f/")); i < fake->count && fake->pairs[i].key[0] == 'f';
         i++) {
        count += memcmp(fake->pairs[i].value + 26, opid, 16) == 0;
    }
    return count;
}

static inline void client_answered(struct world *world, size_t number, const char *body)
{
    struct client *client = &world->clients[number];
    snprintf(world->answer, sizeof world->answer, "%s", body);
    const char *acks = strstr(body, "\"acks\":");
    if (strstr(body, "too-few-acks")) {
        world->too_few++;
        return;
    }
    if (strstr(body, "\"error\":")) {
        return;
    }
    assert_non_null(acks);
    unsigned long wanted = strtoul(acks + 7, NULL, 10);
    unsigned long found = 0;
    for (unsigned i = 0; i < world->count; i++) {
        found += held(&world->sites[i].fake, client->opid) > 0;
    }
    if (found < wanted) {
        fail_msg("request %zu: %lu sites have it, %s", number, found, body);
    }
    client->answered = true;
    world->acked++;
}

/* What an acknowledgement says is held lies in the store, or did. */
static inline void check_ack(const struct site *site, struct hr_str body)
{
    struct dkv_ack ack;
    struct dkv_parcel parcel;
    struct hr_diag diag;
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    if (!dkv_ack_decode(body, &ack, &diag) && ack.crc == dkv_parcel_crc(site->handled) &&
        !dkv_parcel_decode(site->handled, &arena, &parcel, &diag)) {
        for (size_t i = 0; i < ack.count; i++) {
            uint64_t origin = check_be(parcel.changes[i], 2, 8);
            uint64_t seq = check_be(parcel.changes[i], 10, 8);
            char name[48];
            snprintf(name, sizeof name, "f/%016llx/%016llx", (unsigned long long)origin,
                     (unsigned long long)seq);
            if (ack.held[i] && !hr_str_eq(fake_get(&site->fake, name), parcel.changes[i])) {
                fail_msg("%s acknowledges %s, which it has not", site->name, name);
            }
        }
    }
    hr_arena_release(&arena);
}

static inline enum hr_err rig_publish(void *arg, const struct dkv_message *message,
                                      struct hr_diag *diag)
{
    struct site *site = arg;
    struct world *world = site->world;
    struct inbox *inbox = find_inbox(world, message->subject);
    if (!site->up || site->fake.dead) {
        return hr_diag_set(diag, HR_IO, "rig: the host is dead");
    }
    check_ack(site, message->body);
    if (hr_str_starts(message->subject, HR_STR("_LOCAL."))) {
        send_packet(world, site->index, message, 0);
    } else if (hr_str_starts(message->subject, HR_STR("_INBOX.c"))) {
        const char *body = fake_copy(message->body.ptr, message->body.len);
        client_answered(world, strtoul(message->subject.ptr + 8, NULL, 10), body);
        free((void *)(uintptr_t)body);
    } else if (inbox && inbox->count < REPLIES_MAX &&
               (inbox->owner == site->index || arrives(world, site->index, inbox->owner))) {
        inbox->bodies[inbox->count] = fake_copy(message->body.ptr, message->body.len);
        inbox->lens[inbox->count++] = message->body.len;
    } else if (hr_str_starts(message->subject, HR_STR("wasmkv."))) {
        spread(site, message);
    }
    return HR_OK;
}

static inline enum hr_err rig_refuse(void *arg, struct hr_str reply_to, struct hr_str reason,
                                     struct hr_str body, struct hr_diag *diag)
{
    const struct dkv_message message = {.subject = reply_to, .body = body};
    (void)reason;
    ((struct site *)arg)->world->refusals++;
    return rig_publish(arg, &message, diag);
}

static inline enum hr_err rig_judge(void *arg, struct hr_str reply_to, struct hr_str reason,
                                    struct hr_str body, struct hr_diag *diag)
{
    const struct dkv_message message = {.subject = reply_to, .body = body};
    (void)reason;
    return rig_publish(arg, &message, diag);
}

static inline enum hr_err rig_sites(void *arg, struct hr_arena *arena, struct dkv_peer **ret_sites,
                                    size_t *ret_count, struct hr_diag *diag)
{
    struct site *site = arg;
    struct world *world = site->world;
    struct dkv_peer *sites = hr_arena_alloc(arena, world->count * sizeof *sites);
    size_t count = 0;
    (void)diag;
    for (unsigned i = 0; sites && i < world->count; i++) {
        struct site *other = &world->sites[i];
        if (i != site->index && !world->seen[site->index][i]) {
            continue;
        }
        /* What a host believes of others is late now and then. */
        bool believed = !world->healed && chance(world, 100);
        sites[count++] = (struct dkv_peer){.name = hr_str_c(other->name),
                                           .id = (uint16_t)(i + 1),
                                           .here = i == site->index,
                                           .clock_known = world->clocks_known && i != site->index,
                                           .clock_ahead_ms = other->skew_ms - site->skew_ms,
                                           .alive = i == site->index || believed ||
                                                    (other->up && !world->cut[i][site->index])};
    }
    *ret_sites = sites;
    *ret_count = count;
    return sites ? HR_OK : HR_NO_MEMORY;
}

static inline void go_on(struct world *world);

static inline enum hr_err rig_gather(void *arg, struct hr_str subject, struct hr_str body,
                                     uint32_t want, uint32_t timeout_ms, struct hr_arena *arena,
                                     struct dkv_message **ret_replies, size_t *ret_count,
                                     struct hr_diag *diag)
{
    struct site *site = arg;
    struct world *world = site->world;
    uint64_t end_ms = world->now_ms + timeout_ms;
    if (!site->up || site->fake.dead || world->depth >= DEPTH_MAX) {
        return hr_diag_set(diag, HR_IO, "rig: no gathering");
    }
    struct inbox *inbox = open_inbox(site);
    const struct dkv_message message = {subject, body, hr_str_c(inbox->name)};
    spread(site, &message);
    while (world->now_ms < end_ms && inbox->count < want) {
        go_on(world);
    }
    set_clock(site);
    size_t count = inbox->count < want ? inbox->count : want;
    struct dkv_message *replies = hr_arena_alloc(arena, count * sizeof *replies);
    for (size_t i = 0; replies && i < count; i++) {
        replies[i] = (struct dkv_message){
            .body = hr_arena_copy(arena, hr_str_of(inbox->bodies[i], inbox->lens[i]))};
    }
    *ret_replies = replies;
    *ret_count = count;
    close_inbox(world);
    return replies ? HR_OK : HR_NO_MEMORY;
}

static inline void rig_sleep(void *arg, uint32_t ms)
{
    struct site *site = arg;
    struct world *world = site->world;
    uint64_t end_ms = world->now_ms + ms;
    while (world->now_ms < end_ms) {
        go_on(world);
    }
    set_clock(site);
}

static inline void handle(struct site *site, const struct dkv_message *messages, size_t count);

static inline enum hr_err rig_request(void *arg, struct hr_str subject, struct hr_str body,
                                      uint32_t timeout_ms, struct hr_arena *arena,
                                      struct hr_str *ret_body, struct hr_diag *diag)
{
    struct site *site = arg;
    struct world *world = site->world;
    struct site *to = NULL;
    (void)timeout_ms;
    if (hr_str_starts(subject, HR_STR("_LOCAL."))) {
        to = site;
    }
    for (unsigned i = 0; !to && i < world->count; i++) {
        bool named = hr_str_ends(subject, hr_str_c(world->sites[i].name));
        to = named && arrives(world, site->index, i) ? &world->sites[i] : NULL;
    }
    if (to && world->asked) {
        world->asked(world, to->index, subject);
    }
    if (!to || !to->up || world->depth > DEPTH_MAX) {
        return hr_diag_set(diag, HR_TIMEOUT, "rig: nobody answers");
    }
    struct inbox *inbox = open_inbox(site);
    const struct dkv_message message = {subject, body, hr_str_c(inbox->name)};
    handle(to, &message, 1);
    set_clock(site);
    enum hr_err err = HR_TIMEOUT;
    if (inbox->count > 0) {
        *ret_body = hr_arena_copy(arena, hr_str_of(inbox->bodies[0], inbox->lens[0]));
        err = ret_body->ptr ? HR_OK : HR_NO_MEMORY;
        if (!err && world->answered) {
            world->answered(world, to->index, subject, arena, ret_body);
        }
    }
    close_inbox(world);
    return err ? hr_diag_set(diag, err, "rig: no answer") : HR_OK;
}

/* --- what happens ------------------------------------------------------------------------------------- */

/* The parcel in a message that brings changes. */
static inline struct hr_str changes_of(const struct dkv_message *message)
{
    struct dkv_pulled pulled;
    struct hr_diag diag;
    bool is_pulled = hr_str_ends(message->subject, HR_STR(".apply"));
    return is_pulled && !dkv_pulled_decode(message->body, &pulled, &diag) ? pulled.changes
                                                                          : message->body;
}

static inline void handle(struct site *site, const struct dkv_message *messages, size_t count)
{
    struct dkv_handled handled[8];
    struct dkv_env env = fake_env(&site->fake);
    env.in_lane = site->world->in_lane && !strstr(messages[0].subject.ptr, ".meet.");
    env.publish = rig_publish;
    env.refuse = rig_refuse;
    env.judge = rig_judge;
    env.sites = rig_sites;
    env.gather = rig_gather;
    env.request = rig_request;
    env.sleep = rig_sleep;
    set_clock(site);
    struct hr_str before = site->handled;
    site->handled = count == 1 ? changes_of(&messages[0]) : (struct hr_str){0};
    site->world->depth++;
    dkv_batch_handle(&env, messages, count, handled);
    site->world->depth--;
    site->handled = before;
    if (site->fake.dead) {
        site->up = false;
    }
}

static inline bool waits(const struct packet *packet)
{
    return strstr(packet->subject, ".ship") || strstr(packet->subject, ".meet.");
}

/* Hands over packets that are due. What goes to one site's lane goes together, now and then. */
static inline void deliver_due(struct world *world)
{
    size_t from = roll(world, PACKETS_MAX);
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        struct packet *packet = &world->packets[(from + i) % PACKETS_MAX];
        struct site *site = &world->sites[packet->to];
        if (!packet->used || packet->due_ms > world->now_ms ||
            (waits(packet) && world->depth >= DEPTH_MAX)) {
            continue;
        }
        struct packet taken = *packet;
        packet->used = false;
        const struct dkv_message message = {hr_str_c(taken.subject),
                                            hr_str_of(taken.body, taken.body_len),
                                            hr_str_c(taken.reply_to)};
        if (site->up) {
            handle(site, &message, 1);
        }
        free(taken.subject);
        free(taken.reply_to);
        free(taken.body);
    }
}

static inline void send_client(struct world *world, size_t number, unsigned to)
{
    struct client *client = &world->clients[number];
    struct site *site = &world->sites[to];
    char inbox[32];
    snprintf(inbox, sizeof inbox, "_INBOX.c%zu", number);
    const struct dkv_message message = {hr_str_c(client->subject), hr_str_c(client->body),
                                        hr_str_c(inbox)};
    size_t before = held(&site->fake, client->opid);
    if (site->up) {
        handle(site, &message, 1);
        size_t after = held(&site->fake, client->opid);
        if (before > 0 && after > before) {
            fail_msg("request %zu was done again at a site that had it", number);
        }
    }
}

static inline void tick(struct site *site)
{
    const struct dkv_message message = {HR_STR("_LOCAL.wasmkv.default.tick"), {0}, {0}};
    if (site->up && site->world->depth < DEPTH_MAX) {
        handle(site, &message, 1);
    }
}

/* A little time passes, and something happens in it. */
static inline void go_on(struct world *world)
{
    world->now_ms += 1 + roll(world, 20);
    deliver_due(world);
    if (!world->healed && world->happens) {
        world->happens(world);
    }
}

/* A world of @count sites that know each other, with nothing wrong in it. */
static inline struct world *new_world(uint64_t seed, unsigned count)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world) {
        abort();
    }
    world->dice = (struct dice){(seed + 1) * 0x9E3779B97F4A7C15u | 1};
    world->now_ms = FAKE_WALL;
    world->count = count;
    world->delay_ms = 2;
    memset(world->seen, 1, sizeof world->seen);
    for (unsigned i = 0; i < count; i++) {
        struct site *site = &world->sites[i];
        site->world = world;
        site->index = i;
        site->fake = fake_new(seed * 31 + i + 1);
        snprintf(site->name, sizeof site->name, "site%u", i);
        snprintf(site->id, sizeof site->id, "%u", i + 1);
        site->fake.site = site->name;
        site->fake.site_id = site->id;
        start_site(site);
    }
    return world;
}

static inline bool serves(const struct site *site)
{
    struct dkv_self self;
    struct hr_diag diag;
    struct hr_str bytes = fake_get(&site->fake, "m/self");
    return bytes.ptr && !dkv_self_decode(bytes, &self, &diag) && self.state == DKV_SITE_ACTIVE;
}

/* Lets time pass until all sites that are up serve clients. */
static inline void let_serve(struct world *world)
{
    bool all = false;
    for (unsigned round = 0; !all; round++) {
        all = true;
        for (unsigned i = 0; i < world->count; i++) {
            tick(&world->sites[i]);
            all = all && (!world->sites[i].up || serves(&world->sites[i]));
        }
        go_on(world);
        if (round == 100) {
            fail_msg("a site does not begin to serve");
        }
    }
}

/* The same, and all of them serve clients. */
static inline struct world *new_serving_world(uint64_t seed, unsigned count)
{
    struct world *world = new_world(seed, count);
    let_serve(world);
    return world;
}

static inline void heal(struct world *world)
{
    memset(world->cut, 0, sizeof world->cut);
    memset(world->seen, 1, sizeof world->seen);
    world->loss_per_mille = 0;
    world->repeat_per_mille = 0;
    world->delay_ms = 2;
    world->healed = true;
    world->now_ms += 2000; /* the clocks that were ahead are not for ever */
    for (unsigned i = 0; i < world->count; i++) {
        struct site *site = &world->sites[i];
        site->fake.fault_per_mille = 0;
        fake_late_do(&site->fake);
        if (!site->up) {
            start_site(site);
        }
        site->skew_ms = 0;
    }
}

static inline bool same_feeds(const struct fake *a, const struct fake *b)
{
    size_t i = fake_at(a, HR_STR("f/"));
    size_t j = fake_at(b, HR_STR("f/"));
    for (;; i++, j++) {
        bool in_a = i < a->count && a->pairs[i].key[0] == 'f';
        bool in_b = j < b->count && b->pairs[j].key[0] == 'f';
        if (!in_a || !in_b) {
            return in_a == in_b;
        }
        if (strcmp(a->pairs[i].key, b->pairs[j].key) != 0 ||
            !hr_str_eq(hr_str_of(a->pairs[i].value, a->pairs[i].value_len),
                       hr_str_of(b->pairs[j].value, b->pairs[j].value_len))) {
            return false;
        }
    }
}

static inline bool settled(const struct world *world)
{
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        if (world->packets[i].used) {
            return false;
        }
    }
    for (unsigned i = 1; i < world->count; i++) {
        if (!same_feeds(&world->sites[0].fake, &world->sites[i].fake)) {
            return false;
        }
    }
    return true;
}

static inline void release_world(struct world *world)
{
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        if (world->packets[i].used) {
            free(world->packets[i].subject);
            free(world->packets[i].reply_to);
            free(world->packets[i].body);
        }
    }
    for (unsigned i = 0; i < world->count; i++) {
        fake_release(&world->sites[i].fake);
    }
    free(world);
}

/* What a client sees of all values, without the site's name and what it says of the others. */
static inline char *listing(struct site *site)
{
    const char *reply = fake_send(&site->fake, "wasmkv.get", "");
    assert_non_null(reply);
    const char *items = strchr(reply, ',');
    const char *end = strstr(items, ",\"behind\":");
    return fake_copy(items, end ? (size_t)(end - items) : strlen(items));
}

#endif
