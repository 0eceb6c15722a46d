/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/wire.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

enum kind { PARCEL, ACK, SHIP, ASK, HAVE, PULL, LOG };

static enum hr_err decode(enum kind kind, struct hr_str bytes)
{
    struct dkv_parcel parcel;
    struct dkv_ack ack;
    struct dkv_ship ship;
    struct dkv_ask ask;
    struct dkv_have have;
    struct dkv_pull pull;
    struct dkv_log log;
    switch (kind) {
    case PARCEL:
        return dkv_parcel_decode(bytes, &arena, &parcel, &diag);
    case ACK:
        return dkv_ack_decode(bytes, &ack, &diag);
    case SHIP:
        return dkv_ship_decode(bytes, &arena, &ship, &diag);
    case ASK:
        return dkv_ask_decode(bytes, &ask, &diag);
    case HAVE:
        return dkv_have_decode(bytes, &arena, &have, &diag);
    case PULL:
        return dkv_pull_decode(bytes, &pull, &diag);
    case LOG:
        return dkv_log_decode(bytes, &log, &diag);
    }
    return HR_INTERNAL;
}

/* Any flipped bit and any missing byte is noticed. */
static void is_guarded(enum kind kind, struct hr_str bytes)
{
    char *writable = (char *)(uintptr_t)bytes.ptr;
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(decode(kind, bytes), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(decode(kind, hr_str_of(bytes.ptr, len)), HR_CORRUPT);
    }
    assert_int_equal(decode(kind, bytes), HR_OK);
}

/* Changes come back in their order, and the parcel's crc is what it ends with. */
static void parcel_round_trips(void **state)
{
    (void)state;
    struct hr_str changes[3] = {HR_STR("one"), HR_STR(""), HR_STR("three")};
    const struct dkv_parcel parcel = {changes, 3};
    struct dkv_parcel got;
    struct hr_str bytes;
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &bytes), HR_OK);
    assert_int_equal(bytes.len, DKV_PARCEL_BYTES(3, 8));
    assert_int_equal(dkv_parcel_decode(bytes, &arena, &got, &diag), HR_OK);
    assert_int_equal(got.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(hr_str_eq(got.changes[i], changes[i]));
    }
    assert_int_not_equal(dkv_parcel_crc(bytes), 0);
    assert_int_equal(dkv_parcel_crc(HR_STR("abc")), 0);
    is_guarded(PARCEL, bytes);
}

/* Too many changes, or too long a parcel, are refused before memory is taken for them. */
static void parcel_limits_hold(void **state)
{
    (void)state;
    struct hr_str changes[DKV_PARCEL_CHANGES_MAX + 1];
    struct hr_str bytes;
    for (size_t i = 0; i <= DKV_PARCEL_CHANGES_MAX; i++) {
        changes[i] = HR_STR("x");
    }
    struct dkv_parcel parcel = {changes, DKV_PARCEL_CHANGES_MAX};
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &bytes), HR_OK);
    assert_int_equal(decode(PARCEL, bytes), HR_OK);
    parcel.count++;
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &bytes), HR_OK);
    assert_int_equal(decode(PARCEL, bytes), HR_CORRUPT);
    char *large = hr_arena_alloc(&arena, DKV_PARCEL_BYTES_MAX);
    changes[0] = hr_str_of(large, DKV_PARCEL_BYTES_MAX - DKV_PARCEL_BYTES(1, 0));
    parcel.count = 1;
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &bytes), HR_OK);
    assert_int_equal(decode(PARCEL, bytes), HR_OK);
    changes[0].len++;
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &bytes), HR_OK);
    assert_int_equal(decode(PARCEL, bytes), HR_CORRUPT);
}

/* An acknowledgement says of each change whether it is held, for any number of them. */
static void parcel_acks_round_trip(void **state)
{
    (void)state;
    for (size_t count = 0; count <= DKV_PARCEL_CHANGES_MAX; count += count < 20 ? 1 : 59) {
        struct dkv_ack ack = {.site = 5, .crc = 77, .count = count};
        struct dkv_ack got;
        struct hr_str bytes;
        for (size_t i = 0; i < count; i++) {
            ack.held[i] = i % 3 == 0;
        }
        assert_int_equal(dkv_ack_encode(&ack, &arena, &bytes), HR_OK);
        assert_int_equal(dkv_ack_decode(bytes, &got, &diag), HR_OK);
        assert_int_equal(got.site, 5);
        assert_int_equal(got.crc, 77);
        assert_int_equal(got.count, count);
        assert_memory_equal(got.held, ack.held, count);
        if (count < 20) {
            is_guarded(ACK, bytes);
        }
    }
}

/* Replies that wait come back with what they wait for. */
static void parcel_ships_round_trip(void **state)
{
    (void)state;
    struct dkv_waiting waiting[2] = {{0, HR_STR("_INBOX.1"), HR_STR("{\"a\"")},
                                     {7, HR_STR("_INBOX.2"), HR_STR("")}};
    const struct dkv_ship ship = {.changes = HR_STR("parcel"), .waiting = waiting, .count = 2};
    struct dkv_ship got;
    struct hr_str bytes;
    assert_int_equal(dkv_ship_encode(&ship, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_ship_decode(bytes, &arena, &got, &diag), HR_OK);
    assert_true(hr_str_eq(got.changes, ship.changes));
    assert_int_equal(got.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got.waiting[i].index, waiting[i].index);
        assert_true(hr_str_eq(got.waiting[i].reply_to, waiting[i].reply_to));
        assert_true(hr_str_eq(got.waiting[i].body, waiting[i].body));
    }
    is_guarded(SHIP, bytes);
}

/* What a site holds comes back; rows out of order or of nothing are refused. */
static void parcel_haves_round_trip(void **state)
{
    (void)state;
    const dkv_origin own = dkv_origin_of(2, 7);
    struct dkv_have_row rows[2] = {{3, 5, 11, 9, 2, true, 5}, {4, 0, 0, 1, 1, false, 0}};
    struct dkv_have have = {.site = 2,
                            .origin = own,
                            .begun = 6,
                            .seq = 8,
                            .clock = 77,
                            .state = DKV_SITE_SYNC,
                            .boot_class = DKV_BOOT_LOSSY,
                            .low = 70,
                            .floor = 60,
                            .fence = 50,
                            .removed = {{9, 1000, 40, 2000}},
                            .removed_count = 1,
                            .more = true,
                            .rows = rows,
                            .count = 2};
    struct dkv_have got;
    struct hr_str bytes;
    assert_int_equal(dkv_have_encode(&have, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_have_decode(bytes, &arena, &got, &diag), HR_OK);
    assert_int_equal(got.site, 2);
    assert_int_equal(got.origin, own);
    assert_int_equal(got.begun, 6);
    assert_int_equal(got.seq, 8);
    assert_int_equal(got.clock, 77);
    assert_int_equal(got.state, DKV_SITE_SYNC);
    assert_int_equal(got.boot_class, DKV_BOOT_LOSSY);
    assert_int_equal(got.low, 70);
    assert_int_equal(got.floor, 60);
    assert_int_equal(got.fence, 50);
    assert_int_equal(got.removed_count, 1);
    assert_int_equal(got.removed[0].site, 9);
    assert_int_equal(got.removed[0].inc, 1000);
    assert_int_equal(got.removed[0].since, 40);
    assert_int_equal(got.removed[0].heard, 2000);
    assert_true(got.more);
    assert_int_equal(got.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got.rows[i].origin, rows[i].origin);
        assert_int_equal(got.rows[i].prefix, rows[i].prefix);
        assert_int_equal(got.rows[i].hlc, rows[i].hlc);
        assert_int_equal(got.rows[i].high, rows[i].high);
        assert_int_equal(got.rows[i].trunc_below, rows[i].trunc_below);
        assert_int_equal(got.rows[i].sealed, rows[i].sealed);
        assert_int_equal(got.rows[i].last, rows[i].last);
    }
    is_guarded(HAVE, bytes);
    static const struct dkv_have_row bad[] = {
        {3, 5, 1, 4, 1, false, 0}, {3, 5, 1, 9, 0, false, 0}, {3, 5, 1, 9, 7, false, 0},
        {3, 0, 0, 0, 1, false, 0}, {4, 5, 1, 5, 1, false, 0}, {5, 5, 1, 5, 1, false, 0},
        {3, 5, 0, 5, 1, false, 0}, {3, 0, 1, 5, 1, false, 0}, {3, 5, 1, 5, 1, false, 5}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rows[0] = bad[i];
        assert_int_equal(dkv_have_encode(&have, &arena, &bytes), HR_OK);
        assert_int_equal(decode(HAVE, bytes), HR_CORRUPT);
    }
    rows[0] = (struct dkv_have_row){3, 5, 11, 9, 2, true, 5};
    have.begun = 8; /* later than it lives */
    assert_int_equal(dkv_have_encode(&have, &arena, &bytes), HR_OK);
    assert_int_equal(decode(HAVE, bytes), HR_CORRUPT);
    have.begun = 6;
    have.count = 0; /* and yet more */
    assert_int_equal(dkv_have_encode(&have, &arena, &bytes), HR_OK);
    assert_int_equal(decode(HAVE, bytes), HR_CORRUPT);
}

/* Questions and pieces of a log come back. */
static void parcel_pulls_round_trip(void **state)
{
    (void)state;
    struct hr_str bytes;
    struct dkv_ask ask = {dkv_origin_of(4, 2), 1, DKV_SITE_ACTIVE, 9};
    struct dkv_pull pull;
    struct dkv_log log;
    assert_int_equal(dkv_ask_encode(&ask, &arena, &bytes), HR_OK);
    ask = (struct dkv_ask){0};
    assert_int_equal(dkv_ask_decode(bytes, &ask, &diag), HR_OK);
    assert_int_equal(ask.origin, dkv_origin_of(4, 2));
    assert_int_equal(ask.begun, 1);
    assert_int_equal(ask.state, DKV_SITE_ACTIVE);
    assert_int_equal(ask.after, 9);
    is_guarded(ASK, bytes);
    ask.begun = 3; /* later than it lives */
    assert_int_equal(dkv_ask_encode(&ask, &arena, &bytes), HR_OK);
    assert_int_equal(decode(ASK, bytes), HR_CORRUPT);
    assert_int_equal(dkv_pull_encode(&(struct dkv_pull){1, 2, 3}, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_pull_decode(bytes, &pull, &diag), HR_OK);
    assert_int_equal(pull.origin, 1);
    assert_int_equal(pull.after, 2);
    assert_int_equal(pull.upto, 3);
    is_guarded(PULL, bytes);
    assert_int_equal(dkv_pull_encode(&(struct dkv_pull){1, 3, 2}, &arena, &bytes), HR_OK);
    assert_int_equal(decode(PULL, bytes), HR_CORRUPT);
    const struct dkv_log said = {.number = 8, .more = true, .changes = HR_STR("parcel")};
    assert_int_equal(dkv_log_encode(&said, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_log_decode(bytes, &log, &diag), HR_OK);
    assert_false(log.truncated);
    assert_true(log.more);
    assert_int_equal(log.number, 8);
    assert_true(hr_str_eq(log.changes, said.changes));
    is_guarded(LOG, bytes);
}

/* A sound message of a later version is told apart from a damaged one. */
static void parcel_versions_are_told_apart(void **state)
{
    (void)state;
    struct hr_str bytes;
    struct dkv_out out = dkv_out_in(&arena, 0);
    dkv_out_uint(&out, 200, 1);
    dkv_out_uint(&out, 0, 8);
    dkv_out_seal(&out);
    assert_int_equal(dkv_out_take(&out, &bytes), HR_OK);
    for (int kind = PARCEL; kind <= LOG; kind++) {
        assert_int_equal(decode((enum kind)kind, bytes), HR_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(parcel_round_trips, release),
        cmocka_unit_test_teardown(parcel_limits_hold, release),
        cmocka_unit_test_teardown(parcel_acks_round_trip, release),
        cmocka_unit_test_teardown(parcel_ships_round_trip, release),
        cmocka_unit_test_teardown(parcel_haves_round_trip, release),
        cmocka_unit_test_teardown(parcel_pulls_round_trip, release),
        cmocka_unit_test_teardown(parcel_versions_are_told_apart, release),
    };
    return cmocka_run_group_tests_name("dkv_parcel", tests, NULL, NULL);
}
