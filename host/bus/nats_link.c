/* The NATS bus' own thread: connects, again and again; reads the socket (nats.c then hands what has come
 * to its delivery thread); writes what publishers could not; probes.
 *
 * nats.c calls back to say that it has bytes to write. A publisher that writes itself right after is told
 * so by a thread-local flag, and needs no wake-up of this thread. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/bus/nats_impl.h"
#include "host/bus/nats_options.h"
#include "host/obs/log.h"

#define MS UINT64_C(1000000)
#define SILENCE_MS 15000u      /* what we sent and nobody acknowledged: the connection is dead */
#define COMPLAINT_MS 60000u    /* the same one again */
#define COMPLAINT_MS_MIN 1000u /* any other one */
#define DOUBLINGS_MAX 8u
#define READS_MAX 16 /* before writing and probing get their turn */

static _Thread_local bool writes_itself;

void hr_bus_nats_link_writes_itself(bool yes)
{
    writes_itself = yes;
}

void hr_bus_nats_link_wake(struct hr_bus_nats *bus)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(bus->wake_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
    HR_ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN); /* full: it is awake */
}

/* nats.c puts its own file and line in front: "(conn.c:1905): Authorization Violation". */
static const char *without_place(const char *text)
{
    const char *end = text[0] == '(' ? strstr(text, "): ") : NULL;
    return end ? end + 3 : text;
}

void hr_bus_nats_link_complain(struct hr_bus_nats *bus, const char *event, const char *text)
{
    uint64_t now_ns = hr_now_ns();
    text = without_place(text);
    /* What comes from servers and libraries is shown only if it cannot hold an address with a password. */
    text = strchr(text, '@') ? "an error with an address in it" : text;
    uv_mutex_lock(&bus->state_lock);
    bool same = strcmp(bus->state.error, text) == 0;
    uint64_t pause_ms = same ? COMPLAINT_MS : COMPLAINT_MS_MIN;
    bool speak = bus->errors_logged_ns == 0 || now_ns - bus->errors_logged_ns >= pause_ms * MS;
    if (speak) {
        bus->errors_logged_ns = now_ns;
    }
    snprintf(bus->state.error, sizeof bus->state.error, "%s", text);
    uv_mutex_unlock(&bus->state_lock);
    if (speak) {
        HR_LOG(HR_LOG_WARN, event, HR_LOG_CSTR("error", text));
    }
}

/* nats.c's view of an event loop. These are called under its locks, on any thread. */
static natsStatus on_attach(void **user_data, void *loop, natsConnection *nc, natsSock fd)
{
    struct hr_bus_nats *bus = loop;
    unsigned silence_ms = SILENCE_MS;
    (void)nc;
    *user_data = bus;
    /* Not supported everywhere, and not needed for more than an early end of a dead connection. */
    HR_IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms));
    atomic_store(&bus->fd, (int)fd);
    return NATS_OK;
}

static natsStatus on_read_wanted(void *user_data, bool add)
{
    struct hr_bus_nats *bus = user_data;
    if (!add) {
        atomic_store(&bus->fd, -1);
        hr_bus_nats_link_wake(bus);
    }
    return NATS_OK;
}

static natsStatus on_write_wanted(void *user_data, bool add)
{
    struct hr_bus_nats *bus = user_data;
    atomic_store(&bus->wants_to_write, add);
    if (add && !writes_itself) {
        hr_bus_nats_link_wake(bus);
    }
    return NATS_OK;
}

static natsStatus on_detach(void *user_data)
{
    return on_read_wanted(user_data, false);
}

static void on_nats_error(natsConnection *nc, natsSubscription *sub, natsStatus s, void *closure)
{
    const char *text = NULL;
    (void)sub;
    if (s == NATS_SLOW_CONSUMER || !nc || natsConnection_GetLastError(nc, &text) == NATS_OK ||
        !text || !text[0]) {
        text = natsStatus_GetText(s);
    }
    hr_bus_nats_link_complain(closure, "nats.error", text);
}

void hr_bus_nats_link_flush(struct hr_bus_nats *bus, natsConnection *nc)
{
    /* nats.c takes a write of no bytes for the end of the connection. */
    if (atomic_load(&bus->wants_to_write)) {
        natsConnection_ProcessWriteEvent(nc);
        if (atomic_load(&bus->wants_to_write) && writes_itself) {
            hr_bus_nats_link_wake(bus);
        }
    }
}

static void wake_ports(struct hr_bus_nats *bus)
{
    uv_rwlock_rdlock(&bus->lock);
    for (struct hr_list *node = bus->ports.next; node != &bus->ports; node = node->next) {
        hr_bus_mailbox_wake(&HR_LIST_OWNER(node, struct hr_bus_nats_port, in_bus)->mailbox);
    }
    uv_rwlock_rdunlock(&bus->lock);
}

static void note_change(struct hr_bus_nats *bus, bool connected, const char *server)
{
    uv_mutex_lock(&bus->state_lock);
    bus->state.reconnects += connected && bus->state.since_ns > 0 && bus->state.max_payload > 0;
    bus->state.connected = connected;
    bus->state.since_ns = hr_now_ns();
    snprintf(bus->state.server, sizeof bus->state.server, "%s", server);
    if (connected) {
        bus->state.error[0] = '\0';
        bus->state.max_payload = atomic_load(&bus->max_payload);
        bus->errors_logged_ns = 0;
    }
    uv_mutex_unlock(&bus->state_lock);
}

static void on_down(struct hr_bus_nats *bus)
{
    const char *text = NULL;
    natsConnection *nc = bus->nc;
    uv_rwlock_wrlock(&bus->lock);
    uv_mutex_lock(&bus->out_lock);
    bus->nc = NULL;
    bus->connected = false;
    atomic_store(&bus->is_up, false);
    atomic_fetch_add(&bus->drops, 1);
    hr_bus_nats_out_clear(bus);
    uv_mutex_unlock(&bus->out_lock);
    atomic_fetch_add(&bus->probe.wanted, 1);
    hr_bus_nats_sub_detach_all(bus);
    uv_rwlock_wrunlock(&bus->lock);
    hr_bus_nats_probe_reset(bus);
    note_change(bus, false, "");
    if (!atomic_load(&bus->stop)) {
        bool known = natsConnection_GetLastError(nc, &text) != NATS_OK && text && text[0];
        hr_bus_nats_link_complain(bus, "nats.lost", known ? text : "the connection has ended");
    }
    natsConnection_Destroy(nc);
    atomic_store(&bus->fd, -1);
    atomic_store(&bus->wants_to_write, false);
    wake_ports(bus);
}

/* Opens the gates: subscriptions first, so that no request is sent whose reply would not come back. */
static void on_up(struct hr_bus_nats *bus, natsConnection *nc)
{
    char url[HR_BUS_NATS_URL_BYTES_MAX];
    char server[HR_BUS_NATS_URL_BYTES_MAX] = "";
    int64_t max_payload = natsConnection_GetMaxPayload(nc);
    if (natsConnection_GetConnectedUrl(nc, url, sizeof url) == NATS_OK) {
        hr_bus_nats_options_public_url(hr_str_c(url), server);
    }
    atomic_store(&bus->max_payload, max_payload > 0 ? (size_t)max_payload : 0);
    note_change(bus, true, server);
    uv_rwlock_wrlock(&bus->lock);
    uv_mutex_lock(&bus->out_lock);
    bus->nc = nc;
    uv_mutex_unlock(&bus->out_lock);
    enum hr_err err = hr_bus_nats_sub_attach_all(bus, nc);
    atomic_fetch_add(&bus->probe.wanted, 1);
    uv_mutex_lock(&bus->out_lock);
    bus->connected = err == HR_OK;
    atomic_store(&bus->is_up, err == HR_OK);
    uv_mutex_unlock(&bus->out_lock);
    uv_rwlock_wrunlock(&bus->lock);
    if (err) {
        natsConnection_Close(nc); /* the next one may get the memory */
        return;
    }
    HR_LOG(HR_LOG_INFO, "nats.connected", HR_LOG_CSTR("server", server));
    wake_ports(bus);
}

/* One attempt at every server. */
static void try_connect(struct hr_bus_nats *bus)
{
    natsConnection *nc = NULL;
    const char *text = NULL;
    writes_itself = true; /* this thread will, when it is done */
    natsStatus s = natsConnection_Connect(&nc, bus->options);
    if (s == NATS_OK) {
        on_up(bus, nc);
    } else {
        text = nats_GetLastError(NULL);
        hr_bus_nats_link_complain(bus, "nats.away", text && text[0] ? text : natsStatus_GetText(s));
        natsConnection_Destroy(nc);
    }
    writes_itself = false;
}

/* How long to wait before attempt @attempt, from 0. */
static uint64_t pause_ms(struct hr_bus_nats *bus, uint32_t attempt)
{
    uint32_t random = 0;
    uint64_t ms = 0;
    /* Without random bytes there is no jitter. */
    HR_IGNORE(uv_random(NULL, NULL, &random, sizeof random, 0, NULL));
    if (attempt > 0) {
        uint32_t doublings = attempt - 1 < DOUBLINGS_MAX ? attempt - 1 : DOUBLINGS_MAX;
        ms = (uint64_t)bus->reconnect_wait_ms << doublings;
        ms = ms > HR_BUS_NATS_RECONNECT_WAIT_MS_MAX ? HR_BUS_NATS_RECONNECT_WAIT_MS_MAX : ms;
    }
    return ms + random % (bus->reconnect_jitter_ms + 1);
}

static void drain_wake(struct hr_bus_nats *bus)
{
    uint64_t count;
    ssize_t n;
    do {
        n = read(bus->wake_fd, &count, sizeof count);
    } while (n < 0 && errno == EINTR);
}

/* Waits for something to do on the socket, or otherwise. */
static short wait_for_events(struct hr_bus_nats *bus, int timeout_ms)
{
    int fd = atomic_load(&bus->fd);
    short events = (short)(POLLIN | (atomic_load(&bus->wants_to_write) ? POLLOUT : 0));
    struct pollfd fds[2] = {{.fd = bus->wake_fd, .events = POLLIN}, {.fd = fd, .events = events}};
    int n = poll(fds, fd >= 0 ? 2 : 1, timeout_ms);
    if (n <= 0) {
        return 0;
    }
    if (fds[0].revents) {
        drain_wake(bus);
    }
    return fd >= 0 ? fds[1].revents : 0;
}

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&one, 1, 0) == 1;
}

/* One turn with a connection. Returns whether the next one should come at once. */
static bool serve(struct hr_bus_nats *bus, bool at_once)
{
    uint64_t now_ns = hr_now_ns();
    short events = wait_for_events(bus, at_once ? 0 : hr_bus_nats_probe_wait_ms(bus, now_ns));
    bool readable = (events & (POLLIN | POLLERR | POLLHUP)) != 0;
    writes_itself = true;
    for (int i = 0; readable && i < READS_MAX; i++) {
        natsConnection_ProcessReadEvent(bus->nc);
        readable = is_readable(atomic_load(&bus->fd));
    }
    bool more = hr_bus_nats_out_feed(bus, bus->nc);
    bool closed = natsConnection_IsClosed(bus->nc);
    if (!closed) {
        hr_bus_nats_probe_step(bus, hr_now_ns());
        /* Its subscription. */
        more = hr_bus_nats_out_feed(bus, bus->nc) || more;
    }
    writes_itself = false;
    if (closed) {
        on_down(bus);
    }
    return more;
}

static void run(void *arg)
{
    struct hr_bus_nats *bus = arg;
    uint64_t due_ns = 0;
    uint32_t attempts = 0;
    bool at_once = false;
    while (!atomic_load(&bus->stop)) {
        uint64_t now_ns = hr_now_ns();
        if (bus->nc) {
            at_once = serve(bus, at_once);
            attempts = 0;
            due_ns = bus->nc ? 0 : hr_now_ns() + pause_ms(bus, attempts) * MS;
        } else if (now_ns >= due_ns) {
            try_connect(bus);
            due_ns = hr_now_ns() + pause_ms(bus, ++attempts) * MS;
        } else {
            HR_IGNORE(wait_for_events(bus, (int)((due_ns - now_ns) / MS) + 1));
        }
    }
    if (bus->nc) {
        HR_IGNORE(hr_bus_nats_out_feed(bus, bus->nc)); /* what does not fit now is lost */
        natsConnection_Close(bus->nc);
        on_down(bus);
    }
    nats_ReleaseThreadMemory();
}

enum hr_err hr_bus_nats_link_start(struct hr_bus_nats *bus, struct hr_diag *diag)
{
    natsStatus s = natsOptions_SetEventLoop(bus->options, bus, on_attach, on_read_wanted,
                                            on_write_wanted, on_detach);
    s = s ? s : natsOptions_SetErrorHandler(bus->options, on_nats_error, bus);
    if (s) {
        return hr_diag_set(diag, hr_bus_nats_error_of(s), "%s", natsStatus_GetText(s));
    }
    atomic_store(&bus->fd, -1);
    bus->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (bus->wake_fd < 0) {
        return hr_diag_set(diag, HR_IO, "eventfd: %s", strerror(errno));
    }
    int rc = uv_thread_create(&bus->thread, run, bus);
    if (rc < 0) {
        close(bus->wake_fd);
        return hr_diag_set(diag, HR_IO, "thread: %s", uv_strerror(rc));
    }
    return HR_OK;
}

void hr_bus_nats_link_stop(struct hr_bus_nats *bus)
{
    atomic_store(&bus->stop, true);
    hr_bus_nats_link_wake(bus);
    HR_IGNORE(uv_thread_join(&bus->thread)); /* fails only for what is no thread */
}
