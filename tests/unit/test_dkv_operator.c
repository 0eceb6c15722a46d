/* links: core_kv */
/* The operator's requests: what they answer, and what they change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "test_dkv_world.h"

static struct world *world;
static char reply[8192];

static int teardown(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (unsigned i = 0; i < world->count; i++) {
        failures += check_failures(&world->sites[i].fake, false);
    }
    release_world(world);
    return failures > 0 ? -1 : 0;
}

/* The reply to one request at @site. */
static const char *operate(unsigned site, const char *body)
{
    struct inbox *inbox = open_inbox(&world->sites[site]);
    const struct dkv_message message = {HR_STR("_LOCAL.wasmkv.default.admin"), hr_str_c(body),
                                        hr_str_c(inbox->name)};
    handle(&world->sites[site], &message, 1);
    assert_int_equal(inbox->count, 1);
    snprintf(reply, sizeof reply, "%.*s", (int)inbox->lens[0], inbox->bodies[0]);
    close_inbox(world);
    return reply;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("%s is not in %s", part, text);
    }
}

/* A site of which the host told, and that never asked anybody anything, is waited for as every member is: so it can
 * be taken out as well. */
static void operator_removes_a_site_that_never_asked(void **state)
{
    (void)state;
    world = new_world(21, 3);
    world->sites[2].up = false;
    world->sites[0].fake.write_acks = "1"; /* all others are needed */
    for (unsigned i = 0; i < 5; i++) {
        tick(&world->sites[0]);
        tick(&world->sites[1]);
        world->now_ms += 5000;
    }
    assert_false(serves(&world->sites[0]));
    has(operate(0, "{\"verb\":\"status\"}"), "\"waits-for\":\"too few others have answered (caught "
                                             "up with 1 of 2 other sites, 2 needed; "
                                             "it waits for those with the ids 3)\"");
    const char *removed = operate(0, "{\"verb\":\"member-remove\",\"name\":\"site2\"}");
    has(removed, "\"removed\":3");
    /* Nobody here knows how often it was started: whatever it was until now is out. */
    const char *inc = strstr(removed, "\"incarnation\":");
    assert_non_null(inc);
    assert_true(strtoull(inc + strlen("\"incarnation\":"), NULL, 10) >= world->now_ms);
    has(operate(0, "{\"verb\":\"status\"}"),
        "\"id\":3,\"name\":\"site2\",\"here\":false,\"member\":false");
    let_serve(world);
    /* It comes back with a higher incarnation, and is a member again. */
    start_site(&world->sites[2]);
    let_serve(world);
    has(operate(0, "{\"verb\":\"status\"}"),
        "\"id\":3,\"name\":\"site2\",\"here\":false,\"member\":true");
}

/* What a site that is catching up holds is neither all there is, nor to be judged by. */
static void operator_is_refused_while_the_site_catches_up(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"verb\":\"export\"}", "{\"verb\":\"verify\"}",
                                         "{\"verb\":\"repair\"}"};
    world = new_serving_world(22, 3);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_null(strstr(operate(0, bodies[i]), "\"error\""));
    }
    start_site(&world->sites[0]);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        has(operate(0, bodies[i]),
            "\"code\":\"unavailable\",\"message\":\"this site is catching up\"");
    }
    has(operate(0, "{\"verb\":\"status\"}"), "\"state\":\"sync\"");
    let_serve(world);
    has(operate(0, bodies[0]), "\"items\":[]");
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(operator_removes_a_site_that_never_asked),
        CASE(operator_is_refused_while_the_site_catches_up),
    };
    return cmocka_run_group_tests_name("dkv_operator", tests, NULL, NULL);
}
