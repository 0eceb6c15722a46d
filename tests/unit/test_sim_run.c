/* links: sim_world core_kv yyjson */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/json.h"
#include "sim/minimise.h"
#include "sim/run.h"

#define SEEDS 12u

/* One seed is one story; another one is another. Nothing is left in memory. */
static void seed_is_one_story(void **state)
{
    (void)state;
    uint64_t hashes[SEEDS];
    int64_t before = hr_alloc_live();
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_shape shape;
        struct sim_result first;
        struct sim_result second;
        sim_shape_draw(&shape, seed, 0);
        sim_run(&shape, false, &first);
        sim_run(&shape, false, &second);
        if (first.failed) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, first.failure);
        }
        assert_int_equal(first.hash, second.hash);
        assert_int_equal(first.events, second.events);
        hashes[seed - 1] = first.hash;
        for (uint64_t i = 0; i + 1 < seed; i++) {
            assert_int_not_equal(hashes[i], first.hash);
        }
        assert_int_equal(hr_alloc_live(), before);
    }
}

/* A world that fails whatever its faults are is made one without faults: the ways are longer here than sites
 * wait for each other. */
static void minimising_leaves_out_what_is_not_needed(void **state)
{
    (void)state;
    struct sim_shape shape;
    struct sim_result result;
    sim_shape_draw(&shape, 3, 3);
    shape.net_us = 200 * SIM_MS;
    shape.faults_us = 3 * SIM_S;
    snprintf(shape.write_acks, sizeof shape.write_acks, "2");
    snprintf(shape.ack_timeout_ms, sizeof shape.ack_timeout_ms, "100");
    sim_run(&shape, false, &result);
    assert_true(result.failed);
    assert_non_null(result.claim);
    sim_minimise(&shape, result.claim);
    for (size_t i = 0; i < shape.window_count; i++) {
        assert_true(shape.windows[i].removed);
    }
    sim_run(&shape, false, &result);
    assert_true(result.failed);
}

/* Replies are read, and what is none is not. */
static void json_is_read(void **state)
{
    (void)state;
    const struct hr_str reply = HR_STR(
        "{\"site\":\"s1\",\"items\":[{\"key\":\"k1\",\"value\":{\"f0\":7}},{}],\"next\":null}");
    struct hr_str value;
    struct hr_str items;
    struct hr_str name;
    uint64_t number;
    assert_true(sim_json_member(reply, HR_STR("items"), &items));
    assert_true(sim_json_next(&items, &name, &value));
    assert_int_equal(name.len, 0);
    assert_true(sim_json_member(value, HR_STR("value"), &value));
    assert_true(sim_json_member(value, HR_STR("f0"), &value));
    assert_true(sim_json_number(value, &number));
    assert_int_equal(number, 7);
    assert_true(sim_json_next(&items, &name, &value));
    assert_false(sim_json_next(&items, &name, &value));
    assert_false(sim_json_member(reply, HR_STR("f0"), &value));
    assert_false(sim_json_member(HR_STR("[1,2]"), HR_STR("1"), &value));
    assert_false(sim_json_member(HR_STR("{\"a\":[}"), HR_STR("a"), &value));
    assert_false(sim_json_member(HR_STR("{\"a\":\"x"), HR_STR("a"), &value));
    assert_false(sim_json_member(HR_STR("{"), HR_STR("a"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_is_one_story),
        cmocka_unit_test(minimising_leaves_out_what_is_not_needed),
        cmocka_unit_test(json_is_read),
    };
    return cmocka_run_group_tests_name("sim_run", tests, NULL, NULL);
}
