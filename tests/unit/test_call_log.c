/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/run/call_log.h"
#include "host/obs/log.h"

#define REFUSALS 5000

static int count_lines(int fd)
{
    static char text[1 << 20];
    int count = 0;
    ssize_t n;
    while ((n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            count += text[i] == '\n';
        }
    }
    return count;
}

/* However many calls are refused, the log gets a bounded number of lines a second, and some of them. */
static void call_log_is_not_filled_by_refusals(void **state)
{
    (void)state;
    static const struct hr_actor actor = {.name = "kv"};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    hr_log_set_fd(ends[1]);
    uint64_t began_ns = hr_now_ns();
    int lines = 0;
    for (int i = 0; i < REFUSALS; i++) {
        hr_call_refused(&actor, HR_EXPORT_HANDLE_MESSAGE, HR_BUSY);
        lines += i % 100 == 0 ? count_lines(ends[0]) : 0;
    }
    lines += count_lines(ends[0]);
    uint64_t seconds = (hr_now_ns() - began_ns) / 1000000000u + 2;
    hr_log_set_fd(STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    assert_true(lines > 0);
    assert_true((uint64_t)lines <= seconds * (HR_CALL_LOG_LINES_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(call_log_is_not_filled_by_refusals)};
    return cmocka_run_group_tests_name("call_log", tests, NULL, NULL);
}
