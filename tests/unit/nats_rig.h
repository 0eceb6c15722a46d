/* A nats-server of a test's own: on a port that the system chooses, ended by its process id, and by the
 * system when the test dies. */
#ifndef HR_TEST_NATS_RIG_H
#define HR_TEST_NATS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#define NATS_RIG_WAIT_MS 30000

struct nats_server {
    pid_t pid;
    int port;
    char dir[64]; /* its ports file, configuration, log */
    char url[64];
};

/* Waits until @condition holds; the pause only keeps the processor free. */
#define NATS_RIG_AWAIT(condition)               \
    do {                                        \
        int left_ms = NATS_RIG_WAIT_MS;         \
        while (!(condition) && left_ms-- > 0) { \
            uv_sleep(1);                        \
        }                                       \
        assert_true(left_ms > 0);               \
    } while (0)

static inline const char *nats_rig_program(void)
{
    const char *program = getenv("HEDGEROW_TEST_NATS_SERVER");
    return program && program[0] ? program : "nats-server";
}

static inline void nats_rig_path(const struct nats_server *server, const char *name, char *ret_path,
                                 size_t size)
{
    snprintf(ret_path, size, "%s/%s", server->dir, name);
}

static inline void nats_rig_write(const struct nats_server *server, const char *name,
                                  const char *text)
{
    char path[128];
    nats_rig_path(server, name, path, sizeof path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The port that the server has written down, or 0. */
static inline int nats_rig_port(const struct nats_server *server)
{
    char path[160];
    char text[512];
    snprintf(path, sizeof path, "%s/%s_%d.ports", server->dir, "nats-server", (int)server->pid);
    FILE *file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strstr(text, "127.0.0.1:");
    return at ? atoi(at + strlen("127.0.0.1:")) : 0;
}

/* Starts it, on @server->port if that is not 0; the configuration is its file `conf`, if there is one. */
static inline void nats_rig_start(struct nats_server *server)
{
    char conf[128];
    char log[128];
    char port[16];
    snprintf(port, sizeof port, "%d", server->port ? server->port : -1);
    nats_rig_path(server, "conf", conf, sizeof conf);
    nats_rig_path(server, "log", log, sizeof log);
    bool has_conf = access(conf, R_OK) == 0;
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const char *argv[] = {nats_rig_program(), "-a",        "127.0.0.1", "-p", port, "-l", log,
                              "--ports_file_dir", server->dir, "-c",        conf, NULL};
        if (!has_conf) {
            argv[9] = NULL;
        }
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    int found = 0;
    NATS_RIG_AWAIT((found = nats_rig_port(server)) != 0);
    server->port = found;
    snprintf(server->url, sizeof server->url, "nats://127.0.0.1:%d", found);
}

/* A folder for @server, which is not started. */
static inline void nats_rig_init(struct nats_server *server)
{
    memset(server, 0, sizeof *server);
    snprintf(server->dir, sizeof server->dir, "/tmp/hedgerow-nats-XXXXXX");
    assert_non_null(mkdtemp(server->dir));
}

static inline void nats_rig_stop(struct nats_server *server)
{
    char path[160];
    if (server->pid <= 0) {
        return;
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    snprintf(path, sizeof path, "%s/nats-server_%d.ports", server->dir, (int)server->pid);
    unlink(path);
    server->pid = 0;
}

/* Stops it and removes its folder. */
static inline void nats_rig_release(struct nats_server *server)
{
    char command[128];
    nats_rig_stop(server);
    if (server->dir[0]) {
        snprintf(command, sizeof command, "rm -rf '%s'", server->dir);
        assert_int_equal(system(command), 0);
    }
}

/* Whether there is one to start; a test says so when it is skipped. */
static inline bool nats_rig_is_there(void)
{
    char command[512];
    snprintf(command, sizeof command, "command -v '%s' >/dev/null", nats_rig_program());
    return system(command) == 0;
}

#endif
