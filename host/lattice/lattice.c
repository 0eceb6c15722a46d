/* The lattice: opening, joining, announcing, leaving and closing; see lattice.h. Loop thread, but for what other
 * threads leave for the task @poke to look at. */
#include "host/lattice/lattice.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/lattice/impl.h"

static const bool allowed[HR_LATTICE_STATES][HR_LATTICE_STATES] = {
    [HR_LATTICE_OPEN] = {[HR_LATTICE_JOINING] = true, [HR_LATTICE_CLOSING] = true},
    [HR_LATTICE_JOINING] =
        {[HR_LATTICE_MEMBER] = true, [HR_LATTICE_OUT] = true, [HR_LATTICE_CLOSING] = true},
    [HR_LATTICE_MEMBER] = {[HR_LATTICE_OUT] = true, [HR_LATTICE_CLOSING] = true},
    [HR_LATTICE_OUT] = {[HR_LATTICE_CLOSING] = true},
};

static void move(struct hr_lattice *lattice, enum hr_lattice_state state)
{
    HR_ASSERT(allowed[lattice->state][state]);
    lattice->state = state;
}

/* --- announcing ------------------------------------------------------------------------------------- */

/* Appends what this host says of itself. */
static enum hr_err say(struct hr_lattice *lattice, bool leaving, struct hr_buf *buf)
{
    struct hr_lattice_announcement *said = hr_lattice_own_announcement(lattice, leaving);
    if (!said) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = hr_lattice_announcement_encode(buf, said);
    hr_lattice_announcement_unref(said);
    return err;
}

static void send_to(struct hr_lattice *lattice, struct hr_str subject, bool leaving)
{
    struct hr_buf buf = {.max = HR_LATTICE_ANNOUNCEMENT_BYTES_MAX};
    enum hr_err err = say(lattice, leaving, &buf);
    if (!err) {
        const struct hr_bus_msg msg = {.subject = subject, .body = hr_buf_str(&buf)};
        err = hr_bus_publish(lattice->port, &msg);
    }
    HR_IGNORE(err); /* as an announcement that is lost on the way: there is another in a second */
    hr_buf_release(&buf);
}

static struct hr_str subject_of(const struct hr_lattice *lattice, const char *what,
                                char *ret_subject)
{
    int len = snprintf(ret_subject, HR_LATTICE_SUBJECT_BYTES, "hedgerow.%.*s.%s",
                       HR_STR_ARG(lattice->name), what);
    HR_ASSERT(len > 0 && (size_t)len < HR_LATTICE_SUBJECT_BYTES);
    return hr_str_of(ret_subject, (size_t)len);
}

static void announce(struct hr_lattice *lattice, bool leaving)
{
    char subject[HR_LATTICE_SUBJECT_BYTES];
    send_to(lattice, subject_of(lattice, "evt.host", subject), leaving);
}

static uint64_t roll(struct hr_lattice *lattice, uint64_t below)
{
    lattice->dice ^= lattice->dice >> 12; /* xorshift64* */
    lattice->dice ^= lattice->dice << 25;
    lattice->dice ^= lattice->dice >> 27;
    return (lattice->dice * 0x2545F4914F6CDD1Du >> 16) % below;
}

static void on_announce_time(void *arg)
{
    struct hr_lattice *lattice = arg;
    if (lattice->state == HR_LATTICE_MEMBER) {
        announce(lattice, false);
    }
    hr_lattice_ping_all(lattice);
    /* Three to five quarters, so that hosts which started together do not stay together. */
    hr_loop_timer_start(lattice->loop, &lattice->announce_timer,
                        lattice->announce_ms * 3 / 4 + roll(lattice, lattice->announce_ms / 2 + 1));
}

void hr_lattice_announce_soon(struct hr_lattice *lattice)
{
    bool soon = hr_timer_active(&lattice->announce_timer) &&
                lattice->announce_timer.due_ms <= hr_now_ns() / 1000000 + HR_LATTICE_SOON_MS;
    if (lattice->state == HR_LATTICE_MEMBER && !soon) {
        hr_loop_timer_start(lattice->loop, &lattice->announce_timer, HR_LATTICE_SOON_MS);
    }
}

static void on_check_time(void *arg)
{
    struct hr_lattice *lattice = arg;
    hr_lattice_check_silence(lattice);
    hr_loop_timer_start(lattice->loop, &lattice->check_timer,
                        lattice->silent_ms / HR_LATTICE_CHECKS + 1);
}

/* --- joining ---------------------------------------------------------------------------------------- */

/* Tells whoever joins how it went; a conflict's text is in @why. */
static void finish_join(struct hr_lattice *lattice, enum hr_err err)
{
    hr_loop_timer_stop(lattice->loop, &lattice->join_timer);
    hr_bus_cancel(lattice->hello);
    lattice->hello = NULL;
    move(lattice, err ? HR_LATTICE_OUT : HR_LATTICE_MEMBER);
    if (!err) {
        on_announce_time(lattice);
    }
    hr_lattice_joined_cb cb = lattice->joined_cb;
    lattice->joined_cb = NULL;
    cb(lattice->joined_arg, err, err ? lattice->why : "");
}

static void on_join_time(void *arg)
{
    finish_join(arg, HR_OK);
}

void hr_lattice_give_up(struct hr_lattice *lattice)
{
    uv_mutex_lock(&lattice->lock);
    lattice->stats.conflicts++;
    uv_mutex_unlock(&lattice->lock);
    if (lattice->state == HR_LATTICE_JOINING) {
        finish_join(lattice, HR_CONFLICT);
        return;
    }
    move(lattice, HR_LATTICE_OUT);
    if (lattice->conflict_cb) {
        lattice->conflict_cb(lattice->arg, lattice->why);
    }
}

static void hear(struct hr_lattice *lattice, struct hr_str body)
{
    struct hr_lattice_announcement *said;
    enum hr_err err = hr_lattice_announcement_decode(body, &said);
    if (err) {
        uv_mutex_lock(&lattice->lock);
        lattice->stats.malformed++;
        uv_mutex_unlock(&lattice->lock);
        return;
    }
    if (said->hosts > lattice->hosts_told) {
        lattice->hosts_told = said->hosts;
    }
    hr_lattice_hear(lattice, said);
    if (lattice->state == HR_LATTICE_JOINING &&
        hr_lattice_alive_count(lattice) >= lattice->hosts_told) {
        finish_join(lattice, HR_OK); /* all have answered that those who answered know of */
    }
}

static void on_announcement(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_lattice *lattice = arg;
    if (lattice->state != HR_LATTICE_CLOSING) {
        hear(lattice, msg->body);
    }
}

static void on_hello_answer(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                            size_t count)
{
    struct hr_lattice *lattice = arg;
    lattice->hello = NULL;
    if (err) {
        return; /* closing */
    }
    if (count == 0) {
        finish_join(lattice, HR_OK); /* nobody is there */
        return;
    }
    hear(lattice, replies[0].body);
}

/* Who asks gets one answer at once; the others come as announcements, which all hear. */
static void on_hello(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_lattice *lattice = arg;
    if (lattice->state == HR_LATTICE_MEMBER) {
        if (msg->reply_to.len > 0) {
            send_to(lattice, msg->reply_to, false);
        }
        hr_lattice_announce_soon(lattice);
    }
}

static void on_ping(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_lattice *lattice = arg;
    char text[HR_LATTICE_PONG_BYTES];
    if (msg->reply_to.len == 0) {
        return;
    }
    int len = snprintf(text, sizeof text, "%016llx %llu", (unsigned long long)lattice->self->boot,
                       (unsigned long long)hr_wall_ms());
    const struct hr_bus_msg reply = {.subject = msg->reply_to,
                                     .body = hr_str_of(text, (size_t)len)};
    HR_IGNORE(hr_bus_publish(lattice->port, &reply)); /* as one that is lost */
}

static enum hr_err listen_to(struct hr_lattice *lattice, uint32_t at, const char *what,
                             hr_bus_msg_cb cb)
{
    char subject[HR_LATTICE_SUBJECT_BYTES];
    const struct hr_bus_sub_options options = {.subject = subject_of(lattice, what, subject),
                                               .no_echo = true};
    return hr_bus_subscribe(lattice->port, &options, cb, lattice, &lattice->subs[at]);
}

static enum hr_err ask_who_is_there(struct hr_lattice *lattice)
{
    char subject[HR_LATTICE_SUBJECT_BYTES];
    const struct hr_bus_msg msg = {.subject = subject_of(lattice, "ctl.hello", subject)};
    return hr_bus_gather(lattice->port, &msg, 1, lattice->hello_ms, on_hello_answer, lattice,
                         &lattice->hello);
}

/* So that all are asked once it is there. */
static void set_away(struct hr_lattice *lattice)
{
    uv_mutex_lock(&lattice->lock);
    lattice->connected_now = false;
    uv_mutex_unlock(&lattice->lock);
    lattice->connected = false;
    hr_lattice_publish_table(lattice);
}

enum hr_err hr_lattice_join(struct hr_lattice *lattice, hr_lattice_joined_cb cb, void *arg,
                            struct hr_diag *diag)
{
    char ping[HR_LATTICE_SUBJECT_BYTES];
    snprintf(ping, sizeof ping, "ctl.%.*s.ping", HR_STR_ARG(lattice->self->host));
    enum hr_err err = listen_to(lattice, 0, "evt.host", on_announcement);
    if (!err) {
        err = listen_to(lattice, 1, "ctl.hello", on_hello);
    }
    if (!err) {
        err = listen_to(lattice, 2, ping, on_ping);
    }
    if (!err && lattice->connected) {
        err = ask_who_is_there(lattice);
    }
    if (err == HR_CLOSED && lattice->subs[2]) { /* NATS is not there, or not yet */
        err = HR_OK;
        set_away(lattice);
    }
    if (err) {
        return hr_diag_set(diag, err, "lattice %.*s: joining: %s", HR_STR_ARG(lattice->name),
                           hr_err_text(err));
    }
    move(lattice, HR_LATTICE_JOINING);
    lattice->joined_cb = cb;
    lattice->joined_arg = arg;
    hr_loop_timer_start(lattice->loop, &lattice->join_timer,
                        lattice->connected ? lattice->hello_ms : 0);
    on_check_time(lattice);
    return HR_OK;
}

/* --- what other threads change ---------------------------------------------------------------------- */

static void change_connection(struct hr_lattice *lattice, bool connected)
{
    lattice->connected = connected;
    hr_lattice_publish_table(lattice);
    if (connected && lattice->state == HR_LATTICE_MEMBER) {
        char subject[HR_LATTICE_SUBJECT_BYTES];
        const struct hr_bus_msg msg = {.subject = subject_of(lattice, "ctl.hello", subject)};
        HR_IGNORE(hr_bus_publish(lattice->port, &msg)); /* they announce themselves anyway */
        hr_lattice_announce_soon(lattice);
    }
}

static void finish_close(struct hr_lattice *lattice);

static void on_poke(void *arg)
{
    struct hr_lattice *lattice = arg;
    uv_mutex_lock(&lattice->lock);
    lattice->poked = false;
    bool served_changed = lattice->served_changed;
    bool connected = lattice->connected_now;
    lattice->served_changed = false;
    uv_mutex_unlock(&lattice->lock);
    if (lattice->state == HR_LATTICE_CLOSING) {
        finish_close(lattice);
        return;
    }
    if (connected != lattice->connected) {
        change_connection(lattice, connected);
    }
    if (served_changed) {
        hr_lattice_announce_soon(lattice);
    }
}

void hr_lattice_set_connected(struct hr_lattice *lattice, bool connected)
{
    uv_mutex_lock(&lattice->lock);
    lattice->connected_ns = connected && lattice->connected_now && lattice->connected_ns > 0
                                ? lattice->connected_ns
                                : hr_now_ns();
    lattice->connected_now = connected;
    if (!lattice->poked) {
        lattice->poked = true;
        hr_loop_post(lattice->loop, &lattice->poke);
    }
    uv_mutex_unlock(&lattice->lock);
}

void hr_lattice_set_catching_up(struct hr_lattice *lattice, bool catching_up)
{
    uv_mutex_lock(&lattice->lock);
    if (lattice->catching_up != catching_up) {
        lattice->catching_up = catching_up;
        lattice->served_changed = true;
        if (!lattice->poked) {
            lattice->poked = true;
            hr_loop_post(lattice->loop, &lattice->poke);
        }
    }
    uv_mutex_unlock(&lattice->lock);
}

struct hr_bus_port *hr_lattice_port(struct hr_lattice *lattice)
{
    return lattice->port;
}

void hr_lattice_set_load(struct hr_lattice *lattice, hr_lattice_load_cb cb, void *arg)
{
    lattice->load_cb = cb;
    lattice->load_arg = arg;
}

/* --- opening and closing ---------------------------------------------------------------------------- */

static enum hr_err set_self(struct hr_lattice *lattice, const struct hr_lattice_options *options,
                            struct hr_diag *diag)
{
    const struct hr_lattice_self *self = options->self;
    uint64_t random[2];
    int rc = uv_random(NULL, NULL, random, sizeof random, 0, NULL);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "lattice: random bytes: %s", uv_strerror(rc));
    }
    struct hr_lattice_announcement said = {
        .host = self->host,
        .boot = random[0],
        .started_ms = options->start_ms ? options->start_ms : hr_wall_ms(),
        .site = self->site,
        .site_id = self->site_id,
        .version = self->version,
    };
    memcpy(said.store_id, self->store_id, sizeof said.store_id);
    lattice->dice = random[1] | 1;
    const char *wrong = hr_lattice_is_name(self->lattice)
                            ? hr_lattice_announcement_check(&said)
                            : "a lattice's name is 1 to 32 letters, digits, - and _";
    if (wrong) {
        return hr_diag_set(diag, HR_BAD_INPUT, "lattice: %s", wrong);
    }
    memcpy(lattice->text, self->lattice.ptr, self->lattice.len);
    lattice->name = hr_str_of(lattice->text, self->lattice.len);
    memcpy(lattice->sites[0].name, self->site.ptr, self->site.len);
    lattice->sites[0].id = self->site_id;
    lattice->sites[0].has_store = hr_lattice_has_store(&said);
    lattice->site_count = 1;
    lattice->self = hr_lattice_announcement_new(&said, NULL, 0);
    return lattice->self ? HR_OK : hr_diag_set(diag, HR_NO_MEMORY, "lattice: out of memory");
}

static struct hr_lattice *new_lattice(const struct hr_lattice_options *options)
{
    struct hr_lattice *lattice = hr_alloc(sizeof *lattice + options->self->lattice.len);
    if (!lattice) {
        return NULL;
    }
    lattice->loop = options->loop;
    lattice->nats = options->nats;
    lattice->conflict_cb = options->conflict_cb;
    lattice->event_cb = options->event_cb;
    lattice->arg = options->arg;
    lattice->announce_ms = options->announce_ms ? options->announce_ms : HR_LATTICE_ANNOUNCE_MS;
    lattice->silent_ms = options->silent_ms ? options->silent_ms : HR_LATTICE_SILENT_MS;
    lattice->hello_ms = options->hello_ms ? options->hello_ms : HR_LATTICE_HELLO_MS;
    lattice->connected = true;
    lattice->connected_now = true;
    lattice->opened_ns = hr_now_ns();
    hr_timer_init(&lattice->announce_timer, on_announce_time, lattice);
    hr_timer_init(&lattice->check_timer, on_check_time, lattice);
    hr_timer_init(&lattice->join_timer, on_join_time, lattice);
    hr_list_init(&lattice->served);
    hr_list_init(&lattice->watches);
    hr_task_init(&lattice->poke, on_poke, lattice);
    return lattice;
}

static void free_lattice(struct hr_lattice *lattice)
{
    hr_lattice_members_free(lattice);
    hr_lattice_served_free(lattice);
    hr_lattice_table_unref(lattice->table);
    hr_lattice_announcement_unref(lattice->self);
    hr_free(lattice);
}

enum hr_err hr_lattice_open(const struct hr_lattice_options *options,
                            struct hr_lattice **ret_lattice, struct hr_diag *diag)
{
    struct hr_lattice *lattice = new_lattice(options);
    if (!lattice) {
        return hr_diag_set(diag, HR_NO_MEMORY, "lattice: out of memory");
    }
    enum hr_err err = set_self(lattice, options, diag);
    if (err) {
        goto free_all;
    }
    int rc = uv_mutex_init(&lattice->lock);
    if (rc < 0) {
        err = hr_diag_set(diag, HR_IO, "lattice: lock: %s", uv_strerror(rc));
        goto free_all;
    }
    hr_lattice_publish_table(lattice);
    if (!lattice->table) {
        err = hr_diag_set(diag, HR_NO_MEMORY, "lattice: out of memory");
        goto destroy_lock;
    }
    err = hr_bus_port_open(lattice->nats, lattice->loop, &lattice->port, diag);
    if (err) {
        hr_diag_prefix(diag, err, "lattice");
        goto destroy_lock;
    }
    *ret_lattice = lattice;
    return HR_OK;

destroy_lock:
    uv_mutex_destroy(&lattice->lock);
free_all:
    free_lattice(lattice);
    return err;
}

void hr_lattice_leave(struct hr_lattice *lattice)
{
    if (lattice->state == HR_LATTICE_MEMBER) {
        announce(lattice, true);
        move(lattice, HR_LATTICE_OUT);
    }
}

/* Once the port is closed and the task is not posted, nothing of the lattice is in use any more. */
static void finish_close(struct hr_lattice *lattice)
{
    uv_mutex_lock(&lattice->lock);
    bool ready = lattice->told_closed && !lattice->poked;
    HR_ASSERT(hr_list_empty(&lattice->watches));
    uv_mutex_unlock(&lattice->lock);
    if (!ready) {
        return;
    }
    hr_lattice_joined_cb joined_cb = lattice->joined_cb;
    void *joined_arg = lattice->joined_arg;
    hr_lattice_closed_cb cb = lattice->closed_cb;
    void *arg = lattice->closed_arg;
    uv_mutex_destroy(&lattice->lock);
    free_lattice(lattice);
    if (joined_cb) {
        joined_cb(joined_arg, HR_CANCELED, "");
    }
    if (cb) {
        cb(arg);
    }
}

static void on_port_closed(void *arg)
{
    struct hr_lattice *lattice = arg;
    lattice->told_closed = true;
    finish_close(lattice);
}

void hr_lattice_close(struct hr_lattice *lattice, hr_lattice_closed_cb cb, void *arg)
{
    hr_lattice_leave(lattice);
    move(lattice, HR_LATTICE_CLOSING);
    lattice->closed_cb = cb;
    lattice->closed_arg = arg;
    hr_loop_timer_stop(lattice->loop, &lattice->announce_timer);
    hr_loop_timer_stop(lattice->loop, &lattice->check_timer);
    hr_loop_timer_stop(lattice->loop, &lattice->join_timer);
    hr_bus_port_close(lattice->port, on_port_closed, lattice);
}
