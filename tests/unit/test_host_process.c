/* links: hr_host */
/* The process' own limits and numbers. The limits are changed in child processes, which keep them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host_process.h"

enum outcome { AS_WANTED, REFUSED, OTHERWISE };

/* Prepares a process that is given these limits; it is AS_WANTED if it may have @want files open then. */
static int prepare_with(rlim_t soft, rlim_t hard, uint32_t workers, rlim_t want)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit files = {soft, hard};
        struct hr_diag diag = {""};
        if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
            _exit(OTHERWISE);
        }
        enum hr_err err = hr_host_process_prepare(workers, &diag);
        if (err) {
            _exit(err == HR_BAD_INPUT && strstr(diag.text, "ulimit -n") ? REFUSED : OTHERWISE);
        }
        _exit(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == want ? AS_WANTED
                                                                              : OTHERWISE);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The limit is raised as far as it may be, because each connection takes a file. */
static void process_raises_its_limit_of_files(void **state)
{
    (void)state;
    assert_int_equal(prepare_with(64, 200, 2, 200), AS_WANTED);
    assert_int_equal(prepare_with(200, 200, 2, 200), AS_WANTED);
}

/* A limit that no host can live with is told at once, not by whatever fails first. */
static void process_refuses_a_limit_that_is_too_low(void **state)
{
    (void)state;
    assert_int_equal(prepare_with(12, 12, 1, 0), REFUSED);
    assert_int_equal(prepare_with(64, 64, 64, 0), REFUSED);
}

static double value_of(const char *text, const char *name)
{
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static char *render(struct hr_metrics *metrics, struct hr_buf *buf)
{
    hr_buf_release(buf);
    *buf = (struct hr_buf){.max = 1 << 16};
    assert_int_equal(hr_metrics_render(metrics, buf), HR_OK);
    assert_int_equal(hr_buf_append_byte(buf, '\0'), HR_OK);
    return buf->ptr;
}

/* The numbers are those of this process: one more file is one more, and the rest is plausible. */
static void process_tells_what_it_takes(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct hr_buf buf = {0};
    struct hr_metrics *metrics = hr_metrics_new();
    assert_non_null(metrics);
    assert_int_equal(hr_host_process_prepare(1, &diag), HR_OK);
    assert_int_equal(hr_host_process_metrics(metrics, &diag), HR_OK);
    double before = value_of(render(metrics, &buf), "process_open_fds");
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char *text = render(metrics, &buf);
    assert_true(value_of(text, "process_open_fds") == before + 1);
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_true(value_of(text, "process_max_fds") == (double)files.rlim_cur);
    assert_true(value_of(text, "process_resident_memory_bytes") > 65536);
    assert_true(value_of(text, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(text, "process_start_time_seconds") > 1.7e9);
    close(fd);
    hr_buf_release(&buf);
    hr_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_raises_its_limit_of_files),
        cmocka_unit_test(process_refuses_a_limit_that_is_too_low),
        cmocka_unit_test(process_tells_what_it_takes),
    };
    return cmocka_run_group_tests_name("host_process", tests, NULL, NULL);
}
