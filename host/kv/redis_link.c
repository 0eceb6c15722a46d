/* One port's connection: made, greeted, lost, and made again after a jittered back-off, for ever.
 *
 * The greeting, before anything of the port's is sent: AUTH, SELECT, CLIENT ID and INFO server; then
 * SCRIPT LOAD for each script, and CLIENT KILL for the connection before this one if the server's process is
 * still the same; and if it is another one that may have lost something, the inquiry after that (redis_recent.c). The kill makes an end of what a stopped server may still have of ours in its
 * buffers: a commit whose outcome is unknown has been done by then or never will be, and none is
 * overtaken by one that was sent later. It may be forbidden, and so may the inquiry; all else must be answered well.
 *
 * hiredis frees a connection itself when it breaks: it calls back for all that was sent, without a
 * reply, and `cleanup`, in an order that its versions do not share. Everything that ends a connection
 * comes through there; what follows waits for the handle to be closed, which is later than both. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/redis_impl.h"

#define LINK(state) (1u << HR_KV_REDIS_LINK_##state)

static void x_move(struct hr_kv_redis_port *port, enum hr_kv_redis_link_state to)
{
    static const unsigned allowed[] = {
        [HR_KV_REDIS_LINK_DOWN] = LINK(RESOLVING) | LINK(GREETING) | LINK(CLOSED),
        [HR_KV_REDIS_LINK_RESOLVING] = LINK(DOWN) | LINK(GREETING) | LINK(CLOSED),
        [HR_KV_REDIS_LINK_GREETING] = LINK(DOWN) | LINK(READY) | LINK(CLOSED),
        [HR_KV_REDIS_LINK_READY] = LINK(DOWN) | LINK(CLOSED),
        [HR_KV_REDIS_LINK_CLOSED] = 0,
    };
    HR_ASSERT(allowed[port->link] & (1u << to));
    port->link = to;
    bool has_conn = to == HR_KV_REDIS_LINK_GREETING || to == HR_KV_REDIS_LINK_READY;
    HR_ASSERT(has_conn == (port->conn != NULL));
}

static struct hr_kv_redis *store_of(const struct hr_kv_redis_port *port)
{
    return (struct hr_kv_redis *)port->base.kv; /* its first member */
}

__attribute__((format(printf, 2, 3))) static void note(struct hr_kv_redis_port *port,
                                                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(port->trouble, sizeof port->trouble, fmt, args);
    va_end(args);
}

uint64_t hr_kv_redis_link_written(const struct hr_kv_redis_conn *conn, const redisAsyncContext *ac)
{
    return conn->given - sdslen(ac->c.obuf);
}

/* Not for secrets: how long apart hosts come back is not to be the same for all of them. */
static uint32_t jitter(uint32_t below)
{
    uint64_t x = hr_now_ns() * 0x9e3779b97f4a7c15u;
    return (uint32_t)((x >> 33) % below);
}

static void wait_and_retry(struct hr_kv_redis_port *port)
{
    port->failures++;
    uint32_t wait_ms = port->backoff_ms - jitter(port->backoff_ms / 2 + 1);
    port->backoff_ms = port->backoff_ms * 2 > HR_KV_REDIS_BACKOFF_MS_MAX
                           ? HR_KV_REDIS_BACKOFF_MS_MAX
                           : port->backoff_ms * 2;
    hr_loop_timer_start(port->base.loop, &port->link_timer, wait_ms);
}

/* ---- the handle ---- */

static void on_conn_closed(uv_handle_t *handle)
{
    struct hr_kv_redis_conn *conn = handle->data;
    struct hr_kv_redis_port *port = conn->port;
    bool lost = conn->lost && port->link == HR_KV_REDIS_LINK_DOWN;
    hr_free(conn);
    port->open_handles--;
    if (lost) {
        hr_kv_redis_queue_lost(port);
        wait_and_retry(port);
    }
    hr_kv_redis_port_settle(port);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct hr_kv_redis_conn *conn = handle->data;
    struct hr_kv_redis_port *port = conn->port;
    if (status < 0) { /* libuv polls no more: reading finds out what it is */
        events = UV_READABLE;
    }
    if (!conn->gone && (events & UV_READABLE)) {
        port->heard_ns = hr_now_ns();
        redisAsyncHandleRead(conn->ac);
    }
    if (!conn->gone && (events & UV_WRITABLE)) {
        redisAsyncHandleWrite(conn->ac);
    }
    if (conn->gone) {
        return;
    }
    const redisReader *reader = conn->ac->c.reader;
    if (status < 0) {
        hr_kv_redis_link_drop(port, "%s", uv_strerror(status));
    } else if (reader->len - reader->pos > HR_KV_REDIS_REPLY_BYTES_MAX) {
        hr_kv_redis_link_drop(port, "a reply of more than %zu bytes",
                              (size_t)HR_KV_REDIS_REPLY_BYTES_MAX);
    } else if (port->link == HR_KV_REDIS_LINK_READY) {
        hr_kv_redis_flush(port);
    }
}

/* hiredis asks for the same events again with every command and every reply, and for writing where a flush writes
 * at once; each uv_poll_start is two system calls. */
static void watch(struct hr_kv_redis_conn *conn)
{
    if (conn->gone || conn->flushing || conn->events == conn->watched) {
        return;
    }
    conn->watched = conn->events;
    if (conn->events == 0) {
        uv_poll_stop(&conn->poll);
        return;
    }
    int rc = uv_poll_start(&conn->poll, conn->events, on_poll);
    HR_ASSERT(rc == 0); /* fails for a handle that is closed, or events that are none */
}

static void add(struct hr_kv_redis_conn *conn, int event)
{
    conn->events |= event;
    watch(conn);
}

static void del(struct hr_kv_redis_conn *conn, int event)
{
    conn->events &= ~event;
    watch(conn);
}

static void add_read(void *arg)
{
    add(arg, UV_READABLE);
}

static void del_read(void *arg)
{
    del(arg, UV_READABLE);
}

static void add_write(void *arg)
{
    add(arg, UV_WRITABLE);
}

static void del_write(void *arg)
{
    del(arg, UV_WRITABLE);
}

void hr_kv_redis_link_flush(struct hr_kv_redis_conn *conn, bool begins)
{
    conn->flushing = begins;
    watch(conn);
}

/* The connection is over; hiredis closes the socket after this, and calls it once. */
static void cleanup(void *arg)
{
    struct hr_kv_redis_conn *conn = arg;
    struct hr_kv_redis_port *port = conn->port;
    if (conn->ac->err) {
        note(port, "%s", conn->ac->errstr);
    }
    conn->gone = true;
    uv_close((uv_handle_t *)&conn->poll, on_conn_closed);
    if (port->conn != conn) {
        return; /* let go before */
    }
    conn->lost = true;
    port->conn = NULL;
    port->old_client_id = port->client_id ? port->client_id : port->old_client_id;
    port->client_id = 0;
    port->greetings = 0;
    hr_kv_redis_inquiry_break(port);
    if (port->link == HR_KV_REDIS_LINK_READY) {
        port->down_ns = hr_now_ns();
    }
    hr_loop_timer_stop(port->base.loop, &port->link_timer);
    x_move(port, HR_KV_REDIS_LINK_DOWN);
}

/* ---- the greeting ---- */

static void greet(struct hr_kv_redis_port *port, redisCallbackFn *fn, const struct hr_str *words,
                  size_t count)
{
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_conn *conn = port->conn;
    hr_kv_redis_write_words(&writer, words, count);
    char *command = hr_alloc(writer.len);
    if (!command) {
        hr_kv_redis_link_drop(port, "no memory for the greeting");
        return;
    }
    writer = (struct hr_kv_redis_writer){.to = command};
    hr_kv_redis_write_words(&writer, words, count);
    if (redisAsyncFormattedCommand(conn->ac, fn, conn, command, writer.len) == REDIS_OK) {
        conn->given += writer.len;
        conn->guard.expected++;
        port->greetings++;
    }
    hr_free(command);
}

static void on_greeted_well(struct hr_kv_redis_port *port)
{
    hr_kv_redis_inquiry_end(port, true);
    hr_loop_timer_stop(port->base.loop, &port->link_timer);
    x_move(port, HR_KV_REDIS_LINK_READY);
    port->backoff_ms = HR_KV_REDIS_BACKOFF_MS_MIN;
    port->failures = 0;
    port->old_client_id = 0;
    hr_kv_redis_queue_ready(port);
}

static void inquire(struct hr_kv_redis_port *port);

/* Counts an answer of the greeting. NULL: it broke off, which is dealt with elsewhere. */
static struct hr_kv_redis_port *greeted(void *arg, const redisReply *reply)
{
    struct hr_kv_redis_conn *conn = arg;
    conn->guard.expected--;
    if (!reply || conn->port->conn != conn) {
        return NULL;
    }
    HR_ASSERT(conn->port->greetings > 0);
    conn->port->greetings--;
    return conn->port;
}

/* An answer that only has to be no error; the last one ends the greeting, or a reload. */
static void on_greeting(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    struct hr_kv_redis_port *port = greeted(arg, reply);
    if (!port) {
        return;
    }
    const redisReply *answer = reply;
    if (answer->type == REDIS_REPLY_ERROR) {
        hr_kv_redis_link_drop(port, "%s", answer->str);
    } else if (port->greetings == 0 && port->link == HR_KV_REDIS_LINK_GREETING) {
        inquire(port);
    } else if (port->greetings == 0) {
        hr_loop_timer_stop(port->base.loop, &port->link_timer);
        hr_kv_redis_queue_ready(port);
    }
}

static void on_absent(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    struct hr_kv_redis_port *port = greeted(arg, reply);
    if (!port) {
        return;
    }
    const redisReply *answer = reply;
    bool loading = answer->type == REDIS_REPLY_ERROR &&
                   hr_kv_redis_refusal(hr_kv_redis_text(answer)) == HR_BUSY;
    if (loading) {
        hr_kv_redis_link_drop(port, "%s", answer->str); /* it is asked once it can answer */
        return;
    }
    if (!hr_kv_redis_inquiry_answer(port, answer)) {
        hr_kv_redis_inquiry_end(port, false);
    }
    inquire(port);
}

/* The end of the greeting: what is lost of what is remembered, part by part, each with the time of a greeting. */
static void inquire(struct hr_kv_redis_port *port)
{
    size_t count;
    struct hr_str *words = NULL;
    if (port->inquiry.upto < port->inquiry.count) {
        words = hr_alloc_array(HR_KV_REDIS_INQUIRY_WORDS_MAX, sizeof *words);
        if (!words) {
            hr_kv_redis_inquiry_end(port, false);
        }
    }
    if (!words || !hr_kv_redis_inquiry_next(port, words, &count)) {
        on_greeted_well(port);
    } else {
        hr_loop_timer_start(port->base.loop, &port->link_timer, store_of(port)->url.answer_ms);
        greet(port, on_absent, words, count);
    }
    hr_free(words);
}

/* An answer that may be an error too. It is never the last one. */
static void on_killed(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    HR_IGNORE(greeted(arg, reply) == NULL); /* counting it is all */
}

static void on_client_id(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    struct hr_kv_redis_port *port = greeted(arg, reply);
    const redisReply *answer = reply;
    if (port && answer->type == REDIS_REPLY_INTEGER) {
        port->client_id = answer->integer;
    }
}

static void load_scripts(struct hr_kv_redis_port *port)
{
    for (int i = 0; i < HR_KV_REDIS_SCRIPT_COUNT && port->conn; i++) {
        const struct hr_str load[] = {HR_STR("SCRIPT"), HR_STR("LOAD"),
                                      hr_kv_redis_script_text((enum hr_kv_redis_script)i)};
        greet(port, on_greeting, load, 3);
    }
}

/* What the server's process being another one means. */
static void note_process(struct hr_kv_redis_port *port, struct hr_str run_id)
{
    struct hr_kv_redis *kv = store_of(port);
    if (!hr_kv_redis_run_id_eq(&port->run_id, run_id)) {
        port->old_client_id = 0; /* its number may be another client's now */
        hr_kv_redis_run_id_set(&port->run_id, run_id);
    }
    uv_mutex_lock(&kv->lock);
    if (!hr_kv_redis_run_id_eq(&kv->run_id, run_id)) {
        hr_kv_redis_run_id_set(&kv->run_id, run_id);
        hr_kv_redis_recent_judge(kv);
        atomic_fetch_add(&kv->base.losses, kv->keeps_all ? 0 : 1);
    }
    uv_mutex_unlock(&kv->lock);
}

/* The last answer of the greeting's first half. */
static void on_info(redisAsyncContext *ac, void *reply, void *arg)
{
    (void)ac;
    struct hr_kv_redis_port *port = greeted(arg, reply);
    if (!port) {
        return;
    }
    const redisReply *answer = reply;
    struct hr_str run_id = hr_kv_redis_info(hr_kv_redis_text(answer), "run_id");
    if (answer->type == REDIS_REPLY_ERROR || run_id.len == 0) {
        hr_kv_redis_link_drop(port, "%s",
                              answer->type == REDIS_REPLY_ERROR
                                  ? answer->str
                                  : "it does not say which process it is");
        return;
    }
    note_process(port, run_id);
    hr_kv_redis_inquiry_begin(port);
    if (port->old_client_id) {
        char number[24];
        snprintf(number, sizeof number, "%lld", port->old_client_id);
        const struct hr_str kill[] = {HR_STR("CLIENT"), HR_STR("KILL"), HR_STR("ID"),
                                      hr_str_c(number)};
        greet(port, on_killed, kill, 4);
    }
    load_scripts(port);
}

static void greet_server(struct hr_kv_redis_port *port)
{
    const struct hr_kv_redis_url *url = &store_of(port)->url;
    if (url->user[0] || url->password[0]) {
        const struct hr_str auth[] = {HR_STR("AUTH"),
                                      hr_str_c(url->user[0] ? url->user : "default"),
                                      hr_str_c(url->password)};
        greet(port, on_greeting, auth, 3);
    }
    if (url->database != 0 && port->conn) {
        char number[24];
        snprintf(number, sizeof number, "%u", url->database);
        const struct hr_str select[] = {HR_STR("SELECT"), hr_str_c(number)};
        greet(port, on_greeting, select, 2);
    }
    const struct hr_str id[] = {HR_STR("CLIENT"), HR_STR("ID")};
    if (port->conn) {
        greet(port, on_client_id, id, 2);
    }
    const struct hr_str info[] = {HR_STR("INFO"), HR_STR("server")};
    if (port->conn) {
        greet(port, on_info, info, 2);
    }
}

/* ---- connecting ---- */

/* No connection came about. */
__attribute__((format(printf, 2, 3))) static void not_connected(struct hr_kv_redis_port *port,
                                                                const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(port->trouble, sizeof port->trouble, fmt, args);
    va_end(args);
    if (port->link != HR_KV_REDIS_LINK_DOWN) {
        x_move(port, HR_KV_REDIS_LINK_DOWN);
    }
    wait_and_retry(port);
}

static void attach(struct hr_kv_redis_conn *conn, redisAsyncContext *ac)
{
    conn->ac = ac;
    ac->ev.data = conn;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    hr_hiredis_guard(&conn->guard, ac->c.reader, HR_KV_REDIS_REPLY_ITEMS_MAX);
    int on = 1; /* without it an answer may wait for the next command; it works all the same */
    HR_IGNORE(setsockopt(ac->c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

static void connect_to(struct hr_kv_redis_port *port, const char *address)
{
    const struct hr_kv_redis_url *url = &store_of(port)->url;
    struct hr_kv_redis_conn *conn = hr_alloc(sizeof *conn);
    if (!conn) {
        not_connected(port, "no memory for a connection");
        return;
    }
    redisAsyncContext *ac = redisAsyncConnect(address, url->port);
    if (!ac || ac->err) {
        not_connected(port, "%s", ac ? ac->errstr : "no memory for a connection");
        goto no_connection;
    }
    int rc = uv_poll_init(&port->base.loop->uv, &conn->poll, ac->c.fd);
    if (rc) {
        not_connected(port, "%s", uv_strerror(rc));
        goto no_connection;
    }
    conn->port = port;
    conn->poll.data = conn;
    attach(conn, ac);
    port->open_handles++;
    port->conn = conn;
    x_move(port, HR_KV_REDIS_LINK_GREETING);
    hr_loop_timer_start(port->base.loop, &port->link_timer, url->answer_ms);
    struct hr_diag diag;
    if (url->tls && hr_hiredis_secure(&ac->c, url->host, &diag) != HR_OK) {
        hr_kv_redis_link_drop(port, "%s", diag.text);
        return;
    }
    greet_server(port);
    return;
no_connection:
    if (ac) {
        redisAsyncFree(ac);
    }
    hr_free(conn);
}

/* One of the addresses, another one after each failure; as text, which hiredis wants. */
static int pick_address(const struct addrinfo *found, uint32_t turn, char *to, socklen_t size)
{
    uint32_t count = 0;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        count++;
    }
    for (uint32_t skip = turn % count; skip > 0; skip--) {
        found = found->ai_next;
    }
    int rc = getnameinfo(found->ai_addr, found->ai_addrlen, to, size, NULL, 0, NI_NUMERICHOST);
    return rc == 0 ? 0 : UV_EAI_FAIL;
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct hr_kv_redis_port *port = lookup->data;
    port->open_handles--;
    char address[64] = "";
    if (status == 0) {
        status = pick_address(found, port->failures, address, sizeof address);
    }
    uv_freeaddrinfo(found);
    if (port->link != HR_KV_REDIS_LINK_RESOLVING) {
        hr_kv_redis_port_settle(port); /* it closes */
    } else if (status) {
        not_connected(port, "%s", uv_strerror(status));
    } else {
        connect_to(port, address);
    }
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return uv_inet_pton(AF_INET, host, &address) == 0 ||
           uv_inet_pton(AF_INET6, host, &address) == 0;
}

static void connect_anew(struct hr_kv_redis_port *port)
{
    const struct hr_kv_redis_url *url = &store_of(port)->url;
    if (is_address(url->host)) {
        connect_to(port, url->host);
        return;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    port->lookup.data = port;
    int rc =
        uv_getaddrinfo(&port->base.loop->uv, &port->lookup, on_looked_up, url->host, NULL, &hints);
    if (rc) {
        not_connected(port, "%s", uv_strerror(rc));
        return;
    }
    port->open_handles++;
    x_move(port, HR_KV_REDIS_LINK_RESOLVING);
}

static void on_link_timer(void *arg)
{
    struct hr_kv_redis_port *port = arg;
    if (port->link == HR_KV_REDIS_LINK_DOWN) {
        connect_anew(port);
    } else if (port->conn && port->greetings > 0) {
        hr_kv_redis_link_drop(port, "no answer within %u ms", store_of(port)->url.answer_ms);
    }
}

void hr_kv_redis_link_start(struct hr_kv_redis_port *port)
{
    port->link = HR_KV_REDIS_LINK_DOWN;
    port->backoff_ms = HR_KV_REDIS_BACKOFF_MS_MIN;
    port->down_ns = hr_now_ns();
    note(port, "connecting");
    hr_timer_init(&port->link_timer, on_link_timer, port);
    hr_loop_timer_start(port->base.loop, &port->link_timer, 0);
}

void hr_kv_redis_link_drop(struct hr_kv_redis_port *port, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(port->trouble, sizeof port->trouble, fmt, args);
    va_end(args);
    redisAsyncFree(port->conn->ac);
}

bool hr_kv_redis_link_probe(struct hr_kv_redis_port *port)
{
    char byte;
    ssize_t n = recv(port->conn->ac->c.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))) {
        return true;
    }
    hr_kv_redis_link_drop(port, "%s", n == 0 ? "Server closed the connection" : strerror(errno));
    return false;
}

void hr_kv_redis_link_reload(struct hr_kv_redis_port *port)
{
    hr_loop_timer_start(port->base.loop, &port->link_timer, store_of(port)->url.answer_ms);
    load_scripts(port);
}

void hr_kv_redis_link_close(struct hr_kv_redis_port *port)
{
    struct hr_kv_redis_conn *conn = port->conn;
    port->conn = NULL;
    hr_kv_redis_inquiry_break(port);
    hr_loop_timer_stop(port->base.loop, &port->link_timer);
    if (port->link == HR_KV_REDIS_LINK_RESOLVING) {
        HR_IGNORE(uv_cancel((uv_req_t *)&port->lookup)); /* if it runs, it is waited for */
    }
    x_move(port, HR_KV_REDIS_LINK_CLOSED);
    if (conn) {
        redisAsyncFree(conn->ac);
    }
}
