/* Messages and subscriptions on a lattice: what goes to whom over which of the two buses.
 *
 * A message is published on the local bus, and on the NATS bus, which brings nothing back to the host that
 * published it. A queue group is one over all hosts, so where a member of it heard the local one, the NATS copy
 * says so, and the hosts whose members get that copy drop it. */
#include <stdio.h>

#include "base/alloc.h"
#include "host/lattice/bus_impl.h"
#include "host/bus/subject.h"

#define GROUPS_MAX 64u /* of one message; more than that stay in the process */

/* --- queue groups that have been served --------------------------------------------------------------- */

/* The names of the groups that have a member here for @subject, with commas between. False if they do not fit. */
static bool list_groups(struct hr_bus_lattice *bus, struct hr_str subject, char *ret_text,
                        size_t size, size_t *ret_len)
{
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    struct hr_str seen[GROUPS_MAX];
    uint32_t count = 0;
    size_t len = 0;
    bool fits = true;
    uv_rwlock_rdlock(&bus->lock);
    hr_bus_index_walk_init(&walk, &bus->groups, subject);
    while (fits && (entry = hr_bus_index_walk_next(&walk))) {
        struct hr_str queue = HR_LIST_OWNER(entry, struct hr_bus_lattice_sub, entry)->queue;
        uint32_t at = 0;
        while (at < count && !hr_str_eq(seen[at], queue)) {
            at++;
        }
        if (at < count) {
            continue;
        }
        fits = count < GROUPS_MAX && len + queue.len + 1 <= size;
        if (fits) {
            seen[count++] = queue;
            if (len > 0) {
                ret_text[len++] = ',';
            }
            memcpy(ret_text + len, queue.ptr, queue.len);
            len += queue.len;
        }
    }
    uv_rwlock_rdunlock(&bus->lock);
    *ret_len = len;
    return fits;
}

static bool is_listed(struct hr_str list, struct hr_str queue)
{
    while (list.len > 0) {
        size_t comma = hr_str_find(list, ',', 0);
        struct hr_str name = hr_str_of(list.ptr, comma == SIZE_MAX ? list.len : comma);
        if (hr_str_eq(name, queue)) {
            return true;
        }
        list = hr_str_from(list, name.len + 1);
    }
    return false;
}

/* --- publishing ------------------------------------------------------------------------------------- */

/* Publishes @msg on NATS with the header that says which groups have it. */
static enum hr_err publish_with_groups(struct hr_bus_lattice_port *port,
                                       const struct hr_bus_msg *msg, struct hr_str groups)
{
    struct hr_bus_header headers[HR_BUS_HEADERS_MAX];
    if (msg->header_count >= HR_BUS_HEADERS_MAX) {
        return HR_TOO_BIG;
    }
    if (msg->header_count > 0) {
        memcpy(headers, msg->headers, msg->header_count * sizeof *headers);
    }
    headers[msg->header_count] =
        (struct hr_bus_header){HR_STR(HR_BUS_HEADER_GROUPS_SERVED), groups};
    struct hr_bus_msg copy = *msg;
    copy.headers = headers;
    copy.header_count = msg->header_count + 1;
    return hr_bus_publish(port->nats, &copy);
}

static enum hr_err publish_on_nats(struct hr_bus_lattice_port *port, const struct hr_bus_msg *msg)
{
    char text[HR_BUS_HEADER_BYTES_MAX];
    size_t len;
    if (!list_groups(hr_bus_lattice_of(&port->base), msg->subject, text, sizeof text, &len)) {
        return HR_TOO_BIG;
    }
    return len > 0 ? publish_with_groups(port, msg, hr_str_of(text, len))
                   : hr_bus_publish(port->nats, msg);
}

/* A reply goes where it is waited for: here, or else over NATS. */
static enum hr_err publish_reply(struct hr_bus_lattice_port *port, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice *bus = hr_bus_lattice_of(&port->base);
    bool here = hr_bus_has_interest(bus->local, msg->subject);
    bool far = !here || atomic_load_explicit(&bus->eavesdroppers, memory_order_relaxed) > 0;
    /* As the front lets it through: it checks every message once. */
    enum hr_err err = here ? port->local->bus->ops->publish(port->local, msg) : HR_OK;
    if (!err && far && port->table->connected) {
        err = port->nats->bus->ops->publish(port->nats, msg);
    }
    return here && err == HR_CLOSED ? HR_OK : err; /* NATS has just gone: as before it was known */
}

static enum hr_err publish_message(struct hr_bus_lattice_port *port, const struct hr_bus_msg *msg)
{
    enum hr_err err = port->local->bus->ops->publish(port->local, msg);
    if (!err && port->table->connected && !hr_bus_lattice_is_local(msg->subject) &&
        publish_on_nats(port, msg)) {
        hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_UNSENT);
    }
    return err;
}

enum hr_err hr_bus_lattice_publish(struct hr_bus_port *base, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    hr_bus_lattice_refresh(port);
    enum hr_err err = hr_str_starts(msg->subject, HR_STR("_INBOX.")) ? publish_reply(port, msg)
                                                                     : publish_message(port, msg);
    if (!err) {
        hr_bus_lattice_count(base, HR_BUS_LATTICE_PUBLISHED);
    }
    return err;
}

/* --- what comes by name ------------------------------------------------------------------------------ */

static void refuse(struct hr_bus_lattice_port *port, struct hr_str reply_to)
{
    char text[128];
    int len = snprintf(text, sizeof text, "%s: host %.*s", hr_err_text(HR_NO_RESPONDERS),
                       HR_STR_ARG(hr_lattice_host_id(hr_bus_lattice_of(&port->base)->lattice)));
    const struct hr_bus_header header = {HR_STR(HR_BUS_HEADER_ERROR), hr_str_of(text, (size_t)len)};
    const struct hr_bus_msg msg = {.subject = reply_to, .headers = &header, .header_count = 1};
    HR_IGNORE(hr_bus_publish(port->nats, &msg)); /* the requester's own time limit remains */
}

/* What is behind "hedgerow.<lattice>.to.<host>.": behind the fourth dot. */
static struct hr_str without_address(struct hr_str subject)
{
    for (uint32_t dots = 0; dots < 4; dots++) {
        size_t dot = hr_str_find(subject, '.', 0);
        subject = hr_str_from(subject, dot == SIZE_MAX ? subject.len : dot + 1);
    }
    return subject;
}

void hr_bus_lattice_on_direct(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = arg;
    struct hr_bus_msg inner = *msg;
    inner.subject = without_address(msg->subject);
    /* What is not meant for others cannot be reached by this way either, nor by the reply. */
    bool is_private =
        hr_bus_lattice_is_local(inner.subject) || hr_bus_lattice_is_local(inner.reply_to) ||
        hr_str_starts(inner.subject, HR_STR("_INBOX.")) || !hr_subject_is_literal(inner.subject);
    enum hr_err err = HR_NO_RESPONDERS;
    if (!is_private && hr_bus_has_interest(port->local->bus, inner.subject)) {
        /* Past the front's limit: a request may be larger than a message. NATS' bus has checked it. */
        err = port->local->bus->ops->publish(port->local, &inner);
    }
    if (err && msg->reply_to.len > 0) {
        refuse(port, msg->reply_to);
    }
}

/* --- subscriptions ---------------------------------------------------------------------------------- */

static void on_nats_message(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_sub *sub = arg;
    if (hr_bus_lattice_is_local(msg->subject) || hr_bus_lattice_is_local(msg->reply_to)) {
        return; /* somebody else's, or made up; whoever answered it would send to one of ours */
    }
    if (sub->queue.len > 0 &&
        is_listed(hr_bus_header(msg, HR_STR(HR_BUS_HEADER_GROUPS_SERVED)), sub->queue)) {
        hr_bus_lattice_count(sub->base.port, HR_BUS_LATTICE_GROUPS_SERVED);
        return;
    }
    sub->cb(sub->arg, msg);
}

static struct hr_bus_lattice_sub *new_sub(struct hr_bus_lattice_port *port,
                                          const struct hr_bus_sub_options *options)
{
    size_t bytes = options->subject.len + options->queue.len;
    struct hr_bus_lattice_sub *sub = hr_alloc(sizeof *sub + bytes);
    if (!sub) {
        return NULL;
    }
    sub->base.port = &port->base;
    memcpy(sub->text, options->subject.ptr, options->subject.len);
    sub->subject = hr_str_of(sub->text, options->subject.len);
    if (options->queue.len > 0) {
        memcpy(sub->text + options->subject.len, options->queue.ptr, options->queue.len);
        sub->queue = hr_str_of(sub->text + options->subject.len, options->queue.len);
    }
    sub->direct = !options->no_echo;
    hr_list_init(&sub->in_port);
    hr_list_init(&sub->entry.node);
    return sub;
}

static void enter_group(struct hr_bus_lattice *bus, struct hr_bus_lattice_sub *sub)
{
    uv_rwlock_wrlock(&bus->lock);
    hr_bus_index_add(&bus->groups, &sub->entry, sub->subject);
    uv_rwlock_wrunlock(&bus->lock);
    sub->in_groups = true;
}

static bool would_eavesdrop(struct hr_str pattern)
{
    struct hr_str first = hr_subject_first_token(pattern);
    return hr_subject_has_wildcard(first) || hr_str_eq(first, HR_STR("_INBOX"));
}

static void close_sub(struct hr_bus_lattice_sub *sub)
{
    struct hr_bus_lattice *bus = hr_bus_lattice_of(sub->base.port);
    if (sub->eavesdrops) {
        atomic_fetch_sub_explicit(&bus->eavesdroppers, 1, memory_order_relaxed);
    }
    if (sub->announced) {
        hr_lattice_unserve(bus->lattice, sub->subject, sub->queue, sub->direct);
    }
    if (sub->in_groups) {
        uv_rwlock_wrlock(&bus->lock);
        hr_bus_index_remove(&sub->entry);
        uv_rwlock_wrunlock(&bus->lock);
    }
    hr_bus_unsubscribe(sub->nats);
    hr_bus_unsubscribe(sub->local);
    hr_list_remove(&sub->in_port);
    hr_free(sub);
}

/* Subscribes on both buses and announces it, as far as each applies. */
static enum hr_err open_sub(struct hr_bus_lattice_port *port, struct hr_bus_lattice_sub *sub,
                            const struct hr_bus_sub_options *options)
{
    struct hr_bus_lattice *bus = hr_bus_lattice_of(&port->base);
    enum hr_err err = HR_OK;
    if (!options->no_echo) {
        if (would_eavesdrop(options->subject)) {
            sub->eavesdrops = true;
            atomic_fetch_add_explicit(&bus->eavesdroppers, 1, memory_order_relaxed);
        }
        err = hr_bus_subscribe(port->local, options, sub->cb, sub->arg, &sub->local);
    }
    if (err || hr_bus_lattice_is_local(options->subject)) {
        return err;
    }
    err = hr_bus_subscribe(port->nats, options, on_nats_message, sub, &sub->nats);
    if (err) {
        return err;
    }
    if (!options->no_echo && options->queue.len > 0) {
        enter_group(bus, sub);
    }
    err = hr_lattice_serve(bus->lattice, options->subject, options->queue, sub->direct);
    sub->announced = err == HR_OK;
    return err;
}

enum hr_err hr_bus_lattice_subscribe(struct hr_bus_port *base,
                                     const struct hr_bus_sub_options *options, hr_bus_msg_cb cb,
                                     void *arg, struct hr_bus_sub **ret_sub)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    if (hr_str_find(options->queue, ',', 0) != SIZE_MAX) {
        return HR_BAD_INPUT; /* it could not be listed among others */
    }
    struct hr_bus_lattice_sub *sub = new_sub(port, options);
    if (!sub) {
        return HR_NO_MEMORY;
    }
    sub->cb = cb;
    sub->arg = arg;
    enum hr_err err = open_sub(port, sub, options);
    if (err) {
        close_sub(sub);
        return err;
    }
    hr_list_push_back(&port->subs, &sub->in_port);
    atomic_fetch_add_explicit(&hr_bus_lattice_of(base)->counts[HR_BUS_LATTICE_SUBSCRIPTIONS], 1,
                              memory_order_relaxed);
    *ret_sub = &sub->base;
    return HR_OK;
}

void hr_bus_lattice_unsubscribe(struct hr_bus_sub *base)
{
    atomic_fetch_sub_explicit(&hr_bus_lattice_of(base->port)->counts[HR_BUS_LATTICE_SUBSCRIPTIONS],
                              1, memory_order_relaxed);
    close_sub((struct hr_bus_lattice_sub *)base);
}
