/* How each of a site's three processes is started. All are told their files by names relative to the site's folder,
 * so that nothing in the folder's own name needs quoting. */
#include "cli/clouds_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define LATTICE "clouds"
#define REDIS_TIMEOUT_MS 500
#define ENV_MAX 4096u
#define CONF_BYTES_MAX 8192u
/* A nats-server gives another one up that leaves so many pings unanswered. Those before 2.10 ping only while nothing else
 * passes, and both measure a round trip from the newest ping to the next answer: so the interval is longer than any
 * round trip, also on a busy machine. */
#define NATS_PING_S 2
#define NATS_PINGS_MAX 2
/* How much a nats-server's memory may grow, in hundredths, before it cleans up (Go's GOGC), unless the environment says it.
 * By itself it does so when it has doubled: several times a second while a site catches up, and each time it keeps a
 * processor for some milliseconds, which its neighbours' requests wait for (bench/README.md, recovery). */
#define NATS_GOGC "400"

/* ---- Programs ---- */

static bool runnable(const char *folder, size_t folder_len, const char *name, char *ret_path)
{
    char path[CLOUDS_FOLDER_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%.*s/%s", (int)folder_len, folder, name);
    if (len < 0 || (size_t)len >= sizeof path || access(path, X_OK) != 0) {
        return false;
    }
    memcpy(ret_path, path, (size_t)len + 1);
    return true;
}

/* What scripts/deps.sh built, for a program that lies in build/<preset>. */
static bool beside_ourselves(const char *name, char *ret_path)
{
    char self[CLOUDS_FOLDER_BYTES_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) {
        return false;
    }
    self[len] = '\0';
    for (size_t up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (!slash) {
            return false;
        }
        *slash = '\0';
    }
    char tools[CLOUDS_PATH_BYTES_MAX];
    snprintf(tools, sizeof tools, "%s/deps/tools-go/bin", self);
    return runnable(tools, strlen(tools), name, ret_path);
}

enum hr_err clouds_part_find_program(const char *name, char *ret_path, struct hr_diag *diag)
{
    if (strchr(name, '/')) {
        char *full = access(name, X_OK) == 0 ? realpath(name, NULL) : NULL;
        bool good = full && strlen(full) < CLOUDS_FOLDER_BYTES_MAX;
        if (good) {
            strcpy(ret_path, full);
        }
        free(full);
        return good ? HR_OK
                    : hr_diag_set(diag, HR_NOT_FOUND, "%s is no program that can be run", name);
    }
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at;) {
        size_t len = strcspn(at, ":");
        if (len > 0 && runnable(at, len, name, ret_path)) {
            return HR_OK;
        }
        at += len + (at[len] == ':');
    }
    /* Debian has servers where not everybody's PATH leads. */
    if (runnable("/usr/sbin", 9, name, ret_path) ||
        runnable("/usr/local/sbin", 15, name, ret_path) || beside_ourselves(name, ret_path)) {
        return HR_OK;
    }
    return hr_diag_set(
        diag, HR_NOT_FOUND,
        "%s is not installed: `make deps` in Hedgerow's tree brings it, or put it on "
        "PATH",
        name);
}

/* ---- Configuration ---- */

static enum hr_err write_file(const char *path, const struct hr_buf *text, struct hr_diag *diag)
{
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(text->ptr, 1, text->len, file) == text->len;
    good = file && fclose(file) == 0 && good;
    if (!good) {
        return hr_diag_set(diag, errno == ENOSPC ? HR_NO_SPACE : HR_IO, "write %s: %s", path,
                           strerror(errno));
    }
    return HR_OK;
}

/* One that dials has the proxies of its links as routes. All tell each other, and would tell clients, where else a
 * server can be reached: `advertise` names a port where nobody is, so that none finds a way around the proxies,
 * and `no_advertise` keeps a site's host with its own server. */
static enum hr_err nats_conf(const struct clouds_state *state, size_t site, struct hr_buf *conf)
{
    uint32_t base = state->base_port;
    enum hr_err err =
        hr_buf_printf(conf,
                      "server_name: %s\n"
                      "listen: \"127.0.0.1:%u\"\n"
                      "http: \"127.0.0.1:%u\"\n"
                      "ping_interval: \"%us\"\n"
                      "ping_max: %u\n"
                      "cluster {\n"
                      "  name: hedgerow-clouds\n"
                      "  listen: \"127.0.0.1:%u\"\n"
                      "  advertise: \"127.0.0.1:1\"\n"
                      "  no_advertise: true\n"
                      "  routes: [\n",
                      clouds_site_name(site), clouds_port_of(base, CLOUDS_PORT_NATS, site),
                      clouds_port_of(base, CLOUDS_PORT_MONITOR, site), NATS_PING_S, NATS_PINGS_MAX,
                      clouds_port_of(base, CLOUDS_PORT_ROUTES, site));
    for (size_t other = site + 1; !err && other < CLOUDS_SITES; other++) {
        err = hr_buf_printf(conf, "    \"nats://127.0.0.1:%u\" # %s\n",
                            clouds_port_link(base, clouds_link_of(site, other)),
                            clouds_site_name(other));
    }
    return err ? err : hr_buf_append(conf, HR_STR("  ]\n}\n"));
}

static enum hr_err redis_conf(const struct clouds_state *state, size_t site, struct hr_buf *conf)
{
    return hr_buf_printf(conf,
                         "bind 127.0.0.1\n"
                         "port %u\n"
                         "dir data\n"
                         "daemonize no\n"
                         "appendonly yes\n"
                         "appendfsync always\n"
                         "save \"\"\n"
                         "maxmemory-policy noeviction\n",
                         clouds_port_of(state->base_port, CLOUDS_PORT_REDIS, site));
}

/* ---- The host's environment ---- */

/* Those that tell one site from another, or say which there are; the other variables of HEDGEROW_* reach all hosts
 * as they are. */
static const char *const own_names[] = {
    "HEDGEROW_HTTP",    "HEDGEROW_ADMIN", "HEDGEROW_STORE",   "HEDGEROW_NATS", "HEDGEROW_SITE",
    "HEDGEROW_SITE_ID", "HEDGEROW_SITES", "HEDGEROW_LATTICE", "HEDGEROW_HOST",
};

static bool is_own(const char *entry)
{
    size_t len = strcspn(entry, "=");
    for (size_t i = 0; i < sizeof own_names / sizeof own_names[0]; i++) {
        if (strlen(own_names[i]) == len && memcmp(entry, own_names[i], len) == 0) {
            return true;
        }
    }
    return false;
}

#define HOST_ENTRIES 8u
struct host_env {
    char entries[HOST_ENTRIES][96];
    char *list[ENV_MAX + HOST_ENTRIES + 1];
};

/* All five, as each other's manifests name them. */
static void name_sites(char *entry, size_t bytes)
{
    size_t len = (size_t)snprintf(entry, bytes, "HEDGEROW_SITES=");
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        len += (size_t)snprintf(entry + len, bytes - len, "%s%s=%zu", site ? "," : "",
                                clouds_site_name(site), site + 1);
    }
}

static enum hr_err host_env(const struct clouds_state *state, size_t site, struct host_env *env)
{
    uint32_t base = state->base_port;
    size_t count = 0;
    for (char **entry = environ; *entry; entry++) {
        if (is_own(*entry)) {
            continue;
        }
        if (count == ENV_MAX) {
            return HR_TOO_BIG;
        }
        env->list[count++] = *entry;
    }
    size_t own = 0;
    const size_t bytes = sizeof env->entries[0];
    snprintf(env->entries[own++], bytes, "HEDGEROW_HTTP=127.0.0.1:%u",
             clouds_port_of(base, CLOUDS_PORT_HTTP, site));
    snprintf(env->entries[own++], bytes, "HEDGEROW_ADMIN=127.0.0.1:%u",
             clouds_port_of(base, CLOUDS_PORT_ADMIN, site));
    snprintf(env->entries[own++], bytes, "HEDGEROW_STORE=redis://127.0.0.1:%u",
             clouds_port_of(base, CLOUDS_PORT_REDIS, site));
    snprintf(env->entries[own++], bytes, "HEDGEROW_NATS=nats://127.0.0.1:%u",
             clouds_port_of(base, CLOUDS_PORT_NATS, site));
    snprintf(env->entries[own++], bytes, "HEDGEROW_SITE=%s", clouds_site_name(site));
    snprintf(env->entries[own++], bytes, "HEDGEROW_SITE_ID=%zu", site + 1);
    name_sites(env->entries[own++], bytes);
    snprintf(env->entries[own++], bytes, "HEDGEROW_LATTICE=" LATTICE);
    for (size_t i = 0; i < own; i++) {
        env->list[count++] = env->entries[i];
    }
    env->list[count] = NULL;
    return HR_OK;
}

/* ---- Starting ---- */

const char *clouds_part_log(const struct clouds_state *state, size_t site, enum clouds_part part,
                            char *path)
{
    static const char *const names[CLOUDS_PARTS] = {"host.log", "redis.log", "nats.log"};
    return clouds_state_path(state, site, names[part], path);
}

static enum hr_err start_server(const struct clouds_state *state, size_t site,
                                enum clouds_part part, struct clouds_spawn *spawn,
                                struct clouds_process *ret_process, struct hr_diag *diag)
{
    char program[CLOUDS_FOLDER_BYTES_MAX];
    char conf_path[CLOUDS_PATH_BYTES_MAX];
    struct hr_buf conf = {.max = CONF_BYTES_MAX};
    bool redis = part == CLOUDS_REDIS;
    char redis_args[2][16] = {"redis-server", "redis.conf"};
    char nats_args[3][16] = {"nats-server", "-c", "nats.conf"};
    char *redis_argv[] = {redis_args[0], redis_args[1], NULL};
    char *nats_argv[] = {nats_args[0], nats_args[1], nats_args[2], NULL};
    enum hr_err err = redis ? redis_conf(state, site, &conf) : nats_conf(state, site, &conf);
    if (err) {
        hr_diag_set(diag, err, "%s", hr_err_text(err));
    }
    clouds_state_path(state, site, redis ? "redis.conf" : "nats.conf", conf_path);
    err = err ? err : write_file(conf_path, &conf, diag);
    err =
        err ? err
            : clouds_part_find_program(redis ? "redis-server" : state->nats_server, program, diag);
    if (!err && !redis && setenv("GOGC", NATS_GOGC, 0) != 0) {
        err = hr_diag_set(diag, HR_NO_MEMORY, "out of memory");
    }
    if (!err) {
        spawn->program = program;
        spawn->argv = redis ? redis_argv : nats_argv;
        spawn->env = environ;
        err = clouds_process_spawn(spawn, ret_process, diag);
    }
    hr_buf_release(&conf);
    return err;
}

/* This very program: by its name, which is what `ps` shows, unless its file has been replaced since it began. */
static const char *own_program(char path[CLOUDS_FOLDER_BYTES_MAX])
{
    static const char self[] = "/proc/self/exe";
    ssize_t len = readlink(self, path, CLOUDS_FOLDER_BYTES_MAX - 1);
    if (len <= 0) {
        return self;
    }
    path[len] = '\0';
    return access(path, X_OK) == 0 ? path : self; /* "... (deleted)" is not there */
}

static enum hr_err start_host(const struct clouds_state *state, size_t site,
                              struct clouds_spawn *spawn, struct clouds_process *ret_process,
                              struct hr_diag *diag)
{
    char program[CLOUDS_FOLDER_BYTES_MAX];
    char args[2][16] = {"hedgerow", "up"};
    char *argv[] = {args[0], args[1], NULL};
    struct host_env *env = hr_alloc(sizeof *env);
    if (!env) {
        return hr_diag_set(diag, HR_NO_MEMORY, "out of memory");
    }
    enum hr_err err = host_env(state, site, env);
    if (err) {
        hr_diag_set(diag, err, "the environment has more than %u variables", ENV_MAX);
    } else {
        spawn->program = own_program(program);
        spawn->argv = argv;
        spawn->env = env->list;
        err = clouds_process_spawn(spawn, ret_process, diag);
    }
    hr_free(env);
    return err;
}

enum hr_err clouds_part_start(struct clouds_state *state, size_t site, enum clouds_part part,
                              struct hr_diag *diag)
{
    char folder[CLOUDS_PATH_BYTES_MAX];
    char log[CLOUDS_PATH_BYTES_MAX];
    struct clouds_process process = {0};
    clouds_state_path(state, CLOUDS_SITES, clouds_site_name(site), folder);
    struct clouds_spawn spawn = {.folder = folder, .log = clouds_part_log(state, site, part, log)};
    enum hr_err err = part == CLOUDS_HOST ? start_host(state, site, &spawn, &process, diag)
                                          : start_server(state, site, part, &spawn, &process, diag);
    if (err) {
        return hr_diag_prefix(diag, err, "%s %s", clouds_site_name(site), clouds_part_name(part));
    }
    state->parts[site][part] = process;
    return clouds_state_save(state, diag);
}

/* ---- Redis ---- */

/* Sends PING and waits for +PONG; one that still loads its data says otherwise. */
static bool ping(int fd)
{
    static const char question[] = "PING\r\n";
    char answer[8] = "";
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == sizeof question - 1 &&
           poll(&readable, 1, REDIS_TIMEOUT_MS) == 1 &&
           recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT) >= 5 &&
           memcmp(answer, "+PONG", 5) == 0;
}

bool clouds_part_redis_answers(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    /* On the loopback this does not wait, but when the listener's backlog is full. */
    struct timeval limit = {.tv_usec = REDIS_TIMEOUT_MS * 1000};
    bool answers = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
                   connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && ping(fd);
    close(fd);
    return answers;
}
