/* links: hr_bus
 * Bodies in pieces: what the header may say, and that the joiner gives out whole bodies or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/bus/pieces.h"

static struct hr_bus_joiner joiner;

static int begin(void **state)
{
    (void)state;
    hr_bus_joiner_init(&joiner);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hr_bus_joiner_release(&joiner);
    return hr_alloc_live() == 0 && joiner.bytes == 0 && joiner.count == 0 ? 0 : -1;
}

/* A piece of the body @id for owner 1, with @value after the id. */
static enum hr_bus_join_result add(const char *value, const char *body,
                                   struct hr_bus_message **ret_message)
{
    struct hr_bus_piece piece;
    struct hr_bus_msg msg = {
        .subject = HR_STR("s"), .reply_to = HR_STR("r"), .body = hr_str_c(body)};
    assert_true(hr_bus_piece_parse(hr_str_c(value), &piece));
    return hr_bus_joiner_add(&joiner, 1, &piece, &msg, 5, ret_message);
}

/* The header's value is exactly four words within their bounds. */
static void bus_piece_reads_only_what_is_well_formed(void **state)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "a 0 2",
                                      "a 0 2 10 ",
                                      "a 0 2 10 x",
                                      " a 0 2 10",
                                      "a  0 2 10",
                                      "a b 2 10",
                                      "a -1 2 10",
                                      "a 2 2 10",
                                      "a 0 1 10",
                                      "a 0 0 0",
                                      "a 0 65537 70000",
                                      "a 0 11 10",
                                      "a 0 2 67108865",
                                      "a 0 2 18446744073709551616",
                                      "a.b 0 2 10",
                                      "abcdefghijklmnopqrstuvwxyz0123456 0 2 10"};
    struct hr_bus_piece piece;
    char text[HR_BUS_PIECE_VALUE_BYTES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("%s\n", bad[i]);
        assert_false(hr_bus_piece_parse(hr_str_c(bad[i]), &piece));
    }
    assert_true(hr_bus_piece_parse(HR_STR("Ab9 65535 65536 67108864"), &piece));
    assert_int_equal(hr_bus_piece_format(&piece, text), 24);
    assert_string_equal(text, "Ab9 65535 65536 67108864");
}

/* Pieces in order become the body, with the first one's headers and the subjects of all. */
static void bus_joiner_joins_what_comes_in_order(void **state)
{
    struct hr_bus_header header = {HR_STR("n"), HR_STR("v")};
    struct hr_bus_piece piece = {.id = HR_STR("x"), .count = 2, .total_bytes = 5};
    struct hr_bus_msg msg = {.subject = HR_STR("s"),
                             .reply_to = HR_STR("r"),
                             .body = HR_STR("abc"),
                             .headers = &header,
                             .header_count = 1};
    struct hr_bus_message *message = NULL;
    (void)state;
    assert_int_equal(hr_bus_joiner_add(&joiner, 1, &piece, &msg, 5, &message), HR_BUS_JOIN_MORE);
    assert_int_equal(add("y 0 3 4", "1", &message), HR_BUS_JOIN_MORE); /* another, in between */
    assert_int_equal(add("x 1 2 5", "de", &message), HR_BUS_JOIN_WHOLE);
    assert_true(hr_str_eq(message->view.body, HR_STR("abcde")));
    assert_true(hr_str_eq(message->view.subject, HR_STR("s")));
    assert_true(hr_str_eq(message->view.reply_to, HR_STR("r")));
    assert_int_equal(message->view.header_count, 1);
    assert_true(hr_str_eq(message->view.headers[0].value, HR_STR("v")));
    hr_bus_message_unref(message);
    assert_int_equal(joiner.count, 1);
    assert_int_equal(joiner.bytes, 4);
    assert_int_equal(joiner.dropped, 0);
}

/* The same id for other subscriptions, subjects or inboxes is another body. */
static void bus_joiner_tells_bodies_apart(void **state)
{
    static const struct {
        uint64_t owner;
        const char *subject;
        const char *reply_to;
    } rows[] = {{1, "s", "r"}, {2, "s", "r"}, {1, "t", "r"}, {1, "s", "q"}, {1, "s", ""}};
    struct hr_bus_piece piece = {.id = HR_STR("x"), .count = 2, .total_bytes = 2};
    struct hr_bus_message *message;
    (void)state;
    for (piece.index = 0; piece.index < 2; piece.index++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct hr_bus_msg msg = {.subject = hr_str_c(rows[i].subject),
                                     .reply_to = hr_str_c(rows[i].reply_to),
                                     .body = HR_STR("x")};
            enum hr_bus_join_result result =
                hr_bus_joiner_add(&joiner, rows[i].owner, &piece, &msg, 5, &message);
            assert_int_equal(result, piece.index ? HR_BUS_JOIN_WHOLE : HR_BUS_JOIN_MORE);
            if (piece.index) {
                hr_bus_message_unref(message);
            }
        }
    }
}

/* A piece that is not the next, or whose sizes do not add up, ends its body, once. */
static void bus_joiner_gives_up_what_does_not_add_up(void **state)
{
    static const struct {
        const char *value;
        const char *body;
    } rows[] = {
        {"x 0 3 6", "ab"},     /* the first again */
        {"x 2 3 6", "cdef"},   /* one is missing */
        {"x 1 4 6", "cd"},     /* another count */
        {"x 1 3 7", "cd"},     /* another total */
        {"x 1 3 6", ""},       /* nothing in it */
        {"x 1 3 6", "cdef"},   /* all of it before the last piece */
        {"x 1 3 6", "cdefgh"}, /* more than all */
    };
    struct hr_bus_message *message;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s %s\n", rows[i].value, rows[i].body);
        assert_int_equal(add("x 0 3 6", "ab", &message), HR_BUS_JOIN_MORE);
        assert_int_equal(add(rows[i].value, rows[i].body, &message), HR_BUS_JOIN_DROPPED);
        assert_int_equal(joiner.dropped, i + 1);
        assert_int_equal(joiner.count, 0);
        assert_int_equal(add("x 1 3 6", "cd", &message), HR_BUS_JOIN_DROPPED);
        assert_int_equal(joiner.dropped, i + 1);
    }
    assert_int_equal(add("x 0 2 6", "ab", &message), HR_BUS_JOIN_MORE);
    assert_int_equal(add("x 1 2 6", "cde", &message),
                     HR_BUS_JOIN_DROPPED); /* the last, too short */
}

/* Neither the number of bodies under way nor their bytes pass their limits. */
static void bus_joiner_is_bounded(void **state)
{
    struct hr_bus_message *message;
    char value[64];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(value, sizeof value, "big%u 0 2 67108864", i);
        assert_int_equal(add(value, "x", &message), HR_BUS_JOIN_MORE);
    }
    assert_int_equal(add("big2 0 2 2", "x", &message), HR_BUS_JOIN_DROPPED);
    hr_bus_joiner_forget(&joiner, 1);
    assert_int_equal(joiner.bytes, 0);
    for (unsigned i = 0; i < HR_BUS_JOINS_MAX; i++) {
        snprintf(value, sizeof value, "s%u 0 2 2", i);
        assert_int_equal(add(value, "x", &message), HR_BUS_JOIN_MORE);
    }
    assert_int_equal(add("more 0 2 2", "x", &message), HR_BUS_JOIN_DROPPED);
}

/* A body that nothing has come for in time is given up, and makes room. */
static void bus_joiner_gives_up_the_silent(void **state)
{
    struct hr_bus_message *message;
    (void)state;
    assert_int_equal(add("x 0 2 2", "x", &message), HR_BUS_JOIN_MORE);
    hr_bus_joiner_expire(&joiner, 5 + HR_BUS_JOIN_SILENCE_NS - 1);
    assert_int_equal(joiner.count, 1);
    hr_bus_joiner_expire(&joiner, 5 + HR_BUS_JOIN_SILENCE_NS);
    assert_int_equal(joiner.count, 0);
    assert_int_equal(joiner.dropped, 1);
}

/* Without memory a body is dropped and nothing leaks. */
static void bus_joiner_survives_lack_of_memory(void **state)
{
    struct hr_bus_message *message;
    (void)state;
    for (int64_t countdown = 0; countdown < 2; countdown++) {
        hr_alloc_fail_after(countdown);
        assert_int_equal(add("x 0 2 2", "x", &message), HR_BUS_JOIN_DROPPED);
        hr_alloc_fail_after(-1);
        assert_int_equal(hr_alloc_live(), 0);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_piece_reads_only_what_is_well_formed),
        CASE(bus_joiner_joins_what_comes_in_order),
        CASE(bus_joiner_tells_bodies_apart),
        CASE(bus_joiner_gives_up_what_does_not_add_up),
        CASE(bus_joiner_is_bounded),
        CASE(bus_joiner_gives_up_the_silent),
        CASE(bus_joiner_survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("bus_pieces", tests, NULL, NULL);
}
