/* Detached processes, by way of posix_spawn, /proc and process descriptors. A process descriptor is opened first and
 * the start time compared then: from there on the number cannot change hands. */
#include "cli/clouds_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STAT_BYTES_MAX 1024u
#define STARTED_FIELD 22 /* of /proc/<pid>/stat, counted from 1; the state is number 3 */
#define WATCHED_MAX 32u

const char *clouds_life_name(enum clouds_life life)
{
    static const char *const names[] = {"down", "stopped", "up"};
    return names[life];
}

uint64_t clouds_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ---- What /proc says ---- */

/* The state letter and the start time; false when there is no such process. */
static bool read_stat(pid_t pid, char *ret_state, uint64_t *ret_started)
{
    char path[64];
    char text[STAT_BYTES_MAX];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    /* The program's name is in parentheses and may hold any byte: what follows the last one counts. */
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ') {
        return false;
    }
    at += 2;
    char state = *at;
    for (int field = 3; field < STARTED_FIELD; field++) {
        at = strchr(at, ' ');
        if (!at) {
            return false;
        }
        at++;
    }
    *ret_state = state;
    *ret_started = strtoull(at, NULL, 10);
    return true;
}

enum clouds_life clouds_process_life(struct clouds_process process)
{
    char state;
    uint64_t started;
    if (process.pid <= 0 || !read_stat(process.pid, &state, &started) ||
        started != process.started) {
        return CLOUDS_DOWN;
    }
    switch (state) {
    case 'Z':
    case 'X':
    case 'x':
        return CLOUDS_DOWN;
    case 'T':
    case 't':
        return CLOUDS_STOPPED;
    default:
        return CLOUDS_UP;
    }
}

/* ---- Starting ---- */

static int fill_actions(posix_spawn_file_actions_t *actions, const struct clouds_spawn *spawn)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    error = error ? error
                  : posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, spawn->log,
                                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    error = error ? error : posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    /* Also what we were given ourselves and know nothing of: make's pipes, a test runner's. */
    error = error ? error : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return error ? error : posix_spawn_file_actions_addchdir_np(actions, spawn->folder);
}

static int fill_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                         POSIX_SPAWN_SETSIGMASK);
    error = error ? error : posix_spawnattr_setsigdefault(attributes, &all);
    return error ? error : posix_spawnattr_setsigmask(attributes, &none);
}

enum hr_err clouds_process_spawn(const struct clouds_spawn *spawn,
                                 struct clouds_process *ret_process, struct hr_diag *diag)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    char state;
    uint64_t started;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) {
        return hr_diag_set(diag, HR_NO_MEMORY, "start %s: %s", spawn->program, strerror(error));
    }
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = fill_actions(&actions, spawn);
        error = error ? error : fill_attributes(&attributes);
        error = error ? error
                      : posix_spawn(&pid, spawn->program, &actions, &attributes, spawn->argv,
                                    spawn->env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (error) {
        return hr_diag_set(diag, error == ENOENT ? HR_NOT_FOUND : HR_IO, "start %s: %s",
                           spawn->program, strerror(error));
    }
    /* It is our child until we end: the number is its own at least until then, also when it has ended. */
    if (!read_stat(pid, &state, &started)) {
        return hr_diag_set(diag, HR_IO, "start %s: /proc does not tell of process %ld",
                           spawn->program, (long)pid);
    }
    *ret_process = (struct clouds_process){.pid = pid, .started = started};
    return HR_OK;
}

/* ---- Signals and ends ---- */

/* A descriptor of that very process, or -1 when it is down or cannot be had (errno). */
static int open_process(struct clouds_process process)
{
    if (process.pid <= 0) {
        errno = ESRCH;
        return -1;
    }
    int fd = pidfd_open(process.pid, 0);
    if (fd >= 0 && clouds_process_life(process) == CLOUDS_DOWN) {
        close(fd);
        errno = ESRCH;
        return -1;
    }
    return fd;
}

enum hr_err clouds_process_signal(struct clouds_process process, int sig)
{
    int fd = open_process(process);
    int result = fd < 0 ? -1 : pidfd_send_signal(fd, sig, NULL, 0);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (result == 0) {
        return HR_OK;
    }
    return error == ESRCH ? HR_NOT_FOUND : error == EPERM ? HR_DENIED : HR_IO;
}

static enum hr_err poll_for(struct pollfd *watched, size_t count, uint32_t timeout_ms)
{
    uint64_t end = clouds_now_ms() + timeout_ms;
    for (;;) {
        uint64_t now = clouds_now_ms();
        int left = now >= end ? 0 : (int)(end - now);
        int ready = poll(watched, (nfds_t)count, left);
        if (ready > 0) {
            return HR_OK;
        }
        if (ready == 0) {
            return HR_TIMEOUT;
        }
        if (errno != EINTR) {
            return HR_IO;
        }
    }
}

enum hr_err clouds_process_wait_any(const struct clouds_process *processes, size_t count,
                                    uint32_t timeout_ms)
{
    struct pollfd watched[WATCHED_MAX];
    size_t watched_count = 0;
    enum hr_err err = HR_OK;
    bool down = false;
    for (size_t i = 0; !err && !down && i < count; i++) {
        if (processes[i].pid == 0) {
            continue;
        }
        int fd = watched_count < WATCHED_MAX ? open_process(processes[i]) : -1;
        if (fd >= 0) {
            watched[watched_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        } else if (watched_count < WATCHED_MAX && errno == ESRCH) {
            down = true;
        } else {
            err = HR_IO;
        }
    }
    if (!err && !down) {
        err = poll_for(watched, watched_count, timeout_ms);
    }
    for (size_t i = 0; i < watched_count; i++) {
        close(watched[i].fd);
    }
    return err;
}

enum hr_err clouds_process_wait(struct clouds_process process, uint32_t timeout_ms)
{
    enum hr_err err = process.pid == 0 ? HR_OK : clouds_process_wait_any(&process, 1, timeout_ms);
    if (!err && process.pid > 0) {
        /* If it is our own child, this was its last trace; somebody else's is not ours to take away. */
        waitpid(process.pid, NULL, WNOHANG);
    }
    return err;
}
