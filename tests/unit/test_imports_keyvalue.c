/* links: hr_host */
#include "guest_rig.h"

/* A guest that puts a value into the store, and says in its memory that it got past that. */
#define SETTING_GUEST                                                                              \
    RIG_GUEST("(import \"wasi:keyvalue/store@0.2.0-draft\" \"open\" (func $open (param i32 i32 "   \
              "i32))) (import \"wasi:keyvalue/store@0.2.0-draft\" \"[method]bucket.set\" (func "   \
              "$set (param i32 i32 i32 i32 i32 i32))) (data (i32.const 64) \"" RIG_BUCKET "\")",   \
              "(call $open (i32.const 64) (i32.const 6) (i32.const 128)) "                         \
              "(call $set (i32.load (i32.const 132)) (i32.const 64) (i32.const 3) (i32.const 64) " \
              "(i32.const 6) (i32.const 144)) (i32.store8 (i32.const 256) (i32.const 1)) "         \
              "(i32.const 0)")

static bool went_on;

static enum hr_err set_and_look(struct hr_fiber *fiber, void *arg)
{
    enum hr_err err = rig_handler_body(fiber, arg);
    went_on = rig_peek8(fiber, 256) == 1;
    return err;
}

struct canceller {
    struct hr_task task;
    struct hr_loop *loop;
    struct hr_fiber *fiber;
};

/* Comes by in every round of the loop, and ends the call when it has been woken and has not run yet. */
static void cancel_between(void *arg)
{
    struct canceller *canceller = arg;
    if (canceller->fiber->state == HR_FIBER_WAITING && canceller->fiber->woken) {
        hr_fiber_cancel(canceller->fiber, HR_CANCELED, "the test says so");
        return;
    }
    hr_loop_post(canceller->loop, &canceller->task);
}

/* A call whose commit is done is cancelled before its turn: its guest does not go on. */
static void keyvalue_does_not_resume_a_cancelled_guest(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct canceller canceller;
    rig_open(&rig, &(const struct guest_rig_options){.text = SETTING_GUEST});
    rig_call(&rig, set_and_look);
    assert_int_equal(rig.err, HR_OK);
    assert_true(went_on);

    assert_int_equal(rig_submit(&rig, set_and_look, &canceller.fiber), HR_OK);
    canceller.loop = &rig.worker.loop;
    hr_task_init(&canceller.task, cancel_between, &canceller);
    hr_loop_post(&rig.worker.loop, &canceller.task);
    rig_run(&rig);
    assert_int_equal(rig.err, HR_CANCELED);
    assert_string_equal(rig.cause, "the test says so");
    assert_false(went_on);
    rig_close(&rig);
}

/* --- the imports as a guest calls them ----------------------------------------------------------- */

#define TEXT_AT 64u
#define RET_AT 2048u

static enum hr_err import(struct hr_fiber *fiber, const char *name, wasmtime_val_raw_t *values)
{
    return rig_import(fiber, &hr_imports_keyvalue, name, values);
}

static void set_value(wasmtime_val_raw_t *value, uint32_t number)
{
    value->i32 = (int32_t)number;
}

static enum hr_err open_bucket(struct hr_fiber *fiber, struct hr_str name, uint32_t *ret_bucket)
{
    rig_poke(fiber, TEXT_AT, name);
    wasmtime_val_raw_t values[3] = {{.i32 = TEXT_AT}, {.i32 = (int32_t)name.len}, {.i32 = RET_AT}};
    enum hr_err err = import(fiber, "open", values);
    *ret_bucket = err ? 0 : rig_peek32(fiber, RET_AT + 4);
    return err;
}

static enum hr_err set_key(struct hr_fiber *fiber, uint32_t bucket, struct hr_str key)
{
    rig_poke(fiber, TEXT_AT, key);
    wasmtime_val_raw_t values[6] = {{.i32 = (int32_t)bucket},  {.i32 = TEXT_AT},
                                    {.i32 = (int32_t)key.len}, {.i32 = TEXT_AT},
                                    {.i32 = (int32_t)key.len}, {.i32 = RET_AT}};
    return import(fiber, "[method]bucket.set", values);
}

static enum hr_err open_variously(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    assert_int_equal(open_bucket(fiber, HR_STR("others"), &bucket), HR_OK);
    assert_int_equal(rig_peek8(fiber, RET_AT), 1);
    assert_int_equal(rig_peek8(fiber, RET_AT + 4), 1); /* access-denied */
    assert_int_equal(open_bucket(fiber, HR_STR(""), &bucket), HR_OK);
    assert_int_equal(rig_peek8(fiber, RET_AT), 1);
    assert_int_equal(open_bucket(fiber, HR_STR(RIG_BUCKET "x"), &bucket), HR_OK);
    assert_int_equal(rig_peek8(fiber, RET_AT), 1);
    assert_int_equal(open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket), HR_OK);
    assert_int_equal(rig_peek8(fiber, RET_AT), 0);
    return open_bucket(fiber, HR_STR("\xff"), &bucket);
}

/* A bucket that no link names is denied as the interface says; a name that is no string traps. */
static void keyvalue_opens_only_what_the_link_names(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){0});
    rig_call(&rig, open_variously);
    assert_int_equal(rig.err, HR_TRAP);
    assert_non_null(strstr(rig.cause, "is not UTF-8"));
    rig_close(&rig);
}

static const char *hostile_import;
static wasmtime_val_raw_t hostile[8];
static uint32_t hostile_bucket_at; /* which of the values is the bucket */

static enum hr_err call_with_hostile_values(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    enum hr_err err = open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket);
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[8];
    memcpy(values, hostile, sizeof values);
    set_value(&values[hostile_bucket_at], bucket);
    return import(fiber, hostile_import, values);
}

/* Counts and pointers that would overflow, reach outside, or ask for too much end the call. */
static void keyvalue_traps_on_lists_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t values[8];
        const char *cause;
    } cases[] = {
        {"get-many", {0, 0, 0x10000001u, RET_AT}, "the limit is 12288"},
        {"get-many", {0, 0, UINT32_MAX, RET_AT}, "the limit is 12288"},
        {"get-many", {0, 0xfff8u, 2, RET_AT}, "reach past the memory's end"},
        {"get-many", {0, 0xfffffff8u, 12288, RET_AT}, "reach past the memory's end"},
        {"get-many", {0, 1, 1, RET_AT}, "is not aligned"},
        {"set-many", {0, 0, 0x10000000u, RET_AT}, "the limit is 12288"},
        {"set-many", {0, 0xfff0u, 2, RET_AT}, "reach past the memory's end"},
        {"delete-many", {0, 0xfffcu, 1, RET_AT}, "reach past the memory's end"},
        {"commit", {0, 0xfff0u, 1, 0, 0, 0, 0, RET_AT}, "reach past the memory's end"},
        {"commit", {0, 0, 0, 0, 12289, 0, 0, RET_AT}, "the limit is 12288"},
        {"commit", {0, 0, 0, 0, 0, 0xffffffffu, 1, RET_AT}, "is not aligned"},
        {"scan", {0, 0, 0xffffffffu, 0, 0, 0, 1, RET_AT}, "a string of 4294967295 bytes"},
        {"scan", {0, 0, 0, 1, 0xffff, 2, 1, RET_AT}, "reach past the memory's end"},
        {"increment", {0, 0xffff, 2, 1, RET_AT, 0, 0, 0}, "reach past the memory's end"},
        {"[method]bucket.set", {0, 0, 0, 0xffff, 2, RET_AT}, "reach past the memory's end"},
        {"[method]bucket.list-keys", {0, 0, 0, 0xfffffffcu}, "reach past the memory's end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guest_rig rig;
        hostile_import = cases[i].name;
        for (size_t k = 0; k < 8; k++) {
            hostile[k].i64 = 0;
            set_value(&hostile[k], cases[i].values[k]);
        }
        rig_open(&rig, &(const struct guest_rig_options){0});
        rig_call(&rig, call_with_hostile_values);
        if (rig.err != HR_TRAP || !strstr(rig.cause, cases[i].cause)) {
            fail_msg("case %zu: %s %s", i, hr_err_name(rig.err), rig.cause);
        }
        rig_close(&rig);
    }
}

static enum hr_err list_keys(struct hr_fiber *fiber, uint32_t bucket, uint64_t cursor)
{
    wasmtime_val_raw_t values[4] = {
        {.i32 = (int32_t)bucket}, {.i32 = 1}, {.i64 = (int64_t)cursor}, {.i32 = RET_AT}};
    return import(fiber, "[method]bucket.list-keys", values);
}

static enum hr_err list_variously(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    enum hr_err err = open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket);
    for (char key = 'a'; key < 'e' && !err; key++) {
        err = set_key(fiber, bucket, hr_str_of(&key, 1));
    }
    static const struct {
        uint64_t cursor;
        uint32_t keys;
    } cases[] = {{0, 4}, {1, 3}, {4, 0}, {5, 0}, {1000000, 0}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && !err; i++) {
        err = list_keys(fiber, bucket, cases[i].cursor);
        assert_int_equal(rig_peek8(fiber, RET_AT), 0);
        assert_int_equal(rig_peek32(fiber, RET_AT + 12), cases[i].keys);
    }
    return err;
}

/* A cursor is the guest's number: any is answered, with what is left after so many keys. */
static void keyvalue_lists_from_any_cursor(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){0});
    rig_call(&rig, list_variously);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
}

static enum hr_err set_for_ever(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    enum hr_err err = open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket);
    while (!err) {
        err = set_key(fiber, bucket, HR_STR("key"));
    }
    return err;
}

static enum hr_err increment_for_ever(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    enum hr_err err = open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket);
    while (!err) {
        rig_poke(fiber, TEXT_AT, HR_STR("n"));
        wasmtime_val_raw_t values[5] = {
            {.i32 = (int32_t)bucket}, {.i32 = TEXT_AT}, {.i32 = 1}, {.i64 = 1}, {.i32 = RET_AT}};
        err = import(fiber, "increment", values);
    }
    return err;
}

struct cutter {
    struct hr_task task;
    struct guest_rig *rig;
    uint32_t rounds;
};

static void cut_all(void *arg)
{
    struct cutter *cutter = arg;
    if (cutter->rounds-- > 0) {
        hr_loop_post(&cutter->rig->worker.loop, &cutter->task);
        return;
    }
    hr_lane_cancel_all(cutter->rig->lane);
}

/* Calls that end while a commit of theirs is on its way leave it to itself: it completes, into nothing. */
static void keyvalue_survives_the_end_of_a_call_that_commits(void **state)
{
    (void)state;
    for (uint32_t rounds = 0; rounds < 40; rounds++) {
        struct guest_rig rig;
        struct cutter cutter = {.rig = &rig, .rounds = rounds};
        rig_open(&rig, &(const struct guest_rig_options){0});
        for (int i = 0; i < 4; i++) {
            assert_int_equal(rig_submit(&rig, i % 2 ? increment_for_ever : set_for_ever, NULL),
                             HR_OK);
        }
        hr_task_init(&cutter.task, cut_all, &cutter);
        hr_loop_post(&rig.worker.loop, &cutter.task);
        rig_run(&rig);
        assert_int_equal(rig.ended, 4);
        assert_int_equal(rig.err, HR_CANCELED);
        rig_close(&rig);
    }
}

/* Its allocator gives the same place again and again, so that a call can be given much, one after the other. */
#define FORGETFUL_GUEST                                                                          \
    "(module (memory (export \"memory\") 2) (func (export \"cabi_realloc\") (param i32 i32 i32 " \
    "i32) (result i32) (i32.const 65536)) " RIG_HANDLER("(i32.const 0)") ")"
#define LONG_VALUE_BYTES 32768u

static bool reads_by_scans;

static enum hr_err read_very_much(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    enum hr_err err = open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket);
    wasmtime_val_raw_t set[6] = {
        {.i32 = (int32_t)bucket},  {.i32 = TEXT_AT}, {.i32 = 1}, {.i32 = 4096},
        {.i32 = LONG_VALUE_BYTES}, {.i32 = RET_AT}};
    rig_poke(fiber, TEXT_AT, HR_STR("k"));
    err = err ? err : import(fiber, "[method]bucket.set", set);
    for (size_t bytes = 0; bytes < 2 * (size_t)HR_FIBER_ARENA_BYTES_MAX && !err;
         bytes += LONG_VALUE_BYTES) {
        wasmtime_val_raw_t scan[8] = {{.i32 = (int32_t)bucket},
                                      {.i32 = TEXT_AT},
                                      {.i32 = 1},
                                      {.i32 = 0},
                                      {.i32 = 0},
                                      {.i32 = 0},
                                      {.i32 = 1000},
                                      {.i32 = RET_AT}};
        wasmtime_val_raw_t get[4] = {
            {.i32 = (int32_t)bucket}, {.i32 = TEXT_AT}, {.i32 = 1}, {.i32 = RET_AT}};
        err =
            reads_by_scans ? import(fiber, "scan", scan) : import(fiber, "[method]bucket.get", get);
        if (!err && rig_peek8(fiber, RET_AT) != 0) {
            fail_msg("after %zu bytes there is no more", bytes);
        }
    }
    return err;
}

/* What a call has read does not count against its host memory for ever: a bucket may be larger than that. */
static void keyvalue_reads_more_than_a_calls_memory(void **state)
{
    (void)state;
    struct guest_rig rig;
    for (size_t i = 0; i < 2; i++) {
        const struct guest_rig_options options = {.text = FORGETFUL_GUEST,
                                                  .limits = {.cpu_ms = 20000}};
        rig_open(&rig, &options);
        reads_by_scans = i == 0;
        rig_call(&rig, read_very_much);
        assert_int_equal(rig.err, HR_OK);
        rig_close(&rig);
    }
}

/* --- hedgerow:kv/lost-commits ---------------------------------------------------------------------- */

#define PAGE_AT 3072u

static struct hr_kv_ops forgetful; /* the rig's store, as if its server had lost something */
static bool finding_out;
static uint64_t asked_after;
static uint64_t forgotten;
static char asked_bucket[16];

static enum hr_err some_lost(struct hr_kv *kv, struct hr_str bucket, uint64_t after,
                             struct hr_arena *arena, struct hr_kv_lost_page *ret_page)
{
    static const struct hr_str keys[] = {{"a", 1}, {"\xc3\xa9t\xc3\xa9", 5}, {"c", 1}};
    static struct hr_kv_lost commits[] = {{7, keys, 2}, {9, keys + 2, 1}};
    (void)kv, (void)arena;
    asked_after = after;
    snprintf(asked_bucket, sizeof asked_bucket, "%.*s", HR_STR_ARG(bucket));
    *ret_page = (struct hr_kv_lost_page){commits, 2, true};
    return finding_out ? HR_AGAIN : HR_OK;
}

static void forget_lost(struct hr_kv *kv, struct hr_str bucket, uint64_t id)
{
    (void)kv, (void)bucket;
    forgotten = id;
}

static enum hr_err lost_import(struct hr_fiber *fiber, const char *name, uint32_t bucket,
                               uint64_t number)
{
    wasmtime_val_raw_t values[3] = {
        {.i32 = (int32_t)bucket}, {.i64 = (int64_t)number}, {.i32 = PAGE_AT}};
    return rig_import(fiber, &hr_imports_lost_commits, name, values);
}

static void assert_guest_text(struct hr_fiber *fiber, uint32_t at, const char *text)
{
    uint32_t ptr = rig_peek32(fiber, at);
    assert_int_equal(rig_peek32(fiber, at + 4), strlen(text));
    for (uint32_t i = 0; text[i]; i++) {
        assert_int_equal(rig_peek8(fiber, ptr + i), (unsigned char)text[i]);
    }
}

static enum hr_err read_lost_commits(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    assert_int_equal(open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket), HR_OK);
    assert_int_equal(lost_import(fiber, "read", bucket, 5), HR_OK);
    assert_int_equal(asked_after, 5);
    assert_string_equal(asked_bucket, RIG_BUCKET);
    assert_int_equal(rig_peek8(fiber, PAGE_AT), 1);
    assert_int_equal(rig_peek32(fiber, PAGE_AT + 8), 2);
    assert_int_equal(rig_peek8(fiber, PAGE_AT + 12), 1);
    uint32_t commits = rig_peek32(fiber, PAGE_AT + 4);
    assert_int_equal(commits % 8, 0);
    assert_int_equal(rig_peek32(fiber, commits), 7);
    assert_int_equal(rig_peek32(fiber, commits + 4), 0);
    assert_int_equal(rig_peek32(fiber, commits + 12), 2);
    assert_guest_text(fiber, rig_peek32(fiber, commits + 8), "a");
    assert_guest_text(fiber, rig_peek32(fiber, commits + 8) + 8, "\xc3\xa9t\xc3\xa9");
    assert_int_equal(rig_peek32(fiber, commits + 16), 9);
    assert_int_equal(rig_peek32(fiber, commits + 16 + 12), 1);
    assert_guest_text(fiber, rig_peek32(fiber, commits + 16 + 8), "c");
    finding_out = true;
    assert_int_equal(lost_import(fiber, "read", bucket, 0), HR_OK);
    assert_int_equal(rig_peek8(fiber, PAGE_AT), 0);
    finding_out = false;
    assert_int_equal(lost_import(fiber, "forget", bucket, 9), HR_OK);
    assert_int_equal(forgotten, 9);
    return lost_import(fiber, "read", bucket + 1, 0);
}

/* The page lies in the guest's memory as the interface says, `none` stands for not known yet, and only an open bucket will do. */
static void lost_commits_are_handed_to_the_guest(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){0});
    const struct hr_kv_ops *ops = rig.kv->ops;
    forgetful = *ops;
    forgetful.lost = some_lost;
    forgetful.lost_forget = forget_lost;
    rig.kv->ops = &forgetful;
    rig_call(&rig, read_lost_commits);
    rig.kv->ops = ops;
    assert_int_equal(rig.err, HR_TRAP);
    rig_close(&rig);
}

static enum hr_err read_no_lost_commits(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t bucket;
    assert_int_equal(open_bucket(fiber, HR_STR(RIG_BUCKET), &bucket), HR_OK);
    enum hr_err err = lost_import(fiber, "read", bucket, 0);
    assert_int_equal(rig_peek8(fiber, PAGE_AT), 1);
    assert_int_equal(rig_peek32(fiber, PAGE_AT + 8), 0);
    assert_int_equal(rig_peek8(fiber, PAGE_AT + 12), 0);
    return err ? err : lost_import(fiber, "forget", bucket, 1);
}

/* A store that does not know of losses answers that there are none. */
static void lost_commits_of_a_store_that_loses_none(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){0});
    rig_call(&rig, read_no_lost_commits);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyvalue_does_not_resume_a_cancelled_guest),
        cmocka_unit_test(keyvalue_opens_only_what_the_link_names),
        cmocka_unit_test(keyvalue_traps_on_lists_that_cannot_be),
        cmocka_unit_test(keyvalue_lists_from_any_cursor),
        cmocka_unit_test(keyvalue_survives_the_end_of_a_call_that_commits),
        cmocka_unit_test(keyvalue_reads_more_than_a_calls_memory),
        cmocka_unit_test(lost_commits_are_handed_to_the_guest),
        cmocka_unit_test(lost_commits_of_a_store_that_loses_none),
    };
    return cmocka_run_group_tests_name("imports_keyvalue", tests, NULL, NULL);
}
