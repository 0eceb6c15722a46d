/* Real Redis servers for tests: each on a free port of the loopback, with a folder of its own, stopped
 * by its process id. Waits are for conditions, with a limit. */
#ifndef REDIS_RIG_H
#define REDIS_RIG_H

#include "tests/unit/kv_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SERVER_WAIT_NS 30000000000u
#define SERVER_ARGS_MAX 24

struct server {
    char folder[256];
    uint16_t port;
    pid_t pid; /* 0: does not run */
    bool stopped;
    const char *args[SERVER_ARGS_MAX]; /* what it is started with besides port and folder */
};

#define SERVER_SYNC "--appendonly", "yes", "--appendfsync", "always"
#define SERVER_LAZY "--appendonly", "yes", "--appendfsync", "everysec"

static inline uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Until @until_ns, now and then: a wait's next look. */
static inline void breathe(uint64_t until_ns, const char *what)
{
    if (hr_now_ns() > until_ns) {
        fail_msg("waited too long for %s", what);
    }
    struct timespec moment = {.tv_nsec = 2000000};
    nanosleep(&moment, NULL);
}

/* Starts the process on server->port and waits until it serves. False: it has ended (the port was taken). */
static inline bool server_try_start(struct server *server)
{
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves no server behind */
        char port[8];
        const char *argv[SERVER_ARGS_MAX + 16] = {
            "redis-server", "--port",       port,     "--bind", "127.0.0.1",
            "--dir",        server->folder, "--save", "",       "--logfile",
            "server.log",   "--daemonize",  "no"};
        size_t count = 13;
        snprintf(port, sizeof port, "%u", server->port);
        for (size_t i = 0; server->args[i]; i++) {
            argv[count++] = server->args[i];
        }
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
    for (;;) {
        redisContext *c = redisConnect("127.0.0.1", server->port);
        redisReply *reply = c && !c->err ? redisCommand(c, "PING") : NULL;
        bool serves = reply && (reply->type == REDIS_REPLY_STATUS || strstr(reply->str, "NOAUTH"));
        if (reply) {
            freeReplyObject(reply);
        }
        if (c) {
            redisFree(c);
        }
        if (serves) {
            return true;
        }
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        breathe(until_ns, "redis-server to serve");
    }
}

#define server_start(server, ...) \
    server_start_with((server), (const char *const[]){__VA_ARGS__, NULL})
static inline void server_start_with(struct server *server, const char *const *args)
{
    *server = (struct server){0};
    signal(SIGPIPE, SIG_IGN); /* as the host does */
    folder_make(server->folder, sizeof server->folder);
    for (size_t i = 0; args[i]; i++) {
        assert_true(i + 1 < SERVER_ARGS_MAX);
        server->args[i] = args[i];
    }
    for (int i = 0; i < 10; i++) {
        server->port = free_port();
        if (server_try_start(server)) {
            return;
        }
    }
    fail_msg("redis-server does not start; is it installed? See %s/server.log", server->folder);
}

static inline void server_restart(struct server *server)
{
    assert_int_equal(server->pid, 0);
    assert_true(server_try_start(server));
}

/* Ends it by @signal and waits for its end. */
static inline void server_end(struct server *server, int number)
{
    if (server->pid > 0) {
        kill(server->pid, number);
        if (server->stopped) {
            kill(server->pid, SIGCONT);
        }
        assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    }
    server->pid = 0;
    server->stopped = false;
}

static inline void server_freeze(struct server *server)
{
    kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, NULL, WUNTRACED), server->pid);
    server->stopped = true;
}

static inline void server_thaw(struct server *server)
{
    kill(server->pid, SIGCONT);
    server->stopped = false;
}

static inline void server_drop(struct server *server)
{
    server_end(server, SIGKILL);
    folder_remove(server->folder);
}

/* Asks the server one thing, which must not be refused; the answer as text. */
static inline void server_ask(struct server *server, char *to, size_t size, const char *format, ...)
{
    va_list args;
    redisContext *c = redisConnect("127.0.0.1", server->port);
    assert_true(c && !c->err);
    va_start(args, format);
    redisReply *reply = redisvCommand(c, format, args);
    va_end(args);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", format, reply->str);
    }
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(to, size, "%lld", reply->integer);
    } else {
        snprintf(to, size, "%s", reply->str ? reply->str : "");
    }
    freeReplyObject(reply);
    redisFree(c);
}

static inline void server_tell(struct server *server, const char *command)
{
    char answer[16];
    server_ask(server, answer, sizeof answer, command);
}

/* --- a server for each case ------------------------------------------------------------------------------- */

#define PLACE_URL_MAX 256

struct place {
    struct server server;
    char url[PLACE_URL_MAX];
    struct rig rig;
};

/* A case's setup: a server with @args, and a store of it. @waits: the URL's settings. */
static inline int place_open(void **state, const char *const *args, const char *waits,
                             enum hr_kv_durability durability)
{
    struct place *place = calloc(1, sizeof *place);
    server_start_with(&place->server, args);
    snprintf(place->url, sizeof place->url, "redis://127.0.0.1:%u/0?%s", place->server.port, waits);
    rig_open_as(&place->rig, place->url, durability);
    *state = place;
    return 0;
}

/* Its teardown. */
static inline int place_close(void **state)
{
    struct place *place = *state;
    rig_close(&place->rig);
    server_drop(&place->server);
    free(place);
    return 0;
}

#endif
