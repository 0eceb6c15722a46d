/* links: hr_bus */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "host/bus/index.h"
#include "host/bus/subject.h"

#define ENTRIES_MAX 2000u

static struct hr_bus_index index_;
static struct hr_bus_index_entry entries[ENTRIES_MAX];

static size_t matches(const char *subject)
{
    struct hr_bus_index_walk walk;
    size_t count = 0;
    hr_bus_index_walk_init(&walk, &index_, hr_str_c(subject));
    while (hr_bus_index_walk_next(&walk)) {
        count++;
    }
    return count;
}

/* Every kind of pattern is found once, also where the whole subject is the first token. */
static void bus_index_finds_each_match_once(void **state)
{
    (void)state;
    static const char *const patterns[] = {"a", "a.b", "a.*", "a.>", "*", "*.b", ">", "a", "b.a"};
    hr_bus_index_init(&index_);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        hr_bus_index_add(&index_, &entries[i], hr_str_c(patterns[i]));
    }
    assert_int_equal(matches("a"), 4);     /* a, a, *, > */
    assert_int_equal(matches("a.b"), 5);   /* a.b, a.*, a.>, *.b, > */
    assert_int_equal(matches("a.b.c"), 2); /* a.>, > */
    assert_int_equal(matches("b.a"), 2);   /* b.a, > */
    hr_bus_index_remove(&entries[6]);      /* > */
    hr_bus_index_remove(&entries[0]);      /* the first a */
    assert_int_equal(matches("a"), 2);
    assert_int_equal(matches("c.d"), 0);
}

/* Equal patterns come out in the order in which they went in. */
static void bus_index_keeps_the_order_of_adding(void **state)
{
    (void)state;
    struct hr_bus_index_walk walk;
    hr_bus_index_init(&index_);
    for (size_t i = 0; i < 10; i++) {
        hr_bus_index_add(&index_, &entries[i], HR_STR("job.*"));
    }
    hr_bus_index_walk_init(&walk, &index_, HR_STR("job.x"));
    for (size_t i = 0; i < 10; i++) {
        assert_ptr_equal(hr_bus_index_walk_next(&walk), &entries[i]);
    }
    assert_null(hr_bus_index_walk_next(&walk));
}

/* A fixed pseudo-random sequence (xorshift32): the same on every machine and run. */
static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* The index agrees with asking every pattern in turn. */
static void bus_index_agrees_with_matching_one_by_one(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b", "c", "dd", "*"};
    static char texts[ENTRIES_MAX][16];
    uint32_t seed = 20240229;
    print_message("seed %u\n", seed);
    hr_bus_index_init(&index_);
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        size_t len = 0;
        uint32_t count = 1 + next_random(&seed) % 4;
        for (uint32_t t = 0; t < count; t++) {
            bool rest = t == count - 1 && next_random(&seed) % 4 == 0;
            len += (size_t)snprintf(texts[i] + len, sizeof texts[i] - len, "%s%s", t ? "." : "",
                                    rest ? ">" : tokens[next_random(&seed) % 5]);
        }
        hr_bus_index_add(&index_, &entries[i], hr_str_c(texts[i]));
    }
    static const char *const subjects[] = {"a",     "b",       "dd",        "a.b", "dd.dd",
                                           "a.b.c", "c.b.dd",  "a.a.a.a",   "x",   "x.y",
                                           "a.x",   "b.c.x.a", "a.b.c.dd.a"};
    for (size_t s = 0; s < sizeof subjects / sizeof subjects[0]; s++) {
        size_t expected = 0;
        for (size_t i = 0; i < ENTRIES_MAX; i++) {
            expected += hr_subject_matches(hr_str_c(texts[i]), hr_str_c(subjects[s]));
        }
        assert_int_equal(matches(subjects[s]), expected);
    }
    assert_true(matches("a.b.c") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bus_index_finds_each_match_once),
        cmocka_unit_test(bus_index_keeps_the_order_of_adding),
        cmocka_unit_test(bus_index_agrees_with_matching_one_by_one),
    };
    return cmocka_run_group_tests_name("bus_index", tests, NULL, NULL);
}
