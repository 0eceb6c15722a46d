/* links: sim_world core_kv yyjson */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "sim/faults.h"
#include "sim/host.h"
#include "sim/net.h"

/* Three sites of one host each, without clients and faults. */
static struct sim_shape shape_of_three(void)
{
    struct sim_shape shape = {.seed = 5,
                              .site_count = 3,
                              .hosts_of = {1, 1, 1},
                              .write_acks = "2",
                              .ack_timeout_ms = "1000",
                              .net_us = 1000,
                              .read_us = 100,
                              .commit_us = 100,
                              .pause_chance = 100000,
                              .key_count = 2,
                              .think_us = SIM_S,
                              .faults_us = SIM_S};
    return shape;
}

/* How many of @count letters from one site to another are on their way. */
static unsigned send(struct sim_world *world, uint32_t from, uint32_t to, unsigned count)
{
    unsigned sent = 0;
    for (unsigned i = 0; i < count; i++) {
        struct sim_event event = sim_event_of(SIM_EVENT_REPLY, 0, to);
        event.data =
            sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("nowhere"), HR_STR("x"), (struct hr_str){0});
        sent += sim_net_send(world, from, to, event);
    }
    return sent;
}

static void add_window(struct sim_shape *shape, enum sim_fault fault, uint32_t site, uint32_t other,
                       uint64_t amount)
{
    shape->windows[shape->window_count++] = (struct sim_window){.fault = fault,
                                                                .from = 100 * SIM_S,
                                                                .until = 200 * SIM_S,
                                                                .site = site,
                                                                .other = other,
                                                                .amount = amount};
}

/* A cut keeps everything in, one way or both, and only there. */
static void cut_keeps_letters_in(void **state)
{
    (void)state;
    struct sim_shape shape = shape_of_three();
    add_window(&shape, SIM_FAULT_CUT, 0, 1, 0);
    add_window(&shape, SIM_FAULT_CUT_ONE_WAY, 1, 2, 0);
    add_window(&shape, SIM_FAULT_ISOLATE, 2, 0, 0);
    struct sim_world *world = sim_world_new(&shape, false);
    sim_faults_turn(world, 0, true);
    assert_int_equal(send(world, 0, 1, 10), 0);
    assert_int_equal(send(world, 1, 0, 10), 0);
    assert_int_equal(send(world, 0, 2, 10), 10);
    sim_faults_turn(world, 1, true);
    assert_int_equal(send(world, 1, 2, 10), 0);
    assert_int_equal(send(world, 2, 1, 10), 10);
    sim_faults_turn(world, 2, true);
    assert_int_equal(send(world, 2, 1, 10), 0);
    assert_int_equal(send(world, 0, 2, 10), 0);
    assert_int_equal(send(world, 2, 2, 10), 10);
    sim_faults_heal(world);
    assert_int_equal(send(world, 1, 2, 10), 10);
    assert_int_equal(send(world, 0, 1, 10), 10);
    sim_world_free(world);
}

/* Letters are lost and doubled about as often as it says. */
static void letters_are_lost_and_doubled(void **state)
{
    (void)state;
    struct sim_shape shape = shape_of_three();
    add_window(&shape, SIM_FAULT_LOSS, 0, 0, 300000);
    add_window(&shape, SIM_FAULT_DUPLICATE, 0, 0, 300000);
    struct sim_world *world = sim_world_new(&shape, false);
    sim_faults_turn(world, 0, true);
    assert_in_range(send(world, 0, 1, 1000), 630, 770);
    sim_faults_turn(world, 0, false);
    sim_faults_turn(world, 1, true);
    assert_in_range(send(world, 0, 1, 1000), 1230, 1370);
    assert_int_equal(send(world, 0, 0, 100), 100);
    sim_world_free(world);
}

/* What is clogged comes when the clog ends, all of it. */
static void clogged_letters_come_at_the_end(void **state)
{
    (void)state;
    struct sim_shape shape = shape_of_three();
    add_window(&shape, SIM_FAULT_CLOG, 0, 1, 0);
    struct sim_world *world = sim_world_new(&shape, false);
    sim_faults_turn(world, 0, true);
    size_t before = world->events.count;
    assert_int_equal(send(world, 0, 1, 10), 10);
    unsigned late = 0;
    for (size_t i = 0; i < world->events.count; i++) {
        late += world->events.heap[i].kind == SIM_EVENT_REPLY &&
                world->events.heap[i].at >= 200 * SIM_S;
    }
    assert_int_equal(late, 10);
    assert_int_equal(world->events.count, before + 10);
    sim_world_free(world);
}

/* A site that is silent is missed after two to three seconds, and one that is heard again within one. */
static void silent_site_is_missed(void **state)
{
    (void)state;
    struct sim_shape shape = shape_of_three();
    add_window(&shape, SIM_FAULT_ISOLATE, 1, 0, 0);
    struct sim_world *world = sim_world_new(&shape, false);
    const struct sim_host *watcher = &world->hosts[0];
    sim_world_run(world, SIM_S);
    assert_true(sim_net_alive(world, watcher, 1));
    sim_faults_turn(world, 0, true);
    sim_world_run(world, world->now + 1900 * SIM_MS);
    assert_true(sim_net_alive(world, watcher, 1));
    sim_world_run(world, world->now + 1200 * SIM_MS);
    assert_false(sim_net_alive(world, watcher, 1));
    assert_true(sim_net_alive(world, watcher, 2));
    sim_faults_turn(world, 0, false);
    sim_world_run(world, world->now + SIM_S);
    assert_true(sim_net_alive(world, watcher, 1));
    assert_false(world->failed);
    sim_world_free(world);
}

/* A host that is killed while it has invocations under way leaves none behind. */
static void killed_host_leaves_nothing_behind(void **state)
{
    (void)state;
    struct sim_shape shape = shape_of_three();
    struct sim_world *world = sim_world_new(&shape, false);
    shape.pause_chance = 1000000;
    bool busy = false;
    for (unsigned i = 0; i < 200; i++) {
        sim_world_run(world, world->now + 1700);
        busy = busy || sim_fibers_alive(world->fibers) > 0;
        if (i % 20 == 19) {
            for (uint32_t host = 0; host < SIM_HOSTS_MAX; host++) {
                sim_host_kill(world, &world->hosts[host]);
            }
            sim_host_reap(world);
            assert_int_equal(sim_fibers_alive(world->fibers), 0);
            assert_int_equal(world->free_count, SIM_CALLS_MAX);
            for (uint32_t host = 0; host < SIM_HOSTS_MAX; host++) {
                sim_host_boot(world, &world->hosts[host]);
            }
        }
    }
    assert_true(busy);
    assert_false(world->failed);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_keeps_letters_in),
        cmocka_unit_test(letters_are_lost_and_doubled),
        cmocka_unit_test(clogged_letters_come_at_the_end),
        cmocka_unit_test(silent_site_is_missed),
        cmocka_unit_test(killed_host_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("sim_net", tests, NULL, NULL);
}
