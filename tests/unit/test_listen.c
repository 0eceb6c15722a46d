/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/http/listen.h"

static enum hr_err try_listen(struct hr_str address, uint32_t count, int *ret_fds, char *ret_bound,
                              struct hr_diag *diag)
{
    diag->text[0] = '\0';
    return hr_listen(address, count, ret_fds, ret_bound, diag);
}

/* Every form of address that the manifest allows opens as many sockets as are asked for, all on the port
 * that is told. */
static void listen_opens_what_it_is_asked_for(void **state)
{
    (void)state;
    static const char *const addresses[][2] = {
        {"127.0.0.1:0", "127.0.0.1:"}, {"localhost:0", "127.0.0.1:"}, {":0", "0.0.0.0:"}};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        int fds[3];
        char bound[HR_LISTEN_ADDRESS_BYTES_MAX];
        struct hr_diag diag;
        assert_int_equal(try_listen(hr_str_c(addresses[i][0]), 3, fds, bound, &diag), HR_OK);
        assert_int_equal(strncmp(bound, addresses[i][1], strlen(addresses[i][1])), 0);
        assert_true(atoi(strrchr(bound, ':') + 1) > 0);
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(close(fds[k]), 0);
        }
    }
}

/* A port that somebody else listens on is not shared with him. */
static void listen_refuses_a_port_in_use(void **state)
{
    (void)state;
    int fds[2];
    int more[2];
    char bound[HR_LISTEN_ADDRESS_BYTES_MAX];
    struct hr_diag diag;
    assert_int_equal(try_listen(HR_STR("127.0.0.1:0"), 2, fds, bound, &diag), HR_OK);
    assert_int_equal(try_listen(hr_str_c(bound), 2, more, NULL, &diag), HR_EXISTS);
    assert_non_null(strstr(diag.text, "the port is in use"));
    assert_non_null(strstr(diag.text, bound));
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(try_listen(hr_str_c(bound), 2, more, NULL, &diag), HR_OK);
    close(more[0]);
    close(more[1]);
}

/* What is no address is said to be none, however long it is. */
static void listen_refuses_what_is_no_address(void **state)
{
    (void)state;
    static char long_address[400];
    static const char *const addresses[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0:80",
        "example.org:1",
        "[::1:80",
        "::1]:80",
        "[::g]:80",
        "[]:80",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "1.2.3.4.5:80",
        "127.0.0.1:99999999999999999999",
        "[::1]",
        "[::1]80",
        "127.0.0.1:80:80",
        long_address,
    };
    memset(long_address, '1', sizeof long_address - 3);
    memcpy(long_address + sizeof long_address - 3, ":0", 3);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        int fd;
        struct hr_diag diag;
        if (try_listen(hr_str_c(addresses[i]), 1, &fd, NULL, &diag) != HR_BAD_INPUT) {
            fail_msg("case %zu: %s", i, addresses[i]);
        }
        assert_non_null(strstr(diag.text, "is no address to listen on"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen_opens_what_it_is_asked_for),
        cmocka_unit_test(listen_refuses_a_port_in_use),
        cmocka_unit_test(listen_refuses_what_is_no_address),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
