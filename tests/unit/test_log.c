/* links: hr_obs */
/* The log is read back from a pipe, whose end the tests set as its descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/obs/log.h"

#define TS_BYTES 28 /* ts=2024-05-01T12:00:00.123Z and the space */

static int reader;
static int writer;

static int pipe_setup(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    reader = ends[0];
    writer = ends[1];
    hr_log_set_fd(writer);
    hr_log_set_level(HR_LOG_TRACE);
    return 0;
}

static int pipe_teardown(void **state)
{
    (void)state;
    hr_log_set_fd(STDERR_FILENO);
    hr_log_set_level(HR_LOG_INFO);
    close(reader);
    close(writer);
    return 0;
}

/* What one log call wrote: pipes keep a write of up to PIPE_BUF bytes whole. */
static char *read_line(void)
{
    static char line[8192];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    ssize_t n = read(reader, line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

/* Logs one value and compares how it is written. */
static void assert_value(struct hr_str value, const char *want)
{
    HR_LOG(HR_LOG_INFO, "e", HR_LOG_STR("k", value));
    char full[512];
    snprintf(full, sizeof full, "level=info event=e k=%s\n", want);
    assert_string_equal(read_line() + TS_BYTES, full);
}

/* A line has the time in UTC with milliseconds, the level, the event and the fields in order. */
static void log_writes_one_line_with_its_fields(void **state)
{
    (void)state;
    HR_LOG(HR_LOG_WARN, "store.full", HR_LOG_CSTR("path", "/data"), HR_LOG_INT("bytes", -12),
           HR_LOG_INT("max", INT64_MAX));
    const char *line = read_line();
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int ms;
    int used = 0;
    assert_int_equal(sscanf(line, "ts=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &used),
                     7);
    assert_int_equal(used, TS_BYTES - 1);
    assert_in_range(year, 2024, 9999);
    assert_string_equal(line + used, " level=warn event=store.full path=/data bytes=-12 "
                                     "max=9223372036854775807\n");
}

/* What is plain stays as it is; what could be taken for something else is quoted. */
static void log_quotes_what_needs_it(void **state)
{
    (void)state;
    assert_value(HR_STR("plain-Text_1./:;,(){}[]'"), "plain-Text_1./:;,(){}[]'");
    assert_value(HR_STR("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_value(HR_STR(""), "\"\"");
    assert_value((struct hr_str){0}, "\"\"");
    assert_value(HR_STR("two words"), "\"two words\"");
    assert_value(HR_STR("a=b"), "\"a=b\"");
    assert_value(HR_STR("say \"hi\""), "\"say \\\"hi\\\"\"");
    assert_value(HR_STR("c:\\x"), "\"c:\\\\x\"");
}

/* Nothing that a value holds starts a new line or reaches a terminal as a control character. */
static void log_values_cannot_forge_a_line(void **state)
{
    (void)state;
    assert_value(HR_STR("x\nts=1 level=error"), "\"x\\nts=1 level=error\"");
    assert_value(HR_STR("\r\t\0\x1b[31m\x7f"), "\"\\r\\t\\u0000\\u001b[31m\\u007f\"");
    assert_value(HR_STR("a\xc2\x85"
                        "b"),
                 "\"a\\u0085b\"");
    assert_value(HR_STR("\xff\xc3"), "\"\\ufffd\\ufffd\"");
    assert_value(HR_STR("ok\xf0\x9f\x98\x80\x80"), "\"ok\xf0\x9f\x98\x80\\ufffd\"");
    assert_value(HR_STR("\xc2\xa0"), "\xc2\xa0");
}

/* A long value is cut, the quote closed, and the line says so; it fits a pipe's atomic write. */
static void log_cuts_long_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < 900; i++) {
        size_t len = 3900 + i / 3;
        char text[4200];
        memset(text, i % 3 == 0 ? '\n' : 'x', len);
        text[0] = i % 3 == 1 ? ' ' : text[1]; /* escaped, quoted, plain */
        HR_LOG(HR_LOG_INFO, "e", HR_LOG_STR("k", hr_str_of(text, len)), HR_LOG_INT("n", INT64_MAX));
        const char *line = read_line();
        size_t got = strlen(line);
        assert_true(got <= 4096);
        assert_ptr_equal(strchr(line, '\n'), line + got - 1);
        bool cut = strstr(line, " cut=true\n") != NULL;
        if (!cut) {
            assert_non_null(strstr(line, " n=9223372036854775807\n"));
        } else {
            assert_true(got > 4000);
            const char *quote = strchr(line, '"');
            assert_true(!quote || strchr(quote + 1, '"'));
        }
        assert_true(cut || len < 4096);
    }
}

/* Lines below the level are not written; the others name theirs. */
static void log_keeps_its_level(void **state)
{
    (void)state;
    hr_log_set_level(HR_LOG_WARN);
    assert_false(hr_log_enabled(HR_LOG_INFO));
    assert_true(hr_log_enabled(HR_LOG_WARN));
    HR_LOG(HR_LOG_INFO, "dropped", HR_LOG_INT("n", 1));
    assert_string_equal(read_line(), "");
    HR_LOG(HR_LOG_CRITICAL, "kept", HR_LOG_INT("n", 1));
    assert_string_equal(read_line() + TS_BYTES, "level=critical event=kept n=1\n");
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "critical"};
    hr_log_set_level(HR_LOG_TRACE);
    for (int i = 0; i < 6; i++) {
        char want[64];
        snprintf(want, sizeof want, "level=%s event=e n=1\n", names[i]);
        HR_LOG((enum hr_log_level)i, "e", HR_LOG_INT("n", 1));
        assert_string_equal(read_line() + TS_BYTES, want);
    }
}

static void assert_two_lines(const char *first, const char *second)
{
    const char *text = read_line();
    size_t len = strlen(first);
    assert_true(strlen(text) > TS_BYTES + len + TS_BYTES);
    assert_memory_equal(text + TS_BYTES, first, len);
    assert_string_equal(text + TS_BYTES + len + TS_BYTES, second);
}

/* A log that cannot be written does no harm, errno is the caller's, and how much was lost is told. */
static void log_drops_what_cannot_be_written(void **state)
{
    (void)state;
    hr_log_set_fd(-1);
    errno = ENOENT;
    HR_LOG(HR_LOG_ERROR, "lost", HR_LOG_INT("n", 1));
    HR_LOG(HR_LOG_ERROR, "lost", HR_LOG_INT("n", 2));
    assert_int_equal(errno, ENOENT);
    hr_log_set_fd(writer);
    HR_LOG(HR_LOG_ERROR, "kept", HR_LOG_INT("n", 3));
    assert_two_lines("level=warn event=log.dropped lines=2\n", "level=error event=kept n=3\n");
    HR_LOG(HR_LOG_ERROR, "kept", HR_LOG_INT("n", 4));
    assert_string_equal(read_line() + TS_BYTES, "level=error event=kept n=4\n");
}

static void fill_pipe(void)
{
    char page[4096] = {0};
    int flags = fcntl(writer, F_GETFL);
    assert_return_code(fcntl(writer, F_SETFL, flags | O_NONBLOCK), errno);
    while (write(writer, page, sizeof page) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    assert_return_code(fcntl(writer, F_SETFL, flags), errno);
}

static void empty_pipe(void)
{
    char page[4096];
    assert_return_code(fcntl(reader, F_SETFL, O_NONBLOCK), errno);
    while (read(reader, page, sizeof page) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
}

/* Nobody waits for a reader that has stopped reading; when it goes on, so does the log. */
static void log_never_waits_for_its_reader(void **state)
{
    (void)state;
    fill_pipe();
    alarm(60); /* a write that waits would wait for ever */
    for (int i = 0; i < 3; i++) {
        HR_LOG(HR_LOG_INFO, "lost", HR_LOG_INT("n", i));
    }
    alarm(0);
    empty_pipe();
    HR_LOG(HR_LOG_INFO, "kept", HR_LOG_INT("n", 3));
    assert_two_lines("level=warn event=log.dropped lines=3\n", "level=info event=kept n=3\n");
}

#define THREADS 4
#define LINES 500
#define PIPE_BYTES (1 << 20) /* all of them find room, so that none is dropped */

static void *log_many(void *arg)
{
    const char *name = arg;
    char text[200];
    memset(text, name[0], sizeof text);
    for (int i = 0; i < LINES; i++) {
        HR_LOG(HR_LOG_INFO, name, HR_LOG_STR("text", hr_str_of(text, sizeof text)));
    }
    return NULL;
}

/* Lines of several threads come whole. */
static void log_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    assert_return_code(fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES), errno);
    pthread_t threads[THREADS];
    char names[THREADS][2] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    }
    FILE *in = fdopen(dup(reader), "r");
    char line[512];
    for (int count = 0; count < THREADS * LINES; count++) {
        assert_non_null(fgets(line, sizeof line, in));
        const char *event = strstr(line, " event=");
        assert_non_null(event);
        const char *text = strstr(line, " text=");
        assert_non_null(text);
        assert_int_equal(strspn(text + 6, (char[]){event[7], '\0'}), 200);
        assert_string_equal(text + 206, "\n");
    }
    fclose(in);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, pipe_setup, pipe_teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(log_writes_one_line_with_its_fields),
        CASE(log_quotes_what_needs_it),
        CASE(log_values_cannot_forge_a_line),
        CASE(log_cuts_long_lines),
        CASE(log_keeps_its_level),
        CASE(log_drops_what_cannot_be_written),
        CASE(log_never_waits_for_its_reader),
        CASE(log_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
