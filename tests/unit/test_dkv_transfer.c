/* links: core_kv */
/* State transfer between sites, case by case: who gets whose records, what survives, what does not come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/serve.h"
#include "actors/kv/core/transfer/open.h"
#include "actors/kv/core/transfer/state_wire.h"
#include "actors/kv/core/transfer/sync.h"
#include "actors/kv/core/transfer/transfer.h"
#include "test_dkv_ask.h"

#define BIG_BYTES 30000u

static unsigned pages;        /* that were asked for */
static unsigned page_to_stop; /* at which @what_happens does; 0: at none */
static void (*what_happens)(unsigned donor);

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(11, 3);
    pages = 0;
    page_to_stop = 0;
    return 0;
}

static void write_key(unsigned site, const char *verb, unsigned key, const char *body)
{
    char subject[48];
    snprintf(subject, sizeof subject, "wasmkv.%s.k%03u", verb, key);
    write_to(site, subject, body);
}

/* A change of a made-up origin, as one that @site has pulled. */
static void give(unsigned site, const char *key, dkv_origin origin, uint64_t seq,
                 struct hr_str json)
{
    struct hr_arena arena;
    struct hr_diag diag;
    struct hr_str bytes;
    struct hr_str body;
    struct dkv_field fields[2] = {{.type = DKV_FIELD_BYTES},
                                  {.name = HR_STR("own"), .value = json}};
    struct dkv_change change = {.op = DKV_CHANGE_SET,
                                .stamp = {world->now_ms << 16, origin},
                                .seq = seq,
                                .key = hr_str_c(key),
                                .fields = fields,
                                .count = 2};
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_change_encode(&change, &arena, &bytes, &diag), HR_OK);
    const struct dkv_parcel parcel = {.changes = &bytes, .count = 1};
    fake_send(&world->sites[site].fake, "wasmkv.get",
              ""); /* it may not have been opened since its start */
    struct dkv_pulled pulled = {.asked_as = origin_of(site), .heard_inc = DKV_INC_MAX};
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &pulled.changes), HR_OK);
    assert_int_equal(dkv_pulled_encode(&pulled, &arena, &body), HR_OK);
    const struct dkv_message message = {HR_STR("_LOCAL.wasmkv.default.apply"), body, {0}};
    handle(&world->sites[site], &message, 1);
    hr_arena_release(&arena);
}

/* A value that is too long for a client here, at every site. */
static void write_big(uint64_t seq)
{
    static char json[BIG_BYTES];
    char key[16];
    memset(json, 'x', sizeof json);
    json[0] = json[sizeof json - 1] = '"';
    snprintf(key, sizeof key, "big%03u", (unsigned)seq);
    for (unsigned i = 0; i < world->count; i++) {
        give(i, key, dkv_origin_of(1, 5), seq, hr_str_of(json, sizeof json));
    }
    world->now_ms += 5;
}

static struct dkv_sync sync_of(unsigned site)
{
    struct hr_diag diag;
    struct dkv_sync sync;
    struct hr_str bytes = fake_get(&world->sites[site].fake, "m/sync");
    const struct dkv_value value = {bytes, bytes.ptr != NULL};
    assert_int_equal(dkv_sync_decode(value, &sync, &diag), HR_OK);
    return sync;
}

static size_t count_of(const struct fake *fake, const char *prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->count; i++) {
        count +=
            hr_str_starts(hr_str_of(fake->pairs[i].key, fake->pairs[i].key_len), hr_str_c(prefix));
    }
    return count;
}

/* All show the same, and no transfer is left of. */
static void agree_at_rest(void)
{
    agree_on_values();
    for (unsigned i = 0; i < world->count; i++) {
        assert_int_equal(sync_of(i).phase, DKV_SYNC_NONE);
        assert_int_equal(count_of(&world->sites[i].fake, "s/"), 0);
        assert_int_equal(check_failures(&world->sites[i].fake, false), 0);
    }
}

static bool shows(unsigned site, const char *key)
{
    char name[64];
    snprintf(name, sizeof name, "wasmkv.get.%s", key);
    return strstr(fake_send(&world->sites[site].fake, name, ""), "\"value\":") != NULL;
}

/* --- stores that are lost, and put back --------------------------------------------------------------- */

static struct fake back_up(unsigned site)
{
    struct fake backup = fake_new(site);
    fake_copy_store(&backup, &world->sites[site].fake);
    return backup;
}

static void lose(unsigned site)
{
    struct fake *fake = &world->sites[site].fake;
    while (fake->count > 0) {
        fake_delete(fake, hr_str_of(fake->pairs[0].key, fake->pairs[0].key_len));
    }
}

static void put_back(unsigned site, const struct fake *backup)
{
    fake_copy_store(&world->sites[site].fake, backup);
    start_site(&world->sites[site]);
}

/* Counts the pages that are asked for, and lets something happen at one. */
static void count_pages(struct world *of, unsigned to, struct hr_str subject)
{
    (void)of;
    if (hr_str_starts(subject, HR_STR("wasmkv.peer.default.st.")) && ++pages == page_to_stop) {
        what_happens(to);
    }
}

/* --- cases -------------------------------------------------------------------------------------------- */

/* A new store gets what the others have cut off, and what was deleted is not there. */
static void transfer_fills_a_new_store(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world->sites[i].fake.feed_max = "1024";
    }
    for (unsigned i = 0; i < 1300; i++) {
        write_key(i % 2, i % 5 == 4 ? "del" : "set", i % 250, "\"n\":1");
    }
    ticks(1);
    lose(2);
    start_site(&world->sites[2]);
    ticks(3);
    agree_at_rest();
    assert_true(count_of(&world->sites[2].fake, "r/") >= 200);
    write_key(2, "set", 900, "\"n\":1");
    write_key(0, "set", 901, "\"n\":1");
    ticks(2);
    agree_at_rest();
}

/* Deletions that all sites have forgotten are not undone by an old backup; what that store alone knows stays. */
static void transfer_outlives_an_old_backup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        write_key(i % 3, "set", i, "\"n\":1,\"m\":2");
    }
    ticks(2);
    struct fake backup = back_up(2);
    for (unsigned i = 0; i < 20; i++) {
        write_key(i % 2, i % 4 == 3 ? "set" : "del", i, i % 4 == 3 ? "\"m\":null" : "");
    }
    ticks(24);
    assert_null(fake_get(&world->sites[0].fake, "r/k000").ptr);
    assert_true(floor_of(0).group > 0);
    put_back(2, &backup);
    assert_non_null(fake_get(&world->sites[2].fake, "r/k000").ptr);
    give(2, "alone", dkv_origin_of(1, 7), 1, HR_STR("1"));
    world->now_ms += 5;
    give(2, "k025", dkv_origin_of(1, 7), 2, HR_STR("1"));
    ticks(4);
    agree_at_rest();
    for (unsigned i = 0; i < 3; i++) {
        assert_false(shows(i, "k000"));
        assert_true(shows(i, "k003"));
        assert_true(shows(i, "alone"));
    }
    const char *reply = fake_send(&world->sites[1].fake, "wasmkv.get.k025", "");
    assert_non_null(strstr(reply, "\"own\":1"));
    assert_non_null(strstr(reply, "\"m\":2"));
    fake_release(&backup);
}

/* A deletion of everything comes along, though its change is gone. */
static void transfer_brings_the_clear_mark(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    ticks(1);
    struct fake backup = back_up(2);
    write_to(0, "wasmkv.del", "");
    write_key(1, "set", 3, "\"n\":2");
    ticks(24);
    put_back(2, &backup);
    ticks(3);
    agree_at_rest();
    assert_true(shows(2, "k003"));
    assert_false(shows(2, "k004"));
    fake_release(&backup);
}

/* Site 2's store before some values were changed and others deleted, which is forgotten by now. Its scans end early. */
static struct fake leave_behind(void)
{
    for (unsigned i = 0; i < 12; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    struct fake backup = back_up(2);
    for (unsigned i = 0; i < 8; i++) {
        write_key(i % 2, i % 2 ? "set" : "del", i, i % 2 ? "\"n\":2" : "");
    }
    ticks(24);
    world->sites[2].fake.page_max = 3;
    return backup;
}

/* Wherever the receiver dies, it goes on from there. */
static void transfer_survives_a_crash_at_every_call(void **state)
{
    (void)state;
    struct fake backup = leave_behind();
    bool crashed = true;
    for (unsigned n = 1; crashed; n++) {
        struct fake *fake = &world->sites[2].fake;
        put_back(2, &backup);
        fake->fault_at = fake->calls + n;
        fake->fault = n % 2 ? FAKE_CRASH_BEFORE : FAKE_CRASH_AFTER;
        tick(&world->sites[2]);
        crashed = fake->dead;
        fake->fault_at = 0;
        start_site(&world->sites[2]);
        ticks(2);
        agree_at_rest();
        assert_false(shows(2, "k000"));
        assert_true(crashed ? n < 2000 : n > 60);
    }
    fake_release(&backup);
}

/* The same with answers that are lost, late or wrong by a bit, and writes that come first. */
static void transfer_survives_a_faulty_store(void **state)
{
    (void)state;
    struct fake backup = leave_behind();
    for (unsigned n = 1; n < 60; n++) {
        struct fake *fake = &world->sites[2].fake;
        put_back(2, &backup);
        fake->fault_per_mille = 20;
        for (unsigned i = 0; i < 3; i++) {
            tick(&world->sites[2]);
            quiet();
            world->now_ms += 500;
            if (fake->dead) {
                start_site(&world->sites[2]);
            }
        }
        fake->fault_per_mille = 0;
        fake_late_do(fake);
        ticks(3);
        agree_at_rest();
        assert_false(shows(2, "k000"));
    }
    fake_release(&backup);
}

static void make_pages(void)
{
    for (uint64_t i = 1; i <= 60; i++) {
        write_big(i);
    }
    for (unsigned i = 0; i < 10; i++) {
        write_key(i % 2, "set", i, "\"n\":1");
    }
    ticks(12);
    assert_true(floor_of(0).group > 0);
    world->asked = count_pages;
}

static void donor_dies(unsigned donor)
{
    world->sites[donor].up = false;
}

/* Another donor gives what the first one cannot any more. */
static void transfer_goes_on_with_another_donor(void **state)
{
    (void)state;
    make_pages();
    lose(2);
    start_site(&world->sites[2]);
    page_to_stop = 3;
    what_happens = donor_dies;
    ticks(2);
    assert_int_equal(sync_of(2).phase, DKV_SYNC_FILLING);
    assert_true(sync_of(2).torn);
    unsigned before = pages;
    ticks(16);
    assert_true(pages > before);
    heal(world);
    ticks(3);
    agree_at_rest();
}

static unsigned forger;
static unsigned forgeries;

/* Of the forger's rows there is no end: it gives the same ones again and again. */
static void forge_rows(struct world *of, unsigned from, struct hr_str subject,
                       struct hr_arena *arena, struct hr_str *body)
{
    static struct dkv_have_row row;
    struct dkv_state state;
    struct hr_diag diag;
    (void)of;
    if (from != forger || !hr_str_starts(subject, HR_STR("wasmkv.peer.default.st.")) ||
        dkv_state_decode(*body, arena, &state, &diag)) {
        return;
    }
    if (++forgeries > 500) {
        fail_msg("it is asked again and again");
    }
    row = state.have.count > 0 ? state.have.rows[0] : row;
    state.have.rows = &row;
    state.have.count = 1;
    state.have.more = true;
    assert_int_equal(dkv_state_encode(&state, arena, body), HR_OK);
}

static void donor_forges(unsigned donor)
{
    forger = donor;
    world->answered = forge_rows;
}

/* A donor whose rows do not end keeps nobody busy: another one is found. */
static void transfer_leaves_a_donor_without_end(void **state)
{
    (void)state;
    make_pages();
    lose(2);
    start_site(&world->sites[2]);
    forgeries = 0;
    page_to_stop = 3;
    what_happens = donor_forges;
    ticks(20);
    assert_true(forgeries > 0);
    agree_at_rest();
}

static struct fake donors_past;

static void donor_loses_its_tail(unsigned donor)
{
    put_back(donor, &donors_past);
}

/* What a donor told of and then lost does not stay at the receiver alone. */
static void transfer_forgets_what_its_donor_lost(void **state)
{
    (void)state;
    make_pages();
    world->sites[1].up = false;
    ticks(1);
    donors_past = back_up(0);
    memset(world->cut, 1, sizeof world->cut);
    world->sites[0].fake.write_acks = "1";
    send_write(0, "wasmkv.set.alost", "\"n\":1");
    send_write(0, "wasmkv.del.big001", "");
    memset(world->cut, 0, sizeof world->cut);
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        world->packets[i].due_ms = world->packets[i].used ? UINT64_MAX : 0;
    }
    lose(2);
    start_site(&world->sites[2]);
    page_to_stop = 3;
    what_happens = donor_loses_its_tail;
    tick(&world->sites[2]);
    assert_true(pages > 4);
    start_site(&world->sites[1]);
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        struct packet *packet = &world->packets[i];
        if (packet->used && packet->due_ms == UINT64_MAX) {
            packet->used = false;
            free(packet->subject);
            free(packet->reply_to);
            free(packet->body);
        }
    }
    ticks(8);
    agree_at_rest();
    assert_false(shows(2, "alost"));
    assert_true(shows(2, "big001"));
    fake_release(&donors_past);
}

static void drop_packets(void)
{
    for (size_t i = 0; i < PACKETS_MAX; i++) {
        struct packet *packet = &world->packets[i];
        if (packet->used) {
            packet->used = false;
            free(packet->subject);
            free(packet->reply_to);
            free(packet->body);
        }
    }
}

/* A write that only the donor has, and then it loses it. */
static void donor_writes_and_loses(unsigned donor)
{
    if (page_to_stop == 3) {
        page_to_stop = 5;
        send_write(donor, "wasmkv.set.big002", "\"late\":1");
        send_write(donor, "wasmkv.set.zlate", "\"n\":1");
        drop_packets();
    } else if (page_to_stop == 5) {
        donor_loses_its_tail(donor);
    }
}

/* What a page shows beyond what its transfer began with is accounted for here, whatever becomes of the donor. */
static void transfer_holds_the_changes_behind_a_page(void **state)
{
    (void)state;
    make_pages();
    world->sites[1].up = false;
    ticks(1);
    donors_past = back_up(0);
    world->sites[0].fake.write_acks = "1";
    lose(2);
    start_site(&world->sites[2]);
    page_to_stop = 3;
    what_happens = donor_writes_and_loses;
    tick(&world->sites[2]);
    assert_true(pages > 4);
    start_site(&world->sites[1]);
    ticks(8);
    agree_at_rest();
    assert_true(shows(1, "zlate"));
    assert_non_null(strstr(fake_send(&world->sites[1].fake, "wasmkv.get.big002", ""), "late"));
    fake_release(&donors_past);
}

static void others_write(struct world *of, unsigned to, struct hr_str subject)
{
    static unsigned number;
    char name[48];
    (void)of, (void)to;
    if (hr_str_starts(subject, HR_STR("wasmkv.peer.default.st.")) && number < 40) {
        number++;
        snprintf(name, sizeof name, "wasmkv.set.big%03u", number * 3 % 60 + 1);
        send_write(number % 2, name, "\"b\":2");
        snprintf(name, sizeof name, "wasmkv.del.big%03u", number * 7 % 60 + 1);
        send_write(number % 2, name, "");
    }
}

/* Writes go on at the others, and none is lost or undone. */
static void transfer_goes_on_under_writes(void **state)
{
    (void)state;
    make_pages();
    lose(2);
    start_site(&world->sites[2]);
    world->asked = others_write;
    ticks(3);
    world->asked = NULL;
    ticks(3);
    agree_at_rest();
}

/* One that is being filled is no donor for the other. */
static void transfer_fills_two_new_stores(void **state)
{
    (void)state;
    make_pages();
    lose(1);
    lose(2);
    start_site(&world->sites[1]);
    start_site(&world->sites[2]);
    ticks(4);
    agree_at_rest();
    assert_true(shows(1, "big001"));
    assert_true(shows(2, "big060"));
}

/* Two sites that each wrote alone, and cut off their feeds, before they met: neither is whole, and there is no other. */
static void transfer_between_strangers(void **state)
{
    (void)state;
    release_world(world);
    world = new_world(41, 2);
    memset(world->seen, 0, sizeof world->seen);
    for (unsigned i = 0; i < 2; i++) {
        world->sites[i].fake.feed_max = "16";
        world->sites[i].fake.write_acks = "1";
    }
    let_serve(world);
    for (unsigned i = 0; i < 300; i++) {
        write_key(i % 2, "set", i, "\"n\":1");
    }
    memset(world->seen, 1, sizeof world->seen);
    ticks(8);
    assert_true(serves(&world->sites[0]) && serves(&world->sites[1]));
    assert_true(shows(0, "k001") && shows(1, "k000"));
    agree_at_rest();
}

static void want(unsigned site)
{
    struct dkv_env env = fake_env(&world->sites[site].fake);
    struct dkv_config config;
    struct hr_arena arena;
    struct hr_diag diag;
    hr_arena_init(&arena, 0);
    set_clock(&world->sites[site]);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_transfer_want(&env, &config, true, &diag), HR_OK);
    hr_arena_release(&arena);
}

static unsigned intrusions;

/* The other one begins, and does not get far. */
static void other_begins_too(struct fake *fake)
{
    struct site *site = (struct site *)fake;
    struct site *other = &world->sites[site->index == 1 ? 2 : 1];
    intrusions++;
    other->fake.mono_step = 150 + 100 * (intrusions % 8);
    tick(other);
    other->fake.mono_step = 0;
    set_clock(site);
}

/* Two that want to be filled, and have only each other, both get it, however they begin. */
static void transfer_between_two_that_need_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    ticks(2);
    world->sites[0].up = false;
    ticks(1);
    for (unsigned n = 0; n < 120; n++) {
        struct site *site = &world->sites[1 + n % 2];
        want(1);
        want(2);
        assert_int_equal(sync_of(1).phase, DKV_SYNC_WANTED);
        site->fake.intruder = other_begins_too;
        site->fake.fault = FAKE_INTRUDER;
        site->fake.fault_at = site->fake.calls + 1 + n;
        tick(site);
        site->fake.fault_at = 0;
        ticks(4);
        assert_int_equal(sync_of(1).phase, DKV_SYNC_NONE);
        assert_int_equal(sync_of(2).phase, DKV_SYNC_NONE);
    }
    assert_true(intrusions > 20);
    start_site(&world->sites[0]);
    ticks(2);
    agree_at_rest();
}

/* @site is being filled by @donor, which is about to be asked for the first page. @torn: it has a page already. */
static void begin_session(unsigned site, unsigned donor, bool torn)
{
    struct dkv_env env = fake_env(&world->sites[donor].fake);
    struct dkv_state state = {0};
    struct dkv_open open = {.session = 7 + site, .donor = (uint16_t)(donor + 1)};
    struct dkv_config config;
    struct dkv_sync sync;
    struct hr_arena arena;
    struct hr_diag diag;
    struct hr_str bytes;
    hr_arena_init(&arena, 0);
    want(site);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_serve_read(&env, &config, 0, 0, &arena, &state.have, &diag), HR_OK);
    assert_int_equal(dkv_open_add(&open, &state, &arena), HR_OK);
    env = fake_env(&world->sites[site].fake);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_open_session(&env, &config, &open, &sync, &diag), HR_OK);
    sync.torn = torn;
    assert_int_equal(dkv_sync_encode(&sync, &arena, &bytes), HR_OK);
    fake_put(&world->sites[site].fake, HR_STR("m/sync"), bytes);
    hr_arena_release(&arena);
}

/* Of two that are each other's donors one gives way, whoever is asked first. */
static void transfer_gives_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    ticks(2);
    world->sites[0].up = false;
    ticks(1);
    for (unsigned n = 0; n < 6; n++) {
        begin_session(1, 2, n % 3 == 1);
        begin_session(2, 1, n % 3 == 2);
        tick(&world->sites[1 + n / 3]);
        tick(&world->sites[2 - n / 3]);
        quiet();
        ticks(2);
        assert_int_equal(sync_of(1).phase, DKV_SYNC_NONE);
        assert_int_equal(sync_of(2).phase, DKV_SYNC_NONE);
    }
    start_site(&world->sites[0]);
    ticks(2);
    agree_at_rest();
}

/* A value that was changed behind our back, or cannot be read, is the donor's again; what only its feed has
 * of it stays. */
static void transfer_mends_what_cannot_be_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    ticks(1);
    memset(world->cut, 1, sizeof world->cut);
    world->sites[2].fake.write_acks = "1";
    send_write(2, "wasmkv.set.k001", "\"own\":1");
    memset(world->cut, 0, sizeof world->cut);
    struct fake_pair *pair = fake_find(&world->sites[2].fake, HR_STR("r/k001"));
    assert_non_null(pair);
    pair->value[pair->value_len - 1] ^= 1;
    fake_delete(&world->sites[2].fake, HR_STR("r/k002"));
    struct hr_str copied = fake_get(&world->sites[2].fake, "r/k003");
    copied = hr_str_of(fake_copy(copied.ptr, copied.len), copied.len);
    fake_put(&world->sites[2].fake, HR_STR("r/ghost"), copied);
    free((void *)(uintptr_t)copied.ptr);
    assert_true(shows(2, "ghost"));
    assert_int_equal(floor_of(0).group, 0);
    want(2);
    tick(&world->sites[2]);
    tick(&world->sites[2]);
    assert_int_equal(sync_of(2).phase, DKV_SYNC_NONE);
    const char *reply = fake_send(&world->sites[2].fake, "wasmkv.get.k001", "");
    assert_non_null(strstr(reply, "\"own\":1"));
    assert_true(shows(2, "k002"));
    assert_null(fake_get(&world->sites[2].fake, "r/ghost").ptr);
    quiet();
    ticks(2);
    agree_at_rest();
}

/* What the donor cannot read is not taken from it, nor for deleted. */
static void transfer_keeps_what_its_donor_cannot_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        write_key(i % 3, "set", i, "\"n\":1");
    }
    ticks(1);
    world->sites[1].up = false;
    ticks(1);
    struct fake_pair *pair = fake_find(&world->sites[0].fake, HR_STR("r/k001"));
    assert_non_null(pair);
    pair->value[pair->value_len - 1] ^= 1;
    want(2);
    tick(&world->sites[2]);
    assert_int_equal(sync_of(2).phase, DKV_SYNC_NONE);
    assert_false(fake_get(&world->sites[2].fake, "r/k001").ptr == NULL);
    pair->value[pair->value_len - 1] ^= 1;
    start_site(&world->sites[1]);
    ticks(2);
    agree_at_rest();
}

/* A donor whose clock is far ahead of this site's wall would carry the clock away. */
static void transfer_waits_for_its_wall(void **state)
{
    (void)state;
    write_key(0, "set", 1, "\"n\":1");
    ticks(1);
    lose(2);
    world->sites[2].skew_ms = -60000;
    start_site(&world->sites[2]);
    want(2);
    ticks(3);
    assert_int_equal(sync_of(2).phase, DKV_SYNC_WANTED);
    assert_int_equal(count_of(&world->sites[2].fake, "r/"), 0);
    world->sites[2].skew_ms = 0;
    ticks(3);
    agree_at_rest();
    assert_true(shows(2, "k001"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(transfer_fills_a_new_store, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_outlives_an_old_backup, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_brings_the_clear_mark, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_survives_a_crash_at_every_call, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(transfer_survives_a_faulty_store, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_goes_on_with_another_donor, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_leaves_a_donor_without_end, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_forgets_what_its_donor_lost, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(transfer_holds_the_changes_behind_a_page, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(transfer_goes_on_under_writes, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_fills_two_new_stores, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_between_strangers, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_between_two_that_need_it, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_gives_way, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_mends_what_cannot_be_read, setup, teardown_world),
        cmocka_unit_test_setup_teardown(transfer_keeps_what_its_donor_cannot_read, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(transfer_waits_for_its_wall, setup, teardown_world),
    };
    return cmocka_run_group_tests_name("dkv_transfer", tests, NULL, NULL);
}
