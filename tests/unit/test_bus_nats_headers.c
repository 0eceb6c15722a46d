/* links: hr_bus
 * NATS' block of headers: what is read, what is refused, and that what is written reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "host/bus/nats_headers.h"
#include "host/bus/pieces.h"

static struct hr_bus_nats_headers headers;

static bool parse(const char *block)
{
    return hr_bus_nats_headers_parse(hr_str_c(block), &headers);
}

/* Headers keep order, case, repetition and empty values; spaces around a value do not count. */
static void headers_are_read_as_they_were_sent(void **state)
{
    static const char *const expected[][2] = {{"a", "1"}, {"A", ""}, {"a", "x: y"}, {"b", "2"}};
    (void)state;
    assert_true(parse("NATS/1.0\r\na: 1\r\nA:\r\na:\t x: y \r\nb:2\r\n\r\n"));
    assert_int_equal(headers.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(hr_str_eq(headers.items[i].name, hr_str_c(expected[i][0])));
        assert_true(hr_str_eq(headers.items[i].value, hr_str_c(expected[i][1])));
    }
    assert_int_equal(headers.status.len, 0);
    assert_int_equal(headers.piece.len, 0);
}

/* A status is the first word after the version. */
static void headers_know_a_status(void **state)
{
    (void)state;
    assert_true(parse("NATS/1.0 503\r\n\r\n"));
    assert_true(hr_str_eq(headers.status, HR_STR("503")));
    assert_true(parse("NATS/1.0 408 Request Timeout\r\na: b\r\n\r\n"));
    assert_true(hr_str_eq(headers.status, HR_STR("408")));
    assert_int_equal(headers.count, 1);
}

/* A piece's header stands by itself. */
static void headers_set_the_piece_apart(void **state)
{
    (void)state;
    assert_true(parse("NATS/1.0\r\na: b\r\n" HR_BUS_HEADER_PIECE ": x 0 2 9\r\nc: d\r\n\r\n"));
    assert_int_equal(headers.count, 2);
    assert_true(hr_str_eq(headers.piece, HR_STR("x 0 2 9")));
    assert_false(
        parse("NATS/1.0\r\n" HR_BUS_HEADER_PIECE ": x\r\n" HR_BUS_HEADER_PIECE ": y\r\n\r\n"));
}

/* Everything else is refused. */
static void headers_refuse_what_is_malformed(void **state)
{
    static const char *const bad[] = {"",
                                      "NATS/1.0",
                                      "NATS/1.0\r\n",
                                      "NATS/1.0\n\n",
                                      "nats/1.0\r\n\r\n",
                                      "NATS/1.0\r\na\r\n\r\n",
                                      "NATS/1.0\r\n:b\r\n\r\n",
                                      "NATS/1.0\r\n a: b\r\n\r\n",
                                      "NATS/1.0\r\na : b\r\n\r\n",
                                      "NATS/1.0\r\na: b\r\n folded\r\n\r\n",
                                      "NATS/1.0\r\na: b\rc\r\n\r\n",
                                      "NATS/1.0\r\na: b\nc\r\n\r\n",
                                      "NATS/1.0\r\na: b\r\n",
                                      "NATS/1.0\r\na: b\r\n\r\nc: d\r\n\r\n",
                                      "NATS/1.0\r\n\xc3\xbc: b\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("%zu\n", i);
        assert_false(parse(bad[i]));
    }
    assert_false(hr_bus_nats_headers_parse(HR_STR("NATS/1.0\r\na: \0\r\n\r\n"), &headers));
}

/* What host/bus/bus.h allows fits, one more does not; and what is written reads back. */
static void headers_keep_to_their_limits(void **state)
{
    static char block[2 * HR_BUS_NATS_LINES_BYTES_MAX];
    static char lines[HR_BUS_NATS_LINES_BYTES_MAX];
    static char value[HR_BUS_HEADER_BYTES_MAX];
    struct hr_bus_header many[HR_BUS_NATS_HEADERS_MAX];
    (void)state;
    memset(value, 'v', sizeof value);
    for (size_t count = 1; count <= HR_BUS_NATS_HEADERS_MAX; count++) {
        size_t names = 0;
        for (size_t i = 0; i < count; i++) {
            many[i] = (struct hr_bus_header){HR_STR("n"), HR_STR("")};
            names++;
        }
        many[0].value = hr_str_of(value, HR_BUS_HEADER_BYTES_MAX - names);
        hr_bus_nats_headers_write(many, count, lines);
        int len = snprintf(block, sizeof block, "NATS/1.0\r\n%s: %.*s\r\n\r\n", lines,
                           HR_STR_ARG(many[count - 1].value));
        assert_int_equal(len, hr_bus_nats_headers_bytes(many, count));
        assert_int_equal(parse(block), count <= HR_BUS_HEADERS_MAX);
        if (count <= HR_BUS_HEADERS_MAX) {
            assert_int_equal(headers.count, count);
            assert_true(hr_str_eq(headers.items[0].value, many[0].value));
        }
    }
    snprintf(block, sizeof block, "NATS/1.0\r\nnn: %.*s\r\n\r\n", HR_BUS_HEADER_BYTES_MAX - 1,
             value);
    assert_false(parse(block));
    assert_int_equal(hr_bus_nats_headers_bytes(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_as_they_were_sent),
        cmocka_unit_test(headers_know_a_status),
        cmocka_unit_test(headers_set_the_piece_apart),
        cmocka_unit_test(headers_refuse_what_is_malformed),
        cmocka_unit_test(headers_keep_to_their_limits),
    };
    return cmocka_run_group_tests_name("bus_nats_headers", tests, NULL, NULL);
}
