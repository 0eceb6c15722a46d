/* What tests of a few sites, case by case, have in common: the world of the case, requests that are sent to
 * one site of it with the answer that comes, time that passes, and what is read out of a site's store. A
 * case's setup makes @world; sites are named by their index. One thread; include it once a program. */
#ifndef TEST_DKV_ASK_H
#define TEST_DKV_ASK_H

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/site/floor.h"
#include "test_dkv_world.h"
#include "test_has.h"

static struct world *world;
static char answer[8192]; /* the newest that send_to() got */

/* Releases the world. Fails if a store is not sound; @whole_feed as in check_store(). */
static inline int end_world(bool whole_feed)
{
    unsigned failures = 0;
    for (unsigned i = 0; i < world->count; i++) {
        failures += check_failures(&world->sites[i].fake, whole_feed);
    }
    release_world(world);
    return failures > 0 ? -1 : 0;
}

static inline int teardown_world(void **state)
{
    (void)state;
    return end_world(false);
}

/* --- time --------------------------------------------------------------------------------------------- */

/* Lets time pass until nothing is on its way. */
static inline void quiet(void)
{
    bool busy = true;
    for (unsigned i = 0; busy && i < 2000; i++) {
        go_on(world);
        busy = false;
        for (size_t j = 0; j < PACKETS_MAX; j++) {
            busy = busy || world->packets[j].used;
        }
    }
    assert_false(busy);
}

static inline void tick_all(void)
{
    for (unsigned i = 0; i < world->count; i++) {
        tick(&world->sites[i]);
    }
}

/* Half a second, @count times, with a tick of every site in each. */
static inline void ticks(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t next_ms = world->now_ms + 500;
        tick_all();
        quiet();
        world->now_ms = next_ms > world->now_ms ? next_ms : world->now_ms;
    }
}

/* --- requests ----------------------------------------------------------------------------------------- */

/* Sends a client's request with the id @id. @body: further members. Does not wait for the answer, so that it
 * may be done within another call. */
static inline void send_as(unsigned site, const char *id, const char *subject, const char *body)
{
    size_t number = world->client_count++;
    assert_true(number < CLIENTS_MAX);
    struct client *client = &world->clients[number];
    world->answer[0] = '\0';
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", hr_str_c(id), client->opid);
    snprintf(client->subject, sizeof client->subject, "%s", subject);
    snprintf(client->body, sizeof client->body, "{\"$request-id\":\"%s\"%s%s}", id,
             body[0] ? "," : "", body);
    send_client(world, number, site);
}

/* The same, with an id of its own. */
static inline void send_write(unsigned site, const char *subject, const char *body)
{
    static unsigned number;
    char id[24];
    snprintf(id, sizeof id, "w%u", ++number);
    send_as(site, id, subject, body);
}

/* Gives the answer once all is quiet; "" if there is none. */
static inline const char *ask_as(unsigned site, const char *id, const char *subject,
                                 const char *body)
{
    send_as(site, id, subject, body);
    quiet();
    return world->answer;
}

static inline const char *write_to(unsigned site, const char *subject, const char *body)
{
    send_write(site, subject, body);
    quiet();
    return world->answer;
}

/* Sends a request as it is and gives its reply, "" if there is none; time goes on only as far as it takes. */
static inline const char *send_to(unsigned site, const char *subject, const char *body)
{
    struct inbox *inbox = open_inbox(&world->sites[site]);
    const struct dkv_message message = {hr_str_c(subject), hr_str_c(body), hr_str_c(inbox->name)};
    answer[0] = '\0';
    handle(&world->sites[site], &message, 1);
    for (unsigned i = 0; inbox->count == 0 && i < 2000; i++) {
        go_on(world);
    }
    if (inbox->count > 0) {
        snprintf(answer, sizeof answer, "%s", inbox->bodies[0]);
    }
    close_inbox(world);
    return answer;
}

/* --- what others send --------------------------------------------------------------------------------- */

/* A change of a made-up origin that sets the field "a" of @key, as another site might send it. */
static inline struct hr_str made_change(struct hr_arena *arena, dkv_origin origin, uint64_t seq,
                                        const char *key, const char *value)
{
    struct dkv_field fields[2] = {{.type = DKV_FIELD_BYTES},
                                  {.name = HR_STR("a"), .value = hr_str_c(value)}};
    const struct dkv_change change = {.op = DKV_CHANGE_SET,
                                      .stamp = {(world->now_ms << 16) + seq, origin},
                                      .seq = seq,
                                      .key = hr_str_c(key),
                                      .fields = fields,
                                      .count = 2};
    struct hr_str bytes = {0};
    struct hr_diag diag;
    assert_int_equal(dkv_change_encode(&change, arena, &bytes, &diag), HR_OK);
    return bytes;
}

/* Hands @body to @site. Returns how many of its changes the site says it holds; -1: it gives no answer. */
static inline int deliver(unsigned site, const char *subject, struct hr_str body)
{
    struct dkv_ack ack;
    struct hr_diag diag;
    int held_count = 0;
    struct inbox *inbox = open_inbox(&world->sites[site]);
    const struct dkv_message message = {hr_str_c(subject), body, hr_str_c(inbox->name)};
    handle(&world->sites[site], &message, 1);
    if (inbox->count == 0) {
        close_inbox(world);
        return -1;
    }
    assert_int_equal(dkv_ack_decode(hr_str_of(inbox->bodies[0], inbox->lens[0]), &ack, &diag),
                     HR_OK);
    for (size_t i = 0; i < ack.count; i++) {
        held_count += ack.held[i];
    }
    close_inbox(world);
    return held_count;
}

/* Hands over changes that were pulled. @pulled: all but them. */
static inline int hand_over_pulled(unsigned site, const struct dkv_pulled *pulled,
                                   struct hr_arena *arena, struct hr_str *changes, size_t count)
{
    const struct dkv_parcel parcel = {.changes = changes, .count = count};
    struct dkv_pulled whole = *pulled;
    struct hr_str body;
    assert_int_equal(dkv_parcel_encode(&parcel, arena, &whole.changes), HR_OK);
    assert_int_equal(dkv_pulled_encode(&whole, arena, &body), HR_OK);
    return deliver(site, "_LOCAL.wasmkv.default.apply", body);
}

/* Hands over changes as they happen. */
static inline int hand_over(unsigned site, struct hr_arena *arena, struct hr_str *changes,
                            size_t count)
{
    const struct dkv_parcel parcel = {.changes = changes, .count = count};
    struct hr_str body;
    assert_int_equal(dkv_parcel_encode(&parcel, arena, &body), HR_OK);
    return deliver(site, "wasmkv.peer.default.w", body);
}

/* --- what a site has ---------------------------------------------------------------------------------- */

static inline void agree_on_values(void)
{
    char *first = listing(&world->sites[0]);
    for (unsigned i = 1; i < world->count; i++) {
        char *other = listing(&world->sites[i]);
        assert_string_equal(first, other);
        free(other);
    }
    free(first);
}

/* They show the same and have the same feeds, and nothing is on its way. */
static inline void agree(void)
{
    agree_on_values();
    assert_true(settled(world));
}

static inline bool stored(unsigned site, const char *name)
{
    return fake_get(&world->sites[site].fake, name).ptr != NULL;
}

static inline dkv_origin origin_of(unsigned site)
{
    return check_be(fake_get(&world->sites[site].fake, "m/ctr"), 1, 8);
}

static inline dkv_hlc clock_of(unsigned site)
{
    return check_be(fake_get(&world->sites[site].fake, "m/ctr"), 9, 8);
}

static inline struct dkv_self self_of(unsigned site)
{
    struct dkv_self self;
    struct hr_diag diag;
    assert_int_equal(dkv_self_decode(fake_get(&world->sites[site].fake, "m/self"), &self, &diag),
                     HR_OK);
    return self;
}

static inline struct dkv_floor floor_of(unsigned site)
{
    struct hr_diag diag;
    struct dkv_floor floor;
    struct hr_str bytes = fake_get(&world->sites[site].fake, "m/S");
    const struct dkv_value value = {bytes, bytes.ptr != NULL};
    assert_int_equal(dkv_floor_decode(value, &floor, &diag), HR_OK);
    return floor;
}

/* How far @site is with an origin's changes; all 0: it knows nothing of it. */
static inline struct dkv_progress progress_of(unsigned site, dkv_origin origin)
{
    char name[32];
    struct hr_diag diag;
    struct dkv_progress progress = {0};
    snprintf(name, sizeof name, "v/%016llx", (unsigned long long)origin);
    struct hr_str bytes = fake_get(&world->sites[site].fake, name);
    if (bytes.ptr) {
        assert_int_equal(dkv_progress_decode(bytes, &progress, &diag), HR_OK);
    }
    return progress;
}

#endif
