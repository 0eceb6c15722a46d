/* links: sim_world core_kv yyjson */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/test_sim_fake.h"

/* Each check of the simulator is given what it has to find, and what it must not complain of: what clients are told,
 * and changes. test_sim_check_store.c has those that look at what else is in a store. */

static void sequence_is_watched(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "2"));
    assert_true(passed(world));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "2"));
    assert_true(failed(world, "another change under the number"));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 3, 11, "2"));
    assert_true(failed(world, "after change 1"));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 10, "2"));
    assert_true(failed(world, "is not after the one before"));

    world = new_world();
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    assert_true(failed(world, "never made"));

    world = new_world();
    commit(world, 0, HR_STR("f/0001000000000007/0000000000000001"), HR_STR("damaged"));
    assert_true(failed(world, "cannot be read"));
}

/* A number that was lost with a lazy store's tail may not be used for something else. */
static void numbers_are_not_used_again(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    sim_store_crash(&world->sites[0].store);
    put(world, 0, draft_of(ORIGIN1, 1, 12, "2"));
    assert_true(failed(world, "another change under the number"));
}

static const char told[] = "{\"site\":\"s1\",\"key\":\"k1\",\"version\":"
                           "\"000000000000000a0001000000000007\",\"acks\":2,\"sites\":2}";

/* A change that two sites have, which a client was told. */
static struct sim_world *promised(void)
{
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    sim_model_told(world, sim_clients_op(world, 1), 0, hr_str_c(told));
    return world;
}

static void acknowledged_change_stays(void **state)
{
    (void)state;
    struct sim_world *world = promised();
    sim_model_check_end(world);
    assert_true(passed(world));

    /* One of two may lose it, but then has to get it again. */
    world = promised();
    sim_store_crash(&world->sites[0].store);
    assert_false(world->failed);
    sim_model_check_end(world);
    assert_true(failed(world, "is not everywhere"));

    /* Both have lost it: that was not promised. */
    world = promised();
    sim_store_crash(&world->sites[0].store);
    sim_store_crash(&world->sites[1].store);
    sim_model_check_end(world);
    assert_true(passed(world));

    /* Told of two, and one loss is the end of it: it never was at two. */
    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    sim_model_told(world, sim_clients_op(world, 1), 0, hr_str_c(told));
    sim_store_crash(&world->sites[0].store);
    assert_true(failed(world, "is gone"));
}

static void reply_of_acks_is_true(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    publish(world, 0, "_INBOX.c1.0", hr_str_c(told));
    assert_true(failed(world, "1 ever had it"));

    world = new_world();
    publish(world, 0, "_INBOX.c1.0", hr_str_c(told));
    assert_true(failed(world, "was never made"));

    world = promised();
    publish(world, 0, "_INBOX.c1.0", hr_str_c(told));
    assert_true(passed(world));
}

/* A site's acknowledgement of the change of the first origin. */
static void acknowledge(struct sim_world *world, uint32_t site)
{
    struct draft draft = draft_of(ORIGIN1, 1, 10, "1");
    struct bytes change = encode(&draft);
    struct bytes parcel = {.len = 0};
    struct bytes ack = {.len = 0};
    char inbox[32];
    struct sim_call *asker = &world->calls[3];
    number(&parcel, 1, 1);
    number(&parcel, 1, 2);
    number(&parcel, change.len, 4);
    memcpy(parcel.ptr + parcel.len, change.ptr, change.len);
    parcel.len += change.len;
    number(&parcel, 0, 4);
    struct sim_letter *asked =
        sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("wasmkv.peer.default.w"),
                       hr_str_of(parcel.ptr, parcel.len), (struct hr_str){0});
    number(&ack, 1, 1);
    number(&ack, site + 1, 2);
    number(&ack, 0, 4);
    number(&ack, 1, 2);
    number(&ack, 0x80, 1);
    number(&ack, 0, 4);
    asker->serial = 77;
    asker->inbox = 5;
    asker->asked = asked;
    snprintf(inbox, sizeof inbox, "_INBOX.s3.5");
    publish(world, site, inbox, hr_str_of(ack.ptr, ack.len));
    *asker = (struct sim_call){.world = world, .slot = 3};
    sim_letter_unref(asked);
}

static void site_acknowledges_what_it_has(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    acknowledge(world, 1);
    assert_true(failed(world, "which it has never had"));

    world = promised();
    acknowledge(world, 1);
    assert_true(passed(world));
}

static void refused_write_is_nowhere(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    sim_clients_op(world, 1)->outcome = SIM_NO;
    sim_model_check_end(world);
    assert_true(failed(world, "was refused by everybody"));
}

/* A NOOP has the stamp of the change before it, and nobody is told of it. */
static void noop_is_no_version(void **state)
{
    (void)state;
    struct sim_world *world = promised();
    put(world, 0, (struct draft){ORIGIN1, 2, 10, SIM_KNOWN_NOOP, NULL, 0, NULL});
    publish(world, 0, "_INBOX.c1.0", hr_str_c(told));
    assert_true(passed(world));
}

static void clock_stays_near_the_wall(void **state)
{
    (void)state;
    struct bytes ctr = {.len = 0};
    struct sim_world *world = new_world();
    uint64_t wall = sim_world_wall_ms(world, &world->sites[0]);
    number(&ctr, 1, 1);
    number(&ctr, ORIGIN1, 8);
    number(&ctr, (wall + 500) << 16, 8);
    number(&ctr, 0, 12);
    commit(world, 0, HR_STR("m/ctr"), hr_str_of(ctr.ptr, ctr.len));
    assert_false(world->failed);
    ctr.len = 9;
    number(&ctr, (wall + 600) << 16, 8);
    number(&ctr, 0, 12);
    commit(world, 0, HR_STR("m/ctr"), hr_str_of(ctr.ptr, ctr.len));
    assert_true(failed(world, "ahead of all that its wall has shown"));
}

/* Two reads at site 1, the second begun after the first one's answer. */
static struct sim_world *read_twice(const char *first, const char *second, bool loss)
{
    struct sim_world *world = new_world();
    char reply[128];
    const char *versions[2] = {first, second};
    for (unsigned i = 0; i < 2; i++) {
        struct sim_op *op = sim_clients_probe(world, SIM_OP_GET, 1, 0);
        world->now += SIM_MS;
        snprintf(reply, sizeof reply, "{\"version\":\"%s\",\"value\":{}}", versions[i]);
        sim_model_told(world, op, 0, hr_str_c(reply));
        world->now += SIM_MS;
        if (loss) {
            put(world, 0, draft_of(ORIGIN1, 1 + i, 10 + i, i == 0 ? "1" : "2"));
            sim_store_crash(&world->sites[0].store);
            world->now += SIM_MS;
        }
    }
    return world;
}

static void version_does_not_go_back(void **state)
{
    (void)state;
    const char *low = "00000000000000050001000000000007";
    const char *high = "00000000000000060001000000000007";
    assert_true(passed(read_twice(low, high, false)));
    assert_true(passed(read_twice(low, low, false)));
    assert_true(failed(read_twice(high, low, false), "after it had answered with"));
    assert_true(passed(read_twice(high, low, true)));
    assert_true(failed(read_twice(low, "7", false), "the version is none"));
}

static void value_was_written(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    struct sim_op *read = sim_clients_probe(world, SIM_OP_GET, 1, 0);
    sim_check_values_told(world, read, HR_STR("{\"value\":{\"f0\":1}}"));
    assert_true(passed(world));

    world = new_world();
    read = sim_clients_probe(world, SIM_OP_GET, 1, 0);
    sim_check_values_told(world, read, HR_STR("{\"value\":{\"f0\":99}}"));
    assert_true(failed(world, "which nobody wrote"));

    world = new_world();
    read = sim_clients_probe(world, SIM_OP_GET, 2, 0);
    sim_check_values_told(world, read, HR_STR("{\"value\":{\"f0\":1}}"));
    assert_true(failed(world, "which nobody wrote"));

    world = new_world();
    read = sim_clients_probe(world, SIM_OP_LIST, 0, 0);
    sim_clients_op(world, 1)->outcome = SIM_NO;
    sim_check_values_told(world, read,
                          HR_STR("{\"items\":[{\"key\":\"k1\",\"value\":{\"f0\":1}}]}"));
    assert_true(failed(world, "which everybody refused"));
}

/* Value 1 under k1 in f0, then 2 in f1 from another site; k2 deleted; k3 written before everything was. */
static struct sim_world *history(void)
{
    struct sim_world *world = new_world();
    struct draft draft = draft_of(ORIGIN1, 1, 4, "3");
    draft.key = "k3";
    put(world, 0, draft);
    put(world, 0, (struct draft){ORIGIN1, 2, 5, SIM_KNOWN_CLEAR, NULL, 0, NULL});
    put(world, 0, draft_of(ORIGIN1, 3, 10, "1"));
    draft = draft_of(ORIGIN1, 4, 11, "4");
    draft.key = "k2";
    put(world, 0, draft);
    draft = draft_of(ORIGIN2, 1, 12, "2");
    draft.field = 1;
    put(world, 1, draft);
    put(world, 0, draft);
    draft = (struct draft){ORIGIN2, 2, 14, SIM_KNOWN_DEL, "k2", 0, NULL};
    put(world, 1, draft);
    put(world, 0, draft);
    return world;
}

static const char *list(const char *version, const char *value, const char *more)
{
    static char reply[512];
    snprintf(reply, sizeof reply,
             "{\"items\":[{\"key\":\"k1\",\"version\":\"%s\",\"value\":%s}%s],\"next\":null}",
             version, value, more);
    return reply;
}

static bool agrees(const char *reply, const char *part)
{
    struct sim_world *world = history();
    sim_check_agreement(world, 0, hr_str_c(reply));
    return failed(world, part);
}

static void listing_is_what_changes_amount_to(void **state)
{
    (void)state;
    const char *version = "000000000000000c0002000000000007";
    const char *both = "{\"f0\":1,\"f1\":2}";
    assert_true(agrees(list(version, both, ""), ""));
    assert_true(agrees(list(version, "{\"f0\":1}", ""), "not what its changes amount to"));
    assert_true(agrees(list(version, "{\"f0\":4,\"f1\":2}", ""), "not what its changes amount to"));
    assert_true(agrees(list(version, "{\"f0\":1,\"f1\":2,\"f2\":1}", ""), "not what its changes"));
    assert_true(agrees(list("000000000000000a0001000000000007", both, ""), "another version"));
    assert_true(agrees("{\"items\":[],\"next\":null}", "does not list k1"));
    assert_true(agrees("{\"error\":{}}", "lists nothing"));
    assert_true(agrees(list(version, both,
                            ",{\"key\":\"k2\",\"version\":\"000000000000000e0002000000000007\","
                            "\"value\":{\"f0\":1}}"),
                       "which is deleted"));
    assert_true(agrees(list(version, both,
                            ",{\"key\":\"k3\",\"version\":\"00000000000000040001000000000007\","
                            "\"value\":{\"f0\":1}}"),
                       "which is deleted"));
}

static void list_has_each_key_once(void **state)
{
    (void)state;
    const char *item = "{\"key\":\"k1\",\"version\":\"000000000000000c0002000000000007\","
                       "\"value\":{\"f0\":1,\"f1\":2}}";
    char twice[512];
    snprintf(twice, sizeof twice, "{\"items\":[%s,%s]}", item, item);
    assert_true(agrees(twice, "twice"));
}

/* A site lists what it has, and not what others have. */
static void listing_is_of_its_own_site(void **state)
{
    (void)state;
    struct sim_world *world = history();
    struct draft draft = draft_of(ORIGIN2, 3, 20, "5");
    put(world, 1, draft);
    sim_check_agreement(
        world, 0, hr_str_c(list("000000000000000c0002000000000007", "{\"f0\":1,\"f1\":2}", "")));
    assert_true(passed(world));
}

static void new_change_is_the_latest(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN2, 1, 10, "2"));
    assert_true(failed(world, "not later than"));

    /* What was lost does not count. */
    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    sim_store_crash(&world->sites[1].store);
    put(world, 1, draft_of(ORIGIN2, 1, 9, "2"));
    assert_true(passed(world));
}

static void request_is_done_once(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "1"));
    assert_true(failed(world, "for the 2th time"));

    world = new_world();
    sim_clients_op(world, 1)->identified = true;
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN2, 1, 10, "1")); /* it did not know */
    assert_false(world->failed);
    put(world, 0, draft_of(ORIGIN1, 2, 11, "1"));
    assert_true(failed(world, "whose change it has already"));
}

static void lost_number_may_be_filled(void **state)
{
    (void)state;
    const struct draft noop = {ORIGIN1, 1, 10, SIM_KNOWN_NOOP, NULL, 0, NULL};
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    sim_store_crash(&world->sites[0].store);
    put(world, 0, noop);
    put(world, 1, noop);
    assert_false(world->failed);
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    assert_true(failed(world, "another change under the number"));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, noop);
    assert_true(failed(world, "another change under the number"));
}

/* A copy that is put back may have what was filled since: then it is known again, and of what it was about there are two truths. */
static void lost_number_may_be_found_again(void **state)
{
    (void)state;
    const struct draft noop = {ORIGIN1, 1, 10, SIM_KNOWN_NOOP, NULL, 0, NULL};
    struct sim_world *world = new_world();
    struct sim_site *site = &world->sites[0];
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    sim_store_save(&site->store, &site->backup);
    sim_model_saved(world, 0);
    sim_store_clear(&site->store);
    put(world, 0, noop);
    put(world, 1, noop);
    sim_store_restore(&site->store, &site->backup);
    sim_model_restored(world, 0);
    assert_false(world->failed);
    uint32_t index = sim_known_find(&world->model->knowledge, ORIGIN1, 1);
    const struct sim_known *known = &world->model->knowledge.changes[index];
    assert_true(known->found);
    assert_int_equal(known->kind, SIM_KNOWN_SET);
    assert_int_equal(known->held, 3);
    assert_true(world->model->forgeries.open[1]);
    assert_false(world->model->forgeries.open[2]);
    put(world, 1, noop); /* by a third one's word */
    assert_true(passed(world));
}

/* A deletion of everything by a request that was sent once, told with @count. */
static struct sim_world *cleared(const char *count)
{
    struct sim_world *world = new_world();
    char reply[64];
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, (struct draft){ORIGIN1, 2, 11, SIM_KNOWN_CLEAR, NULL, 0, NULL});
    struct sim_op *op = sim_clients_probe(world, SIM_OP_CLEAR, 0, 0);
    op->attempts[0].change = 1;
    snprintf(reply, sizeof reply, "{\"cleared\":true,\"count\":%s,\"acks\":1}", count);
    sim_model_told(world, op, 0, hr_str_c(reply));
    return world;
}

static void deletion_counts_what_was_there(void **state)
{
    (void)state;
    assert_true(passed(cleared("1")));
    assert_true(failed(cleared("0"), "1 values were there"));
    assert_true(failed(cleared("2"), "1 values were there"));
}

/* A client with a token is told @first, then @second; NULL: that there is no such value. */
static struct sim_world *in_session(const char *first, const char *second)
{
    struct sim_world *world = promised();
    const char *versions[2] = {first, second};
    for (unsigned i = 0; i < 2; i++) {
        char reply[128];
        struct sim_op op = {.number = 7 + i, .kind = SIM_OP_GET, .key = 1, .session = reply};
        if (versions[i]) {
            snprintf(reply, sizeof reply, "{\"version\":\"%s\",\"value\":{}}", versions[i]);
            sim_check_session_told(world, &op, hr_str_c(reply));
        } else {
            sim_check_session_absent(world, &op);
        }
    }
    return world;
}

static void session_does_not_go_back(void **state)
{
    (void)state;
    const char *low = "00000000000000090001000000000007";
    const char *high = "000000000000000a0001000000000007";
    assert_true(passed(in_session(low, high)));
    assert_true(failed(in_session(high, low), "where its session knows"));
    assert_true(failed(in_session(high, NULL), "said not to be there"));
    assert_true(passed(in_session(NULL, high)));

    struct sim_world *world = in_session(high, high);
    struct sim_op op = {.number = 9, .kind = SIM_OP_GET, .key = 1, .session = world->failure};
    put(world, 0, (struct draft){ORIGIN1, 2, 11, SIM_KNOWN_DEL, "k1", 0, NULL});
    sim_check_session_absent(world, &op);
    assert_true(passed(world));
}

/* As long as anybody has what was told, it is what a session knows. */
static void session_knows_what_any_site_has(void **state)
{
    (void)state;
    const char *low = "00000000000000090001000000000007";
    const char *high = "000000000000000a0001000000000007";
    char reply[128];
    struct sim_op op = {.number = 9, .kind = SIM_OP_GET, .key = 1, .session = reply};
    snprintf(reply, sizeof reply, "{\"version\":\"%s\",\"value\":{}}", low);
    struct sim_world *world = in_session(high, high);
    sim_store_crash(&world->sites[0].store);
    sim_check_session_told(world, &op, hr_str_c(reply));
    assert_true(failed(world, "where its session knows"));

    world = in_session(high, high);
    sim_store_crash(&world->sites[0].store);
    sim_store_crash(&world->sites[1].store);
    sim_check_session_told(world, &op, hr_str_c(reply));
    assert_true(passed(world));
}

/* A client that knows the value writes on @condition, and is told that it is done. */
static struct sim_world *written_if(enum sim_condition condition, uint64_t version, bool deleted)
{
    const char *high = "000000000000000a0001000000000007";
    char reply[128];
    struct sim_world *world = in_session(high, high);
    struct sim_op op = {.number = 9, .kind = SIM_OP_SET, .key = 1, .session = reply};
    op.condition = condition;
    op.if_version = (struct sim_version){version, ORIGIN1};
    if (deleted) {
        put(world, 0, (struct draft){ORIGIN1, 2, 11, SIM_KNOWN_DEL, "k1", 0, NULL});
    }
    snprintf(reply, sizeof reply, "{\"version\":\"%016x%016llx\",\"value\":{}}", 12,
             (unsigned long long)ORIGIN1);
    sim_check_session_told(world, &op, hr_str_c(reply));
    return world;
}

static void condition_is_judged_by_who_has_it(void **state)
{
    (void)state;
    assert_true(passed(written_if(SIM_ALWAYS, 0, false)));
    assert_true(passed(written_if(SIM_IF_PRESENT, 0, false)));
    assert_true(passed(written_if(SIM_IF_VERSION, 10, false)));
    assert_true(passed(written_if(SIM_IF_ABSENT, 0, true)));
    assert_true(failed(written_if(SIM_IF_ABSENT, 0, false), "is done if there is no k1"));
    assert_true(failed(written_if(SIM_IF_VERSION, 9, false), "is done if there is an older k1"));
}

/* Two are needed as soon as the other site is seen. */
static void reply_has_enough_acks(void **state)
{
    (void)state;
    const char *one = "{\"version\":\"000000000000000a0001000000000007\",\"acks\":1,\"sites\":2}";
    struct sim_world *world = promised();
    publish(world, 0, "_INBOX.c1.0", hr_str_c(one));
    assert_true(passed(world));

    world = promised();
    world->hosts[0].sight[1] = (struct sim_sight){.seen = true, .hears = true, .alive_from = 0};
    world->now = 10 * SIM_S;
    publish(world, 0, "_INBOX.c1.0", hr_str_c(one));
    assert_true(failed(world, "of 1 acks, where 2 are needed"));

    world = promised();
    publish(world, 0, "_INBOX.c1.0",
            HR_STR("{\"version\":\"000000000000000a0001000000000007\",\"acks\":2,\"sites\":1}"));
    assert_true(failed(world, "of 2 acks of 1 sites"));
}

enum { ACTIVE = 1, SYNC = 2 };

/* Site 2 says in m/self what it is, and in m/cfg of how many sites its group is. */
static void says_it_is(struct sim_world *world, uint64_t origin, unsigned state, unsigned members)
{
    struct bytes self = {.len = 0};
    struct bytes cfg = {.len = 0};
    number(&cfg, 0, 16);
    number(&cfg, members, 1);
    commit(world, 1, HR_STR("m/cfg"), hr_str_of(cfg.ptr, cfg.len));
    number(&self, 0, 17);
    number(&self, origin, 8);
    number(&self, 0, 16);
    number(&self, state, 1);
    number(&self, 0, 14);
    commit(world, 1, HR_STR("m/self"), hr_str_of(self.ptr, self.len));
}

/* Site 2 has lost what was promised, is started, and serves after that. */
static struct sim_world *started_again(unsigned members, bool has_it)
{
    struct sim_world *world = promised();
    sim_store_crash(&world->sites[1].store);
    world->now += SIM_S;
    says_it_is(world, ORIGIN2 + 1, SYNC, members);
    if (has_it) {
        put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    }
    says_it_is(world, ORIGIN2 + 1, ACTIVE, members);
    return world;
}

static void who_serves_has_what_was_promised(void **state)
{
    (void)state;
    assert_true(passed(started_again(2, true)));
    assert_true(failed(started_again(2, false), "serves again without change"));
    /* It does not know yet of whom it has to ask. */
    assert_true(passed(started_again(1, false)));

    /* Told after the boot: that may still be on its way. */
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    sim_store_crash(&world->sites[1].store);
    says_it_is(world, ORIGIN2 + 1, SYNC, 2);
    world->now += SIM_S;
    sim_model_told(world, sim_clients_op(world, 1), 0, hr_str_c(told));
    says_it_is(world, ORIGIN2 + 1, ACTIVE, 2);
    assert_true(passed(world));
}

/* Site 2 answers a client's read that came at @asked. */
static void answer_read(struct sim_world *world, sim_us asked, const char *body)
{
    struct sim_letter *read = sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("wasmkv.get.k1"),
                                             (struct hr_str){0}, HR_STR("_INBOX.c1.0"));
    struct sim_call call = {
        .world = world, .host = &world->hosts[2], .began = asked, .letters = {read}, .count = 1};
    struct sim_letter *reply = sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("_INBOX.c1.0"),
                                              hr_str_c(body), (struct hr_str){0});
    sim_model_published(world, &call, reply);
    sim_letter_unref(reply);
    sim_letter_unref(read);
}

static void who_catches_up_does_not_serve(void **state)
{
    (void)state;
    const char *value = "{\"key\":\"k1\",\"value\":{}}";
    struct sim_world *world = new_world();
    says_it_is(world, ORIGIN2, SYNC, 2);
    answer_read(world, world->now - 1, value); /* it came before that */
    answer_read(world, world->now + 1, "{\"error\":{\"code\":\"unavailable\"}}");
    assert_false(world->failed);
    answer_read(world, world->now + 1, value);
    assert_true(failed(world, "has been catching up since"));

    world = new_world();
    says_it_is(world, ORIGIN2, ACTIVE, 1);
    answer_read(world, world->now, value);
    assert_true(failed(world, "before it can know of others"));

    world = new_world();
    says_it_is(world, ORIGIN2, ACTIVE, 1);
    world->now += SIM_S;
    answer_read(world, world->now, value);
    assert_true(passed(world));
}

static void index_names_what_is_there(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    commit(world, 0, HR_STR("k/000a/k1"), HR_STR("1"));
    sim_check_index(world, &world->sites[0]); /* there is no site in the store yet */
    commit(world, 0, HR_STR("r/k1"), HR_STR("record"));
    commit(world, 0, HR_STR("m/ctr"), HR_STR("clock"));
    sim_check_index(world, &world->sites[0]);
    assert_true(passed(world));

    world = new_world();
    commit(world, 0, HR_STR("m/ctr"), HR_STR("clock"));
    commit(world, 0, HR_STR("k/000a/k1"), HR_STR("1"));
    sim_check_index(world, &world->sites[0]);
    assert_true(failed(world, "names a record that is not there"));

    world = new_world();
    commit(world, 0, HR_STR("m/ctr"), HR_STR("clock"));
    commit(world, 0, HR_STR("r/k1"), HR_STR("record"));
    sim_check_index(world, &world->sites[0]);
    assert_true(failed(world, "a record is not named"));
}

static void traffic_is_bounded(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    sim_check_traffic(world, 10, 20);
    assert_false(world->failed);
    sim_check_traffic(world, 10, 21);
    assert_true(failed(world, "10 writes were 21 messages"));
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    static char large[200000];
    sim_check_memory(world);
    assert_false(world->failed);
    commit(world, 0, HR_STR("r/k1"), hr_str_of(large, sizeof large));
    sim_check_memory(world);
    assert_true(failed(world, "a store holds"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_is_watched),
        cmocka_unit_test(numbers_are_not_used_again),
        cmocka_unit_test(acknowledged_change_stays),
        cmocka_unit_test(reply_of_acks_is_true),
        cmocka_unit_test(site_acknowledges_what_it_has),
        cmocka_unit_test(refused_write_is_nowhere),
        cmocka_unit_test(noop_is_no_version),
        cmocka_unit_test(clock_stays_near_the_wall),
        cmocka_unit_test(version_does_not_go_back),
        cmocka_unit_test(value_was_written),
        cmocka_unit_test(listing_is_what_changes_amount_to),
        cmocka_unit_test(list_has_each_key_once),
        cmocka_unit_test(listing_is_of_its_own_site),
        cmocka_unit_test(new_change_is_the_latest),
        cmocka_unit_test(request_is_done_once),
        cmocka_unit_test(lost_number_may_be_filled),
        cmocka_unit_test(lost_number_may_be_found_again),
        cmocka_unit_test(deletion_counts_what_was_there),
        cmocka_unit_test(reply_has_enough_acks),
        cmocka_unit_test(session_does_not_go_back),
        cmocka_unit_test(session_knows_what_any_site_has),
        cmocka_unit_test(condition_is_judged_by_who_has_it),
        cmocka_unit_test(who_serves_has_what_was_promised),
        cmocka_unit_test(who_catches_up_does_not_serve),
        cmocka_unit_test(index_names_what_is_there),
        cmocka_unit_test(traffic_is_bounded),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests_name("sim_check", tests, NULL, NULL);
}
