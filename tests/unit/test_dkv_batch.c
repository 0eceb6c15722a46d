/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/values/reply.h"
#include "test_dkv_check.h"

#define MESSAGES_MAX 200

static struct fake fake;
static struct dkv_handled handled[MESSAGES_MAX];

static int setup(void **state)
{
    (void)state;
    fake = fake_new(3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unsigned failures = check_failures(&fake, true);
    fake_release(&fake);
    return failures > 0 ? -1 : 0;
}

struct pair {
    const char *subject;
    const char *body;
};

/* Handles messages up to a NULL; replies go to "r0", "r1", ... */
static void send_all(const struct pair *pairs)
{
    static char inboxes[MESSAGES_MAX][8];
    struct dkv_message messages[MESSAGES_MAX];
    struct dkv_env env = fake_env(&fake);
    size_t count = 0;
    for (; pairs[count].subject; count++) {
        snprintf(inboxes[count], sizeof inboxes[count], "r%zu", count);
        messages[count] = (struct dkv_message){
            hr_str_c(pairs[count].subject), hr_str_c(pairs[count].body), hr_str_c(inboxes[count])};
    }
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, messages, count, handled);
}

/* The one reply to message @index has @part in it. */
static void replied(size_t index, const char *part)
{
    char inbox[8];
    const char *body = NULL;
    snprintf(inbox, sizeof inbox, "r%zu", index);
    for (size_t i = 0; i < fake.reply_count; i++) {
        if (strcmp(fake.replies[i].subject, inbox) == 0) {
            assert_null(body);
            body = fake.replies[i].body;
        }
    }
    assert_non_null(body);
    if (!strstr(body, part)) {
        fail_msg("%s is not in %s", part, body);
    }
}

/* All writes of a batch go into one commit, and each has a number and a stamp of its own. */
static void batch_makes_one_commit(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.set.x", "{\"a\":1}");
    uint64_t commits = fake.commits;
    send_all((const struct pair[]){{"wasmkv.set.a", "{\"a\":1}"},
                                   {"wasmkv.del.x", ""},
                                   {"wasmkv.set.b", "{\"b\":1}"},
                                   {"wasmkv.del", ""},
                                   {"wasmkv.set.c", "{\"c\":1}"},
                                   {NULL, NULL}});
    /* And one more for what the clear left. */
    assert_int_equal(fake.commits, commits + 2);
    replied(0, "\"created\":true");
    replied(1, "\"deleted\":true");
    replied(3, "\"count\":2");
    replied(4, "\"created\":true");
    struct check check = check_store(&fake, true);
    assert_int_equal(check.change_count, 6);
    check_release(&check);
}

/* Reads that follow one another take one reading of the store for every DKV_READS_MAX, each with its own answer; writes and
 * lists between them keep their places. */
static void batch_reads_together(void **state)
{
    (void)state;
    struct pair reads[40 + 1] = {{NULL, NULL}};
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    uint64_t readings = fake.readings;
    for (size_t i = 0; i < 40; i++) {
        reads[i] = (struct pair){i % 2 ? "wasmkv.get.a" : "wasmkv.get.b", ""};
    }
    send_all(reads);
    assert_int_equal(fake.readings, readings + 3);
    for (size_t i = 0; i < 40; i++) {
        replied(i, i % 2 ? "\"value\":{\"n\":1}" : "\"code\":\"not-found\"");
    }
    send_all((const struct pair[]){{"wasmkv.get.a", ""},
                                   {"wasmkv.set.a", "{\"n\":2}"},
                                   {"wasmkv.get.a", ""},
                                   {"wasmkv.get.c", "body"},
                                   {"wasmkv.get", ""},
                                   {"wasmkv.get.a", ""},
                                   {"wasmkv.set.a", "{\"n\":3}"},
                                   {NULL, NULL}});
    replied(0, "\"value\":{\"n\":1}");
    replied(2, "\"value\":{\"n\":2}");
    replied(3, "\"code\":\"bad-request\"");
    replied(4, "\"value\":{\"n\":2}");
    replied(5, "\"value\":{\"n\":2}");
    replied(6, "\"value\":{\"n\":3}");
}

/* A value that is damaged fails its own read only; a store that cannot be read, every one. */
static void batch_reads_fail_alone(void **state)
{
    (void)state;
    const struct pair reads[] = {{"wasmkv.get.a", ""}, {"wasmkv.get.b", ""}, {NULL, NULL}};
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    fake_send(&fake, "wasmkv.set.b", "{\"n\":1}");
    struct fake_pair *pair = fake_find(&fake, HR_STR("r/a"));
    pair->value[pair->value_len - 1] ^= 1;
    send_all(reads);
    replied(0, "\"code\":\"corrupt\"");
    replied(1, "\"value\":{\"n\":1}");
    pair->value[pair->value_len - 1] ^= 1;
    fake.fault = FAKE_REFUSED;
    fake.fault_at = fake.calls + 9;
    send_all(reads);
    replied(0, "\"retryable\":true");
    replied(1, "\"retryable\":true");
}

/* A message sees what those before it did, and conditions are judged by that. */
static void batch_messages_see_each_other(void **state)
{
    (void)state;
    send_all((const struct pair[]){{"wasmkv.set.a", "{\"$if-absent\":true,\"n\":1}"},
                                   {"wasmkv.set.a", "{\"$if-absent\":true,\"n\":2}"},
                                   {"wasmkv.set.a", "{\"$if-present\":true,\"m\":3}"},
                                   {"wasmkv.get.a", ""},
                                   {"wasmkv.del.a", ""},
                                   {"wasmkv.set.a", "{\"$if-present\":true,\"m\":4}"},
                                   {"wasmkv.set.a", "{\"k\":5}"},
                                   {NULL, NULL}});
    replied(0, "\"created\":true");
    replied(1, "\"code\":\"conflict\"");
    replied(2, "\"value\":{\"m\":3,\"n\":1}");
    replied(3, "\"value\":{\"m\":3,\"n\":1}");
    replied(5, "\"code\":\"not-found\"");
    replied(6, "\"value\":{\"k\":5},\"created\":true");
}

/* A message that is wrong fails alone. */
static void batch_bad_messages_fail_alone(void **state)
{
    (void)state;
    send_all((const struct pair[]){{"wasmkv.set.a", "{\"n\":1}"},
                                   {"wasmkv.set.b", "nonsense"},
                                   {"wasmkv.nonsense", ""},
                                   {"wasmkv.set.a b", "{}"},
                                   {"wasmkv.get", "{\"limit\":0}"},
                                   {"wasmkv.set.c", "{\"n\":1}"},
                                   {NULL, NULL}});
    replied(0, "\"created\":true");
    for (size_t i = 1; i < 5; i++) {
        replied(i, "{\"site\":\"here\",\"error\":{\"code\":\"bad-request\",\"message\":\"");
        assert_int_equal(handled[i].err, HR_OK);
    }
    replied(5, "\"created\":true");
}

/* The same request twice in one batch is done once. */
static void batch_repeats_are_done_once(void **state)
{
    (void)state;
    send_all((const struct pair[]){
        {"wasmkv.set.a", "{\"$if-absent\":true,\"$request-id\":\"r\",\"n\":1}"},
        {"wasmkv.set.a", "{\"$if-absent\":true,\"$request-id\":\"r\",\"n\":1}"},
        {"wasmkv.set.a", "{\"$if-absent\":true,\"$request-id\":\"r\",\"n\":2}"},
        {NULL, NULL}});
    replied(0, "\"created\":true");
    replied(1, "\"created\":true");
    replied(2, "\"bad-request\"");
}

/* 64 new values with request ids, the heaviest small writes, go into one commit. */
static void batch_of_64_goes_into_one_commit(void **state)
{
    (void)state;
    static char subjects[64][32];
    static char bodies[64][64];
    struct pair pairs[65] = {{NULL, NULL}};
    fake_send(&fake, "wasmkv.get", "");
    /* So that there are results to purge as well. */
    for (int round = 0; round < 3; round++) {
        uint64_t commits = fake.commits;
        for (int i = 0; i < 64; i++) {
            snprintf(subjects[i], sizeof subjects[i], "wasmkv.set.k%d-%d", round, i);
            snprintf(bodies[i], sizeof bodies[i], "{\"$request-id\":\"r%d-%d\",\"n\":%d}", round, i,
                     i);
            pairs[i].subject = subjects[i];
            pairs[i].body = bodies[i];
        }
        send_all(pairs);
        assert_int_equal(fake.commits, commits + 1);
        assert_in_range(fake.last_ops, 64 * 8, 1024);
        fake.wall += 11 * 60 * 1000;
    }
    replied(63, "\"created\":true");
}

/* A batch whose values are too much for one commit, or whose messages are too many, takes more. */
static void batch_splits_what_is_too_much(void **state)
{
    (void)state;
    char *body = malloc(250 * 1024);
    char *text = malloc(60 * 1024);
    struct pair pairs[130] = {{NULL, NULL}};
    assert_true(body && text);
    memset(text, 'v', 60 * 1024 - 1);
    text[60 * 1024 - 1] = '\0';
    snprintf(body, 250 * 1024, "{\"a\":\"%s\",\"b\":\"%s\",\"c\":\"%s\",\"$request-id\":\"%s\"}",
             text, text, text, "big");
    fake_send(&fake, "wasmkv.get", "");
    uint64_t commits = fake.commits;
    for (int i = 0; i < 129; i++) {
        pairs[i].subject = i % 2 ? "wasmkv.set.small" : "wasmkv.set.big";
        pairs[i].body = i % 2 ? "{\"n\":1}" : body;
    }
    send_all(pairs);
    assert_in_range(fake.commits - commits, 3, 60);
    for (size_t i = 0; i < 129; i++) {
        replied(i, "\"value\":{");
    }
    free(text);
    free(body);
}

/* Small patches of large values make large commits, which are split as well. */
static void batch_splits_by_what_a_commit_weighs(void **state)
{
    (void)state;
    char *body = malloc(250 * 1024);
    static char subjects[30][24];
    struct pair pairs[31] = {{NULL, NULL}};
    assert_non_null(body);
    for (int i = 0; i < 30; i++) {
        snprintf(subjects[i], sizeof subjects[i], "wasmkv.set.large%d", i);
        pairs[i] = (struct pair){subjects[i], "{\"small\":1}"};
        for (int field = 0; field < 4; field++) {
            memset(body, 'v', 60 * 1024);
            snprintf(body, 8, "{\"f%d\":", field);
            body[6] = '"';
            strcpy(body + 60 * 1024, "\"}");
            assert_non_null(strstr(fake_send(&fake, subjects[i], body), "\"value\":"));
        }
    }
    uint64_t commits = fake.commits;
    send_all(pairs);
    assert_int_equal(fake.commits - commits, 2);
    for (size_t i = 0; i < 30; i++) {
        replied(i, "\"small\":1}");
    }
    /* Writes that fail weigh what they have read. */
    for (int i = 0; i < 29; i++) {
        pairs[i].body = "{\"$if-absent\":true,\"small\":2}";
    }
    pairs[29].body = "{\"small\":2}";
    send_all(pairs);
    for (size_t i = 0; i < 29; i++) {
        replied(i, "\"code\":\"conflict\"");
    }
    replied(29, "\"small\":2}");
    free(body);
}

static unsigned intrusions;

static void intrude(struct fake *other)
{
    struct dkv_env env = fake_env(other);
    struct dkv_handled ignored;
    const struct dkv_message message = {HR_STR("wasmkv.set.a"), HR_STR("{\"i\":1}"), {0}};
    if (intrusions > 0) {
        intrusions--;
        dkv_batch_handle(&env, &message, 1, &ignored);
    }
}

static enum hr_err commit_after_an_intruder(void *arg, const struct dkv_commit *commit,
                                            size_t *ret_conflict, struct hr_diag *diag)
{
    intrude(arg);
    return fake_commit(arg, commit, ret_conflict, diag);
}

static void send_with(enum hr_err (*commit)(void *, const struct dkv_commit *, size_t *,
                                            struct hr_diag *))
{
    struct dkv_env env = fake_env(&fake);
    const struct dkv_message message = {HR_STR("wasmkv.set.a"), HR_STR("{\"n\":1}"), HR_STR("r0")};
    env.commit = commit;
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, &message, 1, handled);
}

/* A commit that is overtaken is computed anew from what is there then. */
static void batch_is_done_anew_after_a_conflict(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.get", "");
    intrusions = 63;
    send_with(commit_after_an_intruder);
    replied(0, "\"value\":{\"i\":1,\"n\":1},\"created\":false");
}

/* After 64 overtaken attempts, or five seconds of them, it is `busy`, and nothing was done. */
static void batch_gives_up_when_always_overtaken(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.get", "");
    intrusions = 64;
    send_with(commit_after_an_intruder);
    assert_int_equal(intrusions, 0);
    replied(0, "\"error\":{\"code\":\"busy\",\"message\":\"other writes kept coming first\","
               "\"retryable\":true}");
    assert_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
    intrusions = 64;
    fake.mono_step = 1000;
    send_with(commit_after_an_intruder);
    assert_in_range(intrusions, 55, 62); /* who comes between reads the clock too */
    intrusions = 0;
    replied(0, "\"busy\"");
}

static unsigned losses;
static bool do_it;

static enum hr_err commit_and_lose(void *arg, const struct dkv_commit *commit, size_t *ret_conflict,
                                   struct hr_diag *diag)
{
    enum hr_err err = do_it ? fake_commit(arg, commit, ret_conflict, diag) : HR_OK;
    if (losses > 0) {
        losses--;
        return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "lost");
    }
    return do_it ? err : fake_commit(arg, commit, ret_conflict, diag);
}

/* A lost answer is looked for, whether the commit was done or not, and told if it cannot be found. */
static void batch_finds_lost_answers(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.get", "");
    for (int done = 0; done < 2; done++) {
        do_it = done;
        losses = 7;
        uint64_t commits = fake.commits;
        send_with(commit_and_lose);
        replied(0, "\"value\":{\"n\":1}");
        assert_int_equal(fake.commits, commits + 1);
    }
    do_it = false;
    losses = 8;
    send_with(commit_and_lose);
    replied(0, "\"error\":{\"code\":\"unknown-outcome\"");
    replied(0, "\"retryable\":true");
}

static enum hr_err commit_without_space(void *arg, const struct dkv_commit *commit,
                                        size_t *ret_conflict, struct hr_diag *diag)
{
    (void)arg;
    (void)commit;
    (void)ret_conflict;
    return hr_diag_set(diag, HR_NO_SPACE, "lmdb: map full");
}

/* A commit that is refused fails all of its writes with the store's reason. */
static void batch_tells_why_a_commit_was_refused(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.get", "");
    send_with(commit_without_space);
    replied(0, "\"code\":\"unavailable\",\"message\":\"lmdb: map full\",\"retryable\":true");
}

static enum hr_err publish_nowhere(void *arg, const struct dkv_message *message,
                                   struct hr_diag *diag)
{
    (void)arg;
    (void)message;
    return hr_diag_set(diag, HR_CLOSED, "no bus");
}

/* A reply that cannot be sent is the message's error; without a reply-to there is none to send. */
static void batch_says_when_a_reply_cannot_be_sent(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_message message = {HR_STR("wasmkv.set.a"), HR_STR("{\"n\":1}"), HR_STR("r0")};
    env.publish = publish_nowhere;
    dkv_batch_handle(&env, &message, 1, handled);
    assert_int_equal(handled[0].err, HR_CLOSED);
    assert_string_equal(handled[0].diag.text, "reply to wasmkv.set.a: no bus");
    message.reply_to = (struct hr_str){0};
    dkv_batch_handle(&env, &message, 1, handled);
    assert_int_equal(handled[0].err, HR_OK);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
}

/* A wrong configuration is said to each message, and names the key. */
static void batch_names_what_is_wrong_in_the_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *site, *site_id, *write_acks, *nonce, *feed_max, *key, *members;
    } rows[] = {
        {NULL, NULL, NULL, FAKE_NONCE, NULL, "site must be", NULL},
        {"", NULL, NULL, FAKE_NONCE, NULL, "site must be", NULL},
        {"here", "0", NULL, FAKE_NONCE, NULL, "site-id must be", NULL},
        {"here", "65536", NULL, FAKE_NONCE, NULL, "site-id must be", NULL},
        {"he re", NULL, NULL, FAKE_NONCE, NULL, "site must be", NULL},
        {"here", "1", "33", FAKE_NONCE, NULL, "write-acks must be", NULL},
        {"here", "1", "some", FAKE_NONCE, NULL, "write-acks must be", NULL},
        {"here", NULL, NULL, NULL, NULL, "boot-nonce must be", NULL},
        {"here", NULL, NULL, "00", NULL, "boot-nonce must be", NULL},
        {"here", NULL, NULL, "000102030405060708090a0b0c0d0e0F", NULL, "boot-nonce must be", NULL},
        {"here", NULL, NULL, FAKE_NONCE, "15", "feed-max must be", NULL},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", ""},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", "1,,3"},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", "1,2,"},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", "1, 2"},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", "0"},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be", "1,65536"},
        {"here", NULL, NULL, FAKE_NONCE, NULL, "members must be",
         "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,"
         "33"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake.site = rows[i].site;
        fake.site_id = rows[i].site_id;
        fake.write_acks = rows[i].write_acks;
        fake.nonce = rows[i].nonce;
        fake.feed_max = rows[i].feed_max;
        fake.members = rows[i].members;
        send_all((const struct pair[]){{"wasmkv.set.a", "{}"}, {"wasmkv.get", ""}, {NULL, NULL}});
        replied(0, rows[i].key);
        replied(1, "\"code\":\"unavailable\"");
    }
    assert_int_equal(fake.count, 0);
}

/* Replies say how many sites there are. */
static void batch_replies_tell_the_sites(void **state)
{
    (void)state;
    fake.sites = "3";
    fake_serve(&fake);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{}"), "\"acks\":1,\"sites\":3}"));
}

/* Errors that another site may not have are refusals; what a client did wrong, and what another site would
 * say too, are replies. An outcome that is not known is a refusal if repeating the request is harmless. */
static void batch_refuses_what_another_site_may_do(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *body;
        enum fake_fault fault;
        uint64_t at;
        bool refused;
    } rows[] = {
        {"wasmkv.get.none", "", FAKE_NONE, 0, false},
        {"wasmkv.set.a", "{\"$if-absent\":true}", FAKE_NONE, 0, false},
        {"wasmkv.set.a", "[]", FAKE_NONE, 0, false},
        {"wasmkv.nothing", "", FAKE_NONE, 0, false},
        {"wasmkv.get.a", "", FAKE_NONE, 0, false},
        {"wasmkv.get.a", "", FAKE_REFUSED, 9, true},
        {"wasmkv.get.a", "", FAKE_REFUSED, 1, true},
        {"wasmkv.get", "", FAKE_REFUSED, 10, true},
        {"wasmkv.set.a", "{}", FAKE_REFUSED, 12, true},
        {"wasmkv.del", "", FAKE_REFUSED, 8, true},
    };
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake.fault = rows[i].fault;
        fake.fault_at = rows[i].at > 0 ? fake.calls + rows[i].at : 0;
        const char *reply = fake_send(&fake, rows[i].subject, rows[i].body);
        assert_non_null(reply);
        assert_int_equal(strstr(reply, "\"code\":\"unavailable\"") != NULL, rows[i].refused);
        assert_int_equal(fake_sent(&fake, "_INBOX.1")->refused, rows[i].refused);
    }
    for (int identified = 0; identified < 2; identified++) {
        struct dkv_answer answer = {.err = HR_UNKNOWN_OUTCOME};
        assert_int_equal(dkv_reply_is_refusal(&answer, identified == 1), identified);
    }
    struct fake_pair *record = fake_find(&fake, HR_STR("r/a"));
    record->value[record->value_len - 1] ^= 1;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"code\":\"corrupt\""));
    assert_true(fake_sent(&fake, "_INBOX.1")->refused);
    record->value[record->value_len - 1] ^= 1;
}

/* If the replies of a group's site cannot be handed on, nobody is told that the writes were done. */
static void batch_of_a_group_fails_without_its_ships(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_handled outcome;
    const struct dkv_message message = {HR_STR("wasmkv.set.a"), HR_STR("{\"n\":1}"),
                                        HR_STR("_INBOX.1")};
    fake.sites = "3";
    fake_serve(&fake);
    fake_send(&fake, "wasmkv.set.b", "{}");
    fake_forget_replies(&fake);
    fake.fault = FAKE_REFUSED;
    fake.fault_at = fake.calls + 17;
    dkv_batch_handle(&env, &message, 1, &outcome);
    assert_int_equal(outcome.err, HR_IO);
    assert_int_equal(fake.reply_count, 0);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(batch_makes_one_commit),
        CASE(batch_reads_together),
        CASE(batch_reads_fail_alone),
        CASE(batch_messages_see_each_other),
        CASE(batch_bad_messages_fail_alone),
        CASE(batch_repeats_are_done_once),
        CASE(batch_of_64_goes_into_one_commit),
        CASE(batch_splits_what_is_too_much),
        CASE(batch_splits_by_what_a_commit_weighs),
        CASE(batch_is_done_anew_after_a_conflict),
        CASE(batch_gives_up_when_always_overtaken),
        CASE(batch_finds_lost_answers),
        CASE(batch_tells_why_a_commit_was_refused),
        CASE(batch_says_when_a_reply_cannot_be_sent),
        CASE(batch_names_what_is_wrong_in_the_configuration),
        CASE(batch_replies_tell_the_sites),
        CASE(batch_refuses_what_another_site_may_do),
        CASE(batch_of_a_group_fails_without_its_ships),
    };
    return cmocka_run_group_tests_name("dkv_batch", tests, NULL, NULL);
}
