/* links: hr_clouds
 * Detached processes: how they begin, how they are known, how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/clouds_process.h"

#define LIMIT_MS 10000u

static char folder[] = "/tmp/hedgerow-clouds-XXXXXX";
static char log_path[64];

static int begin(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(log_path);
    return rmdir(folder);
}

static enum hr_err spawn_shell(const char *script, struct clouds_process *ret_process,
                               struct hr_diag *diag)
{
    char text[256];
    char args[2][8] = {"sh", "-c"};
    char *argv[] = {args[0], args[1], text, NULL};
    snprintf(text, sizeof text, "%s", script);
    struct clouds_spawn spawn = {
        .program = "/bin/sh", .argv = argv, .env = environ, .folder = folder, .log = log_path};
    return clouds_process_spawn(&spawn, ret_process, diag);
}

static void read_log(char text[1024])
{
    FILE *file = fopen(log_path, "r");
    assert_non_null(file);
    text[fread(text, 1, 1023, file)] = '\0';
    fclose(file);
}

/* A process has no open file of ours, runs in its folder and its own session, and both of its outputs are appended to
 * the log. */
static void process_inherits_nothing(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_process process;
    char text[1024];
    char want[1024];
    int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
    assert_true(leaky >= 0);
    assert_int_equal(spawn_shell("echo before", &process, &diag), HR_OK);
    assert_int_equal(clouds_process_wait(process, LIMIT_MS), HR_OK);
    assert_int_equal(
        spawn_shell("ls -1 /proc/self/fd | wc -l; pwd; cut -d ' ' -f 6 /proc/$$/stat >&2; "
                    "readlink /proc/self/fd/0",
                    &process, &diag),
        HR_OK);
    assert_int_equal(clouds_process_wait(process, LIMIT_MS), HR_OK);
    close(leaky);
    read_log(text);
    /* ls itself has the folder open: 0 to 3. */
    snprintf(want, sizeof want, "before\n4\n%s\n%ld\n/dev/null\n", folder, (long)process.pid);
    assert_string_equal(text, want);
}

/* Signals that we ignore or block are not ignored or blocked there. */
static void process_has_default_signals(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_process process;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &term, NULL), 0);
    signal(SIGTERM, SIG_IGN);
    assert_int_equal(spawn_shell("exec sleep 1000", &process, &diag), HR_OK);
    signal(SIGTERM, SIG_DFL);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &term, NULL), 0);
    assert_int_equal(clouds_process_life(process), CLOUDS_UP);
    assert_int_equal(clouds_process_signal(process, SIGTERM), HR_OK);
    assert_int_equal(clouds_process_wait(process, LIMIT_MS), HR_OK);
}

static void await_life(struct clouds_process process, enum clouds_life life)
{
    uint64_t limit = clouds_now_ms() + LIMIT_MS;
    while (clouds_process_life(process) != life) {
        assert_true(clouds_now_ms() < limit);
    }
}

/* Up, stopped, up again, down; and down before its parent has taken note. */
static void process_tells_its_life(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_process process;
    assert_int_equal(spawn_shell("exec sleep 1000", &process, &diag), HR_OK);
    assert_int_equal(clouds_process_life(process), CLOUDS_UP);
    assert_int_equal(clouds_process_wait_any(&process, 1, 1), HR_TIMEOUT);
    assert_int_equal(clouds_process_signal(process, SIGSTOP), HR_OK);
    await_life(process, CLOUDS_STOPPED);
    assert_int_equal(clouds_process_signal(process, SIGCONT), HR_OK);
    await_life(process, CLOUDS_UP);
    assert_int_equal(clouds_process_signal(process, SIGKILL), HR_OK);
    assert_int_equal(clouds_process_wait_any(&process, 1, LIMIT_MS), HR_OK);
    assert_int_equal(clouds_process_life(process), CLOUDS_DOWN);
    assert_int_equal(clouds_process_signal(process, SIGKILL), HR_NOT_FOUND);
    assert_int_equal(waitpid(process.pid, NULL, 0), process.pid);
    assert_int_equal(clouds_process_life(process), CLOUDS_DOWN);
    assert_int_equal(clouds_process_wait(process, 0), HR_OK);
}

/* A number that belongs to another process by now counts as down and is sent nothing. */
static void process_knows_a_recycled_number(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_process process;
    assert_int_equal(spawn_shell("exec sleep 1000", &process, &diag), HR_OK);
    struct clouds_process earlier = process;
    earlier.started--;
    assert_int_equal(clouds_process_life(earlier), CLOUDS_DOWN);
    assert_int_equal(clouds_process_signal(earlier, SIGKILL), HR_NOT_FOUND);
    assert_int_equal(clouds_process_wait(earlier, 0), HR_OK);
    assert_int_equal(clouds_process_life(process), CLOUDS_UP);
    assert_int_equal(clouds_process_signal(process, SIGKILL), HR_OK);
    assert_int_equal(clouds_process_wait(process, LIMIT_MS), HR_OK);
}

/* No process is down, and there is nothing to wait for. */
static void process_none_is_down(void **state)
{
    (void)state;
    struct clouds_process none = {0};
    assert_int_equal(clouds_process_life(none), CLOUDS_DOWN);
    assert_int_equal(clouds_process_signal(none, SIGKILL), HR_NOT_FOUND);
    assert_int_equal(clouds_process_wait(none, LIMIT_MS), HR_OK);
    assert_int_equal(clouds_process_wait_any(&none, 1, 1), HR_TIMEOUT);
}

/* A program that is not there is told at once. */
static void process_spawn_fails_clearly(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_process process = {.pid = 7};
    char name[] = "none";
    char *argv[] = {name, NULL};
    struct clouds_spawn spawn = {.program = "/nowhere/none",
                                 .argv = argv,
                                 .env = environ,
                                 .folder = folder,
                                 .log = log_path};
    assert_int_equal(clouds_process_spawn(&spawn, &process, &diag), HR_NOT_FOUND);
    assert_string_equal(diag.text, "start /nowhere/none: No such file or directory");
    assert_int_equal(process.pid, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(process_inherits_nothing, begin, end),
        cmocka_unit_test_setup_teardown(process_has_default_signals, begin, end),
        cmocka_unit_test_setup_teardown(process_tells_its_life, begin, end),
        cmocka_unit_test_setup_teardown(process_knows_a_recycled_number, begin, end),
        cmocka_unit_test_setup_teardown(process_none_is_down, begin, end),
        cmocka_unit_test_setup_teardown(process_spawn_fails_clearly, begin, end),
    };
    return cmocka_run_group_tests_name("clouds_process", tests, NULL, NULL);
}
