/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/acks.h"
#include "actors/kv/core/site/route.h"

static const struct dkv_config config = {.site = {"aws", 3}, .bucket = {"default", 7}};

/* A subject's route is that of this bucket and this site; anything near it is nowhere. */
static void route_is_read_from_the_subject(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        enum dkv_route route;
    } rows[] = {
        {"wasmkv.get", DKV_ROUTE_CLIENT},
        {"wasmkv.set.peer", DKV_ROUTE_CLIENT},
        {"wasmkv.peer", DKV_ROUTE_CLIENT},
        {"", DKV_ROUTE_CLIENT},
        {"wasmkv.peer.default.w", DKV_ROUTE_CHANGES},
        {"_LOCAL.wasmkv.default.apply", DKV_ROUTE_APPLY},
        {"_LOCAL.wasmkv.default.ship", DKV_ROUTE_SHIP},
        {"wasmkv.peer.default.have", DKV_ROUTE_HAVE},
        {"wasmkv.peer.default.log.aws", DKV_ROUTE_LOG},
        {"_LOCAL.wasmkv.default.tick", DKV_ROUTE_TICK},
        {"wasmkv.peer.default.dig.aws", DKV_ROUTE_DIG},
        {"_LOCAL.wasmkv.default.mend", DKV_ROUTE_MEND},
        {"_LOCAL.wasmkv.default.admin", DKV_ROUTE_ADMIN},
        {"_LOCAL.wasmkv.default.meet.wasmkv.get.a", DKV_ROUTE_MEET},
        {"_LOCAL.wasmkv.default.meet.", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.meet.wasmkv.get.a", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.admin", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.mend", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.dig", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.dig.gcp", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.st.aws", DKV_ROUTE_STATE},
        {"wasmkv.peer.default.st.gcp", DKV_ROUTE_NOWHERE},
        {"_LOCAL.wasmkv.default.fill", DKV_ROUTE_FILL},
        {"wasmkv.peer.default.fill", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.ship", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.apply", DKV_ROUTE_NOWHERE},
        {"_LOCAL.wasmkv.default.w", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.log.", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.log.aw", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.log.aws2", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default.ww", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.default2.w", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.defaul.w", DKV_ROUTE_NOWHERE},
        {"wasmkv.peer.", DKV_ROUTE_NOWHERE},
        {"_LOCAL.wasmkv.default", DKV_ROUTE_NOWHERE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(dkv_route_of(hr_str_c(rows[i].subject), &config), rows[i].route);
    }
}

/* The subject that is made of a route has that route. */
static void route_gives_its_subject(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    for (int route = DKV_ROUTE_CHANGES; route < DKV_ROUTE_NOWHERE; route++) {
        struct hr_str subject =
            dkv_route_subject((enum dkv_route)route, &config, config.site, &arena);
        assert_non_null(subject.ptr);
        assert_int_equal(dkv_route_of(subject, &config), route);
    }
    struct hr_str other = dkv_route_subject(DKV_ROUTE_LOG, &config, HR_STR("gcp"), &arena);
    assert_true(hr_str_eq(other, HR_STR("wasmkv.peer.default.log.gcp")));
    other = dkv_route_subject(DKV_ROUTE_MEET, &config, HR_STR("wasmkv.get.a"), &arena);
    assert_true(hr_str_eq(dkv_route_client(other, &config), HR_STR("wasmkv.get.a")));
    hr_arena_release(&arena);
}

/* Sites that are gone lower a number and all, but not a majority. */
static void acks_needed_follow_the_sites(void **state)
{
    (void)state;
    static const struct {
        enum dkv_wants wants;
        uint32_t number, known, alive, needed;
    } rows[] = {
        {DKV_WANTS_NUMBER, 2, 5, 5, 2},   {DKV_WANTS_NUMBER, 2, 5, 1, 1},
        {DKV_WANTS_NUMBER, 1, 5, 5, 1},   {DKV_WANTS_NUMBER, 9, 5, 4, 4},
        {DKV_WANTS_NUMBER, 2, 1, 1, 1},   {DKV_WANTS_MAJORITY, 0, 1, 1, 1},
        {DKV_WANTS_MAJORITY, 0, 2, 1, 2}, {DKV_WANTS_MAJORITY, 0, 5, 5, 3},
        {DKV_WANTS_MAJORITY, 0, 5, 1, 3}, {DKV_WANTS_MAJORITY, 0, 4, 4, 3},
        {DKV_WANTS_ALL, 0, 5, 5, 5},      {DKV_WANTS_ALL, 0, 5, 2, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dkv_config wanted = {.wants = rows[i].wants, .wanted_acks = rows[i].number};
        assert_int_equal(dkv_acks_needed(&wanted, rows[i].known, rows[i].alive), rows[i].needed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_is_read_from_the_subject),
        cmocka_unit_test(route_gives_its_subject),
        cmocka_unit_test(acks_needed_follow_the_sites),
    };
    return cmocka_run_group_tests_name("dkv_route", tests, NULL, NULL);
}
