/* links: hr_manifest */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/manifest/link.h"

/* Every interface that the three actors import or export is granted by the link that is meant to. */
static void link_grants_the_interfaces_of_the_actors(void **state)
{
    (void)state;
    static const struct {
        const char *interface;
        enum hr_link link;
    } rows[] = {
        {"wasi:http/types@0.2.12", HR_LINK_HTTP},
        {"wasi:http/incoming-handler@0.2.12", HR_LINK_HTTP},
        {"wasi:io/streams@0.2.12", HR_LINK_HTTP},
        {"wasi:io/error", HR_LINK_HTTP},
        {"wasmcloud:messaging/consumer@0.2.0", HR_LINK_MESSAGING},
        {"wasmcloud:messaging/handler@0.2.0", HR_LINK_MESSAGING},
        {"hedgerow:messaging/batch-handler@0.1.0", HR_LINK_MESSAGING},
        {"wasi:keyvalue/store@0.2.0-draft", HR_LINK_KEYVALUE},
        {"wasi:keyvalue/atomics@0.2.0-draft", HR_LINK_KEYVALUE},
        {"wasi:keyvalue/batch@0.2.0-draft", HR_LINK_KEYVALUE},
        {"hedgerow:kv/commit@0.1.0", HR_LINK_COMMIT},
        {"hedgerow:kv/scan@0.1.0", HR_LINK_COMMIT},
        {"hedgerow:kv/standing@0.1.0", HR_LINK_COMMIT},
        {"hedgerow:kv/lost-commits@0.1.0", HR_LINK_COMMIT},
        {"wasi:config/store@0.2.0-rc.1", HR_LINK_CONFIG},
        {"wasi:logging/logging@0.1.0-draft", HR_LINK_LOGGING},
        {"wasi:clocks/wall-clock@0.2.12", HR_LINK_CLOCKS},
        {"wasi:clocks/monotonic-clock@0.2.12", HR_LINK_CLOCKS},
        {"wasi:random/random@0.2.12", HR_LINK_RANDOM},
        {"wasi:cli/stdout@0.2.12", HR_LINK_CLI},
        {"hedgerow:lattice/gather@0.1.0", HR_LINK_GATHER},
        {"hedgerow:ui/assets@0.1.0", HR_LINK_ASSETS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum hr_link link;
        print_message("%s\n", rows[i].interface);
        assert_true(hr_link_of_interface(hr_str_c(rows[i].interface), &link));
        assert_int_equal(link, rows[i].link);
        assert_true(hr_link_grants(link, hr_str_c(rows[i].interface)));
    }
}

/* Nothing more is granted: neither neighbours in a package, nor longer names, nor a bare package. */
static void link_grants_nothing_else(void **state)
{
    (void)state;
    static const char *const rows[] = {"wasi:http/outgoing-handler@0.2.12",
                                       "wasi:filesystem/types@0.2.12",
                                       "wasi:sockets/tcp",
                                       "wasi:clocks/",
                                       "wasi:clocks",
                                       "wasi:clocksmith/x",
                                       "wasi:keyvalue/store2",
                                       "wasi:keyvalue/stor",
                                       "",
                                       "@0.2.0"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum hr_link link;
        print_message("%s\n", rows[i]);
        assert_false(hr_link_of_interface(hr_str_c(rows[i]), &link));
    }
    assert_false(hr_link_grants(HR_LINK_CLOCKS, HR_STR("wasi:random/random@0.2.12")));
    assert_false(hr_link_grants(HR_LINK_CLOCKS, HR_STR("wasi:io/streams@0.2.12")));
    assert_true(hr_link_grants(HR_LINK_CLOCKS, HR_STR("wasi:io/poll@0.2.12")));
}

/* Every row of the table is whole. */
static void link_table_is_complete(void **state)
{
    (void)state;
    for (int i = 0; i < HR_LINK_COUNT; i++) {
        size_t count;
        assert_true(strlen(hr_link_name((enum hr_link)i)) > 0);
        assert_true(strlen(hr_link_purpose((enum hr_link)i)) > 0);
        const struct hr_str *interfaces = hr_link_interfaces((enum hr_link)i, &count);
        assert_true(count > 0);
        for (size_t n = 0; n < count; n++) {
            assert_true(hr_str_find(interfaces[n], ':', 0) != SIZE_MAX);
        }
    }
}

/* The advice names the link, the place and the file, and is cut rather than overrun. */
static void link_advice_says_what_to_add(void **state)
{
    (void)state;
    char advice[256];
    hr_link_advise(HR_STR("todo"), HR_STR("wasmcloud:messaging/consumer@0.2.0"), advice,
                   sizeof advice);
    assert_string_equal(advice, "add `messaging: {publish: [...], subscribe: [...]}` under "
                                "actors.todo.links in hedgerow.yaml");
    hr_link_advise(HR_STR("kv"), HR_STR("wasi:random/random"), advice, sizeof advice);
    assert_string_equal(advice, "add `random: {}` under actors.kv.links in hedgerow.yaml");
    hr_link_advise(HR_STR("kv"), HR_STR("wasi:sockets/tcp"), advice, sizeof advice);
    assert_string_equal(advice, "no link grants it in this version; build the actor without it");
    hr_link_advise(HR_STR("kv"), HR_STR("wasi:random/random"), advice, 8);
    assert_string_equal(advice, "add `ra");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_grants_the_interfaces_of_the_actors),
        cmocka_unit_test(link_grants_nothing_else),
        cmocka_unit_test(link_table_is_complete),
        cmocka_unit_test(link_advice_says_what_to_add),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
