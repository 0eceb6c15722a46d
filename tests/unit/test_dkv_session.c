/* links: core_kv */
/* Sessions: their tokens, and what sites do with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/session.h"
#include "actors/kv/core/values/meet.h"
#include "test_dkv_ask.h"

#define TOKEN_MAX (DKV_SESSION_TEXT_BYTES_MAX + 1)

static struct hr_arena arena;
static struct hr_diag diag;

static int setup(void **state)
{
    (void)state;
    world = new_world(11, 3);
    for (unsigned i = 0; i < world->count; i++) {
        world->sites[i].fake.write_acks = "1";
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_world(world);
    hr_arena_release(&arena);
    return 0;
}

/* --- tokens ------------------------------------------------------------------------------------------- */

static struct dkv_session random_session(struct dice *dice, size_t count)
{
    struct dkv_session session = {0};
    while (session.count < count) {
        dkv_session_see(&session, (struct dkv_stamp){1 + dice_roll(dice, 1000000),
                                                     (dkv_origin)1 << 48 | dice_roll(dice, 5000)});
    }
    return session;
}

static const char *text_of(const struct dkv_session *session)
{
    struct hr_str text;
    assert_int_equal(dkv_session_encode(session, &arena, &text), HR_OK);
    assert_true(text.len <= DKV_SESSION_TEXT_BYTES_MAX);
    return hr_arena_copy(&arena, hr_str_of(text.ptr, text.len)).ptr ? fake_copy(text.ptr, text.len)
                                                                    : NULL;
}

/* What goes into a token comes out of it, whatever its length is; nothing is an empty text too. */
static void token_goes_round(void **state)
{
    (void)state;
    struct dice dice = {77};
    struct dkv_session back;
    for (size_t count = 0; count <= DKV_SESSION_ORIGINS_MAX; count++) {
        struct dkv_session session = random_session(&dice, count);
        const char *text = text_of(&session);
        assert_int_equal(dkv_session_decode(hr_str_c(text), &back, &diag), HR_OK);
        assert_int_equal(back.count, count);
        assert_memory_equal(back.seen, session.seen, count * sizeof back.seen[0]);
        free((void *)(uintptr_t)text);
    }
    assert_int_equal(dkv_session_decode(HR_STR(""), &back, &diag), HR_OK);
    assert_int_equal(back.count, 0);
}

/* Any other character in any place, any shorter and any longer text is refused. */
static void token_that_was_touched_is_refused(void **state)
{
    (void)state;
    static const char others[] = "AZaz09-_+/=. \"\n";
    struct dice dice = {78};
    struct dkv_session back;
    for (size_t count = 0; count < 4; count++) {
        struct dkv_session session = random_session(&dice, count);
        char *text = (char *)(uintptr_t)text_of(&session);
        size_t len = strlen(text);
        for (size_t i = 0; i < len; i++) {
            char before = text[i];
            for (size_t j = 0; j < sizeof others; j++) {
                text[i] = others[j];
                bool same = text[i] == before;
                assert_int_equal(dkv_session_decode(hr_str_of(text, len), &back, &diag),
                                 same ? HR_OK : HR_BAD_INPUT);
            }
            text[i] = before;
            assert_int_equal(dkv_session_decode(hr_str_of(text, i), &back, &diag),
                             i == 0 ? HR_OK : HR_BAD_INPUT);
        }
        char longer[TOKEN_MAX + 8] = {0};
        snprintf(longer, sizeof longer, "%sA", text);
        assert_int_equal(dkv_session_decode(hr_str_c(longer), &back, &diag), HR_BAD_INPUT);
        free(text);
    }
}

/* A sound frame with contents that no site makes: they are out of order, twice, or too many. */
static void token_with_nonsense_is_refused(void **state)
{
    (void)state;
    struct dkv_session back;
    struct dkv_session bad = {.count = 2, .seen = {{5, (dkv_origin)2 << 48}, {5, 1}}};
    const char *text = text_of(&bad);
    assert_int_equal(dkv_session_decode(hr_str_c(text), &back, &diag), HR_BAD_INPUT);
    free((void *)(uintptr_t)text);
    bad = (struct dkv_session){.count = 2,
                               .seen = {{5, (dkv_origin)2 << 48}, {6, (dkv_origin)2 << 48}}};
    text = text_of(&bad);
    assert_int_equal(dkv_session_decode(hr_str_c(text), &back, &diag), HR_BAD_INPUT);
    free((void *)(uintptr_t)text);
    bad = (struct dkv_session){.count = 1, .seen = {{0, (dkv_origin)2 << 48}}};
    text = text_of(&bad);
    assert_int_equal(dkv_session_decode(hr_str_c(text), &back, &diag), HR_BAD_INPUT);
    free((void *)(uintptr_t)text);
}

/* Of more origins than go in, those with the highest clocks stay, in whatever order they come. */
static void token_forgets_the_lowest_clocks(void **state)
{
    (void)state;
    struct dice dice = {79};
    for (unsigned round = 0; round < 50; round++) {
        struct dkv_session session = {0};
        struct dkv_session halves[2] = {{0}};
        bool had[100] = {0};
        for (unsigned i = 0; i < 400; i++) {
            uint64_t number = dice_roll(&dice, 100);
            struct dkv_stamp stamp = {1 + number + dice_roll(&dice, 1),
                                      (dkv_origin)1 << 48 | number};
            had[number] = true;
            dkv_session_see(&session, stamp);
            dkv_session_see(&halves[i % 2], stamp);
        }
        size_t left = DKV_SESSION_ORIGINS_MAX;
        for (unsigned number = 100; left > 0 && number-- > 0;) {
            if (had[number]) {
                left--;
                assert_int_equal(session.seen[left].origin, (dkv_origin)1 << 48 | number);
            }
        }
        dkv_session_merge(&halves[0], &halves[1]);
        assert_memory_equal(&halves[0], &session, sizeof session);
    }
}

/* --- sites -------------------------------------------------------------------------------------------- */

static char token[TOKEN_MAX];

/* The same with the session so far, which goes on with the reply's. @body: further members. */
static const char *ask(unsigned site, const char *subject, const char *body)
{
    char with[TOKEN_MAX + 512];
    snprintf(with, sizeof with, "{\"$session\":\"%s\"%s%s}", token, body[0] ? "," : "", body);
    send_to(site, subject, with);
    const char *at = strstr(answer, "\"session\":\"");
    if (at) {
        at += strlen("\"session\":\"");
        snprintf(token, sizeof token, "%.*s", (int)strcspn(at, "\""), at);
    }
    return answer;
}

static struct dkv_session session_now(void)
{
    struct dkv_session session;
    assert_int_equal(dkv_session_decode(hr_str_c(token), &session, &diag), HR_OK);
    return session;
}

static void use(const struct dkv_session *session)
{
    const char *text = text_of(session);
    snprintf(token, sizeof token, "%s", text);
    free((void *)(uintptr_t)text);
}

/* What @from says no longer gets to @to. */
static void cut(unsigned from, unsigned to)
{
    world->cut[from][to] = true;
}

static void meet(void)
{
    token[0] = '\0';
    tick_all();
    quiet();
}

/* Who sends no $session gets none; who sends an empty one begins one, with the write's own stamp. */
static void session_is_for_those_who_ask(void **state)
{
    (void)state;
    meet();
    lacks(send_to(0, "wasmkv.set.a", "{\"n\":1}"), "session");
    lacks(send_to(0, "wasmkv.get.a", ""), "session");
    lacks(send_to(0, "wasmkv.get", ""), "session");
    ask(0, "wasmkv.set.b", "\"n\":1");
    struct dkv_session session = session_now();
    assert_int_equal(session.count, 1);
    char version[DKV_STAMP_TEXT_BYTES + 1] = {0};
    dkv_stamp_text(session.seen[0], version);
    has(answer, version);
    lacks(send_to(0, "wasmkv.set.b", "{\"$session\":\"AAAA\"}"), "\"session\"");
    has(answer, "bad-request");
    has(answer, "$session must be a token");
    quiet();
}

/* What a read shows is in its token: the newest stamps of a value's origins, a deletion's, and the clear mark. */
static void session_remembers_what_was_shown(void **state)
{
    (void)state;
    meet();
    for (unsigned i = 0; i < 3; i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"f%u\":1}", i);
        has(send_to(i, "wasmkv.set.a", body), "\"version\"");
        quiet();
    }
    has(ask(0, "wasmkv.get.a", ""), "\"f2\":1");
    assert_int_equal(session_now().count, 3);
    token[0] = '\0';
    has(send_to(1, "wasmkv.del.a", ""), "deleted");
    quiet();
    has(ask(0, "wasmkv.get.a", ""), "not-found");
    struct dkv_session deleted = session_now();
    assert_int_equal(deleted.count, 1);
    assert_int_equal(dkv_origin_site(deleted.seen[0].origin), 2);
    token[0] = '\0';
    has(ask(0, "wasmkv.get", ""), "\"items\":[]");
    assert_memory_equal(session_now().seen, deleted.seen, sizeof deleted.seen[0]);
    token[0] = '\0';
    has(send_to(2, "wasmkv.del", ""), "cleared");
    quiet();
    has(ask(0, "wasmkv.get.nothing", ""), "not-found");
    assert_int_equal(session_now().count, 1);
    assert_int_equal(dkv_origin_site(session_now().seen[0].origin), 3);
}

/* A site that lacks what the session has seen waits for 200 ms and then says that it is behind, as a refusal;
 * to others it shows what it has. */
static void read_at_a_site_that_is_behind_is_refused(void **state)
{
    (void)state;
    meet();
    cut(0, 1);
    has(ask(0, "wasmkv.set.a", "\"n\":1"), "\"acks\"");
    quiet();
    uint64_t before_ms = world->now_ms;
    has(ask(1, "wasmkv.get.a", ""), "\"code\":\"behind\"");
    has(answer, "\"retryable\":true");
    lacks(answer, "\"session\"");
    assert_int_equal(world->refusals, 1);
    assert_in_range(world->now_ms - before_ms, DKV_MEET_MS_MAX - 50, DKV_MEET_MS_MAX + 20);
    has(ask(1, "wasmkv.get", ""), "\"code\":\"behind\"");
    has(send_to(1, "wasmkv.get.a", ""), "not-found");
    has(ask(2, "wasmkv.get.a", ""), "\"n\":1");
    world->in_lane = true;
    before_ms = world->now_ms;
    has(ask(1, "wasmkv.get.a", ""), "\"code\":\"behind\"");
    /* The lane is not waited in: that is an invocation of its own. */
    assert_in_range(world->now_ms - before_ms, DKV_MEET_MS_MAX - 50, DKV_MEET_MS_MAX + 30);
    world->in_lane = false;
    world->cut[0][1] = false;
    meet();
    has(ask(1, "wasmkv.get.a", ""), "\"n\":1");
}

/* What comes while a read waits is shown by it. */
static void read_waits_for_what_is_on_its_way(void **state)
{
    (void)state;
    meet();
    world->delay_ms = 100;
    has(ask(0, "wasmkv.set.a", "\"n\":1"), "\"acks\"");
    has(send_to(1, "wasmkv.get.a", ""), "not-found");
    has(ask(1, "wasmkv.get.a", ""), "\"n\":1");
    assert_int_equal(world->refusals, 0);
    quiet();
}

/* A write with a condition is refused where the session's changes are not; one without is done, above them. */
static void write_follows_what_was_seen(void **state)
{
    (void)state;
    meet();
    cut(0, 1);
    world->sites[0].skew_ms = 300;
    has(ask(0, "wasmkv.set.a", "\"n\":1"), "\"acks\"");
    uint64_t before_ms = world->now_ms;
    has(ask(1, "wasmkv.set.a", "\"n\":2,\"$if-present\":true"), "\"code\":\"behind\"");
    has(ask(1, "wasmkv.set.a", "\"n\":2,\"$if-absent\":true"), "\"code\":\"behind\"");
    has(ask(1, "wasmkv.del.a", "\"$if-version\":\"00000000000000000000000000000001\""),
        "\"code\":\"behind\"");
    assert_int_equal(world->now_ms, before_ms);
    assert_int_equal(world->refusals, 3);
    dkv_hlc seen = dkv_session_newest(&(struct dkv_session){0});
    struct dkv_session session = session_now();
    seen = dkv_session_newest(&session);
    has(ask(1, "wasmkv.set.a", "\"n\":2"), "\"acks\"");
    session = session_now();
    assert_int_equal(session.count, 2);
    assert_true(dkv_session_newest(&session) > seen);
    assert_true(dkv_clock_ms(seen) > world->now_ms); /* its own wall would have given less */
    has(ask(1, "wasmkv.del", ""), "cleared");
    session = session_now();
    world->cut[0][1] = false;
    meet();
    has(send_to(0, "wasmkv.get.a", ""), "not-found");
}

/* A clock that no site can have given is refused; one that the site itself gave before its wall went back is
 * not. */
static void token_ahead_of_the_clock_is_refused(void **state)
{
    (void)state;
    meet();
    struct dkv_session session = {0};
    dkv_session_see(&session,
                    (struct dkv_stamp){(world->now_ms + 5000) << 16, (dkv_origin)1 << 48});
    use(&session);
    has(ask(1, "wasmkv.set.a", "\"n\":1"), "bad-request");
    has(answer, "$session has a clock that is ahead");
    has(ask(1, "wasmkv.get.a", ""), "bad-request");
    has(ask(1, "wasmkv.get", ""), "bad-request");
    token[0] = '\0';
    world->sites[0].skew_ms = 0;
    has(ask(0, "wasmkv.set.a", "\"n\":1"), "\"acks\"");
    quiet();
    world->sites[0].skew_ms = -60000;
    has(ask(0, "wasmkv.get.a", ""), "\"n\":1");
    has(ask(0, "wasmkv.set.a", "\"n\":2,\"$if-present\":true"), "\"acks\"");
    quiet();
}

/* The repetition of a request, with a session that has gone on, gives the first outcome, and a token that covers
 * it; a different request is still found out. */
static void repetition_covers_the_first_outcome(void **state)
{
    (void)state;
    meet();
    has(ask(0, "wasmkv.set.a", "\"n\":1,\"$request-id\":\"r\""), "\"created\":true");
    char first[TOKEN_MAX];
    snprintf(first, sizeof first, "%s", token);
    quiet();
    token[0] = '\0';
    has(ask(0, "wasmkv.set.b", "\"n\":1"), "\"acks\"");
    quiet();
    struct dkv_session before = session_now();
    has(ask(1, "wasmkv.set.a", "\"n\":1,\"$request-id\":\"r\""), "\"created\":true");
    struct dkv_session after = session_now();
    assert_int_equal(after.count, 1);
    assert_int_equal(after.seen[0].hlc, before.seen[0].hlc); /* which was later already */
    token[0] = '\0';
    has(ask(1, "wasmkv.set.a", "\"n\":1,\"$request-id\":\"r\""), "\"created\":true");
    assert_string_equal(token, first);
    has(ask(1, "wasmkv.set.a", "\"n\":2,\"$request-id\":\"r\""), "bad-request");
    quiet();
}

/* A write that too few sites hold is one that the client has made: its token says so. */
static void too_few_acks_keep_the_session(void **state)
{
    (void)state;
    meet();
    world->sites[0].fake.write_acks = "majority";
    world->sites[0].fake.ack_timeout_ms = "100";
    cut(0, 1);
    cut(0, 2);
    has(ask(0, "wasmkv.set.a", "\"text\":\"session\""), "too-few-acks");
    assert_int_equal(session_now().count, 1);
    has(ask(1, "wasmkv.get.a", ""), "\"code\":\"behind\"");
    lacks(send_to(0, "wasmkv.set.a", "{\"session\":\"x\"}"), "\"session\"");
    has(answer, "too-few-acks");
}

/* A site that has always been alone has whatever there is, and waits for nothing; but a session that knows an earlier store of this site has
 * seen what this one need not have. */
static void alone_only_an_earlier_store_is_missed(void **state)
{
    (void)state;
    struct fake fake = fake_new(5);
    struct dkv_session session = {0};
    char body[TOKEN_MAX + 64];
    has(fake_send(&fake, "wasmkv.set.a", "{\"n\":1}"), "\"created\":true");
    struct dkv_self self;
    assert_int_equal(dkv_self_decode(fake_get(&fake, "m/self"), &self, &diag), HR_OK);
    dkv_hlc earlier = (uint64_t)(FAKE_WALL - 1000) << 16;
    dkv_session_see(&session, (struct dkv_stamp){earlier, self.origin});
    use(&session);
    snprintf(body, sizeof body, "{\"$session\":\"%s\",\"$if-absent\":true}", token);
    has(fake_send(&fake, "wasmkv.set.b", body), "\"created\":true");
    snprintf(body, sizeof body, "{\"$session\":\"%s\"}", token);
    has(fake_send(&fake, "wasmkv.get.a", body), "\"session\":\"");
    assert_int_equal(fake.mono, 0);
    dkv_session_see(&session, (struct dkv_stamp){earlier, (dkv_origin)1 << 48 | 17});
    use(&session);
    snprintf(body, sizeof body, "{\"$session\":\"%s\",\"$if-absent\":true}", token);
    has(fake_send(&fake, "wasmkv.set.c", body), "\"code\":\"behind\"");
    snprintf(body, sizeof body, "{\"$session\":\"%s\"}", token);
    has(fake_send(&fake, "wasmkv.get.a", body), "\"code\":\"behind\"");
    fake_release(&fake);
}

/* What was lost is waited for until the group's floor has passed it: that a store sealed its origin without it says nothing, because the store
 * may be an old copy. */
static void end_of_an_origin_is_met(void **state)
{
    (void)state;
    meet();
    has(ask(0, "wasmkv.set.a", "\"n\":1"), "\"acks\"");
    quiet();
    struct dkv_session session = session_now();
    session.seen[0].hlc++;
    use(&session);
    has(ask(0, "wasmkv.get.a", ""), "\"code\":\"behind\"");
    start_site(&world->sites[0]);
    let_serve(world);
    has(ask(0, "wasmkv.get.a", ""), "\"code\":\"behind\"");
    for (unsigned i = 0; i < 24; i++) {
        for (unsigned site = 0; site < world->count; site++) {
            tick(&world->sites[site]);
        }
        go_on(world);
        world->now_ms += 500;
    }
    has(ask(0, "wasmkv.get.a", ""), "\"n\":1");
    quiet();
}

static struct fake_pair kept[64];
static size_t kept_count;

/* Takes away what begins with @prefix, and puts it back. */
static void fake_forget(struct fake *fake, const char *prefix)
{
    for (size_t i = fake_at(fake, hr_str_c(prefix));
         i < fake->count && strncmp(fake->pairs[i].key, prefix, strlen(prefix)) == 0;) {
        struct fake_pair *pair = &fake->pairs[i];
        assert_true(kept_count < 64);
        kept[kept_count++] =
            (struct fake_pair){fake_copy(pair->key, pair->key_len), pair->key_len,
                               fake_copy(pair->value, pair->value_len), pair->value_len};
        fake_delete(fake, hr_str_of(kept[kept_count - 1].key, kept[kept_count - 1].key_len));
    }
}

static void fake_remember(struct fake *fake)
{
    while (kept_count > 0) {
        struct fake_pair *pair = &kept[--kept_count];
        fake_put(fake, hr_str_of(pair->key, pair->key_len),
                 hr_str_of(pair->value, pair->value_len));
        free(pair->key);
        free(pair->value);
    }
}

/* A site whose others have more than it can get says how much in its lists, as long as that is so, and which of
 * its group it does not hear. */
static void list_says_what_it_may_lack(void **state)
{
    (void)state;
    world->healed = true; /* hosts believe what is so */
    meet();
    lacks(send_to(1, "wasmkv.get", ""), "behind");
    /* What 1 is sent by others gets lost, but for their answers to what it asks. */
    world->seen[1][0] = false;
    world->seen[1][2] = false;
    cut(0, 1);
    cut(2, 1);
    for (unsigned i = 0; i < 3; i++) {
        has(send_to(0, "wasmkv.set.a", "{}"), "acks");
    }
    quiet();
    has(send_to(1, "wasmkv.get", ""),
        "\"behind\":{\"changes\":0,\"silent\":[\"site-1\",\"site-3\"]}");
    lacks(send_to(1, "wasmkv.get.a", ""), "\"behind\":{");
    memset(world->seen, 1, sizeof world->seen);
    has(send_to(1, "wasmkv.get", ""),
        "\"behind\":{\"changes\":0,\"silent\":[\"site0\",\"site2\"]}");
    world->cut[0][1] = false;
    has(send_to(1, "wasmkv.get", ""), "\"behind\":{\"changes\":0,\"silent\":[\"site2\"]}");
    /* 0 tells of its changes, and cannot give them. */
    fake_forget(&world->sites[0].fake, "f/");
    meet();
    has(send_to(1, "wasmkv.get", ""), "\"behind\":{\"changes\":3,\"silent\":[\"site2\"]}");
    uint64_t commits = world->sites[1].fake.commits;
    tick(&world->sites[1]);
    assert_int_equal(world->sites[1].fake.commits, commits);
    fake_put(&world->sites[1].fake, HR_STR("m/behind"), HR_STR("nonsense"));
    has(send_to(1, "wasmkv.get", ""), "\"behind\":{\"changes\":0,");
    assert_int_equal(world->sites[1].fake.errors > 0, true);
    tick(&world->sites[1]);
    has(send_to(1, "wasmkv.get", ""), "\"changes\":3");
    fake_remember(&world->sites[0].fake);
    world->cut[2][1] = false;
    meet();
    lacks(send_to(1, "wasmkv.get", ""), "\"behind\":{");
    assert_null(fake_get(&world->sites[1].fake, "m/behind").ptr);
}

static long number_in(const char *text)
{
    const char *at = strstr(text, "\"n\":");
    return at ? strtol(at + 4, NULL, 10) : 0;
}

/* Through whatever sites it goes while the network loses and is cut: a session never sees a value older than
 * what it has seen or written, and without one, it does. */
static void session_never_goes_back(void **state)
{
    (void)state;
    struct dice dice = {80};
    unsigned stale = 0;
    unsigned refused = 0;
    unsigned read = 0;
    meet();
    world->loss_per_mille = 300;
    for (unsigned step = 0, last = 0, number = 0; step < 600; step++) {
        unsigned site = (unsigned)dice_roll(&dice, 3);
        char body[32];
        if (dice_roll(&dice, 20) == 0) {
            world->cut[dice_roll(&dice, 3)][dice_roll(&dice, 3)] ^= true;
        }
        if (dice_roll(&dice, 20) == 0) {
            memset(world->cut, 0, sizeof world->cut);
        }
        tick(&world->sites[dice_roll(&dice, 3)]);
        /* Somebody else writes what the session may read, or the session itself. */
        if (dice_roll(&dice, 3) == 0) {
            bool own = dice_roll(&dice, 2) == 0;
            snprintf(body, sizeof body, own ? "\"n\":%u" : "{\"n\":%u}", ++number);
            if (own && strstr(ask(site, "wasmkv.set.a", body), "\"acks\"")) {
                last = number;
            } else if (!own) {
                send_to(site, "wasmkv.set.a", body);
            }
            continue;
        }
        stale += (unsigned)number_in(send_to(site, "wasmkv.get.a", "")) < last;
        ask(site, dice_roll(&dice, 2) ? "wasmkv.get.a" : "wasmkv.get", "");
        if (strstr(answer, "\"behind\"")) {
            refused++;
            continue;
        }
        unsigned seen = (unsigned)number_in(answer);
        read++;
        if (seen < last) {
            fail_msg("step %u: %u after %u: %s", step, seen, last, answer);
        }
        last = seen;
    }
    print_message("%u read, %u refused; %u stale without a session\n", read, refused, stale);
    assert_true(stale > 0 && refused > 0 && read > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(token_goes_round, setup, teardown),
        cmocka_unit_test_setup_teardown(token_that_was_touched_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(token_with_nonsense_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(token_forgets_the_lowest_clocks, setup, teardown),
        cmocka_unit_test_setup_teardown(session_is_for_those_who_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(session_remembers_what_was_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(read_at_a_site_that_is_behind_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(read_waits_for_what_is_on_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(write_follows_what_was_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(token_ahead_of_the_clock_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(repetition_covers_the_first_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(too_few_acks_keep_the_session, setup, teardown),
        cmocka_unit_test_setup_teardown(alone_only_an_earlier_store_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(end_of_an_origin_is_met, setup, teardown),
        cmocka_unit_test_setup_teardown(session_never_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(list_says_what_it_may_lack, setup, teardown),
    };
    return cmocka_run_group_tests_name("dkv_session", tests, NULL, NULL);
}
