/* The other hosts: heard of by their announcements, forgotten when a newer one needs the room. Loop thread; what
 * others read is changed under the lock.
 *
 * A host is found by its id. One that announces itself with an id whose owner is alive and was started before is
 * refused; so is one whose site does not fit with anybody's who is alive and was started before. What is refused
 * is remembered, so that it is told once, and can take its place when the earlier one is gone.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "host/lattice/impl.h"

#define NS_PER_MS ((uint64_t)1000000)
#define PING_BOOT_DIGITS 16u
#define CLOCK_AHEAD_MS_MAX ((uint64_t)1 << 52) /* of a clock, whatever it is set to */
#define ROUND_TRIP_NOISE_NS ((uint64_t)500000) /* no reason to make a new table */

static uint64_t silent_ns(const struct hr_lattice *lattice)
{
    return lattice->silent_ms * NS_PER_MS;
}

static bool is_alive(const struct hr_lattice_member *member)
{
    return member->presence == HR_LATTICE_MEMBER_ALIVE && !member->refused;
}

uint32_t hr_lattice_alive_count(const struct hr_lattice *lattice)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        count += is_alive(lattice->members[i]);
    }
    return count;
}

static void tell(struct hr_lattice *lattice, enum hr_lattice_event event,
                 const struct hr_lattice_announcement *said, const char *why)
{
    if (event == HR_LATTICE_REFUSED) {
        uv_mutex_lock(&lattice->lock);
        lattice->stats.conflicts++;
        uv_mutex_unlock(&lattice->lock);
    }
    if (lattice->event_cb) {
        lattice->event_cb(lattice->arg, event, said->host, said->site, why);
    }
}

/* --- the table of members --------------------------------------------------------------------------- */

static struct hr_lattice_member *find(const struct hr_lattice *lattice, struct hr_str host)
{
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        if (hr_str_eq(lattice->members[i]->said->host, host)) {
            return lattice->members[i];
        }
    }
    return NULL;
}

static void member_free(struct hr_lattice_member *member)
{
    hr_bus_cancel(member->ping);
    hr_lattice_announcement_unref(member->said);
    hr_free(member);
}

void hr_lattice_members_free(struct hr_lattice *lattice)
{
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        member_free(lattice->members[i]);
    }
    lattice->member_count = 0;
}

/* Forgets the one that has been gone for longest. Under the lock. */
static bool make_room(struct hr_lattice *lattice)
{
    if (lattice->member_count < HR_LATTICE_HOSTS_MAX) {
        return true;
    }
    uint32_t oldest = HR_LATTICE_HOSTS_MAX;
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        if (lattice->members[i]->presence == HR_LATTICE_MEMBER_GONE &&
            (oldest == HR_LATTICE_HOSTS_MAX ||
             lattice->members[i]->heard_ns < lattice->members[oldest]->heard_ns)) {
            oldest = i;
        }
    }
    if (oldest == HR_LATTICE_HOSTS_MAX) {
        return false;
    }
    member_free(lattice->members[oldest]);
    lattice->members[oldest] = lattice->members[--lattice->member_count];
    return true;
}

/* Takes the reference to @said on success. NULL when there is no room for it. */
static struct hr_lattice_member *add(struct hr_lattice *lattice,
                                     struct hr_lattice_announcement *said)
{
    struct hr_lattice_member *member = hr_alloc(sizeof *member);
    if (!member) {
        return NULL;
    }
    member->lattice = lattice;
    member->said = said;
    member->presence = HR_LATTICE_MEMBER_GONE; /* until what it said has been looked at */
    uv_mutex_lock(&lattice->lock);
    bool room = make_room(lattice);
    if (room) {
        lattice->members[lattice->member_count++] = member;
    } else {
        lattice->stats.overflows++;
    }
    uv_mutex_unlock(&lattice->lock);
    if (!room) {
        hr_free(member);
        return NULL;
    }
    return member;
}

/* Whether it is seen for the first time. Under the lock. */
static bool see_site(struct hr_lattice *lattice, const struct hr_lattice_announcement *said,
                     uint64_t now_ns)
{
    uint32_t at = 0;
    while (at < lattice->site_count && !hr_str_eq(hr_str_c(lattice->sites[at].name), said->site)) {
        at++;
    }
    if (at == HR_LATTICE_SITES_MAX) {
        return false;
    }
    struct hr_lattice_seen_site *site = &lattice->sites[at];
    bool is_new = at == lattice->site_count;
    if (is_new) {
        lattice->site_count++;
        memcpy(site->name, said->site.ptr, said->site.len); /* its length has been checked */
        site->name[said->site.len] = '\0';
    }
    site->id = said->site_id;
    site->has_store =
        site->has_store || hr_lattice_has_store(said); /* of a host that is away, too */
    site->heard_ns = now_ns;
    return is_new;
}

/* --- announcements ---------------------------------------------------------------------------------- */

/* The first one that is alive, was there before @said, and cannot be together with it. */
static bool is_refused(struct hr_lattice *lattice, const struct hr_lattice_announcement *said,
                       char *ret_why)
{
    if (hr_lattice_is_earlier(lattice->self, said) &&
        hr_lattice_conflicts(said, lattice->self, ret_why)) {
        return true;
    }
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        const struct hr_lattice_member *other = lattice->members[i];
        if (other->said != said && is_alive(other) && hr_lattice_is_earlier(other->said, said) &&
            hr_lattice_conflicts(said, other->said, ret_why)) {
            return true;
        }
    }
    return false;
}

/* Whether this host has to stop because of @said. While it joins it is the later one, whatever the clocks say:
 * the other was there to answer. */
static bool must_give_up(struct hr_lattice *lattice, const struct hr_lattice_announcement *said)
{
    bool is_later =
        lattice->state == HR_LATTICE_JOINING ||
        (lattice->state == HR_LATTICE_MEMBER && hr_lattice_is_earlier(said, lattice->self));
    return is_later && !said->leaving && hr_lattice_conflicts(lattice->self, said, lattice->why);
}

/* Somebody with the id of @owner, who came later: nothing to remember but that it was told. */
static void refuse_double(struct hr_lattice *lattice, const struct hr_lattice_announcement *said,
                          const struct hr_lattice_announcement *owner,
                          struct hr_lattice_rival *rival)
{
    char why[HR_LATTICE_WHY_BYTES_MAX] = "";
    if (!rival->told && !said->leaving && hr_lattice_conflicts(said, owner, why)) {
        rival->told = true;
        tell(lattice, HR_LATTICE_REFUSED, said, why);
    }
}

static void meet_rival(struct hr_lattice_rival *rival, const struct hr_lattice_announcement *said)
{
    if (rival->boot != said->boot || rival->met_ns == 0) {
        *rival = (struct hr_lattice_rival){.boot = said->boot, .met_ns = hr_now_ns()};
    }
}

/* Puts @said in the place of what @member said before; a host that has started anew gets a new number. Takes
 * the reference. */
static void replace(struct hr_lattice_member *member, struct hr_lattice_announcement *said,
                    uint64_t now_ns)
{
    struct hr_lattice *lattice = member->lattice;
    struct hr_lattice_announcement *old = member->said == said ? NULL : member->said;
    bool is_new = member->number == 0 || (old && old->boot != said->boot);
    uv_mutex_lock(&lattice->lock);
    member->said = said;
    member->heard_ns = now_ns;
    if (is_new) {
        member->number = ++lattice->last_number;
        member->round_trip_ns = 0;
        member->clock_known = false;
    }
    member->presence = said->leaving ? HR_LATTICE_MEMBER_LEAVING : HR_LATTICE_MEMBER_ALIVE;
    uv_mutex_unlock(&lattice->lock);
    hr_lattice_announcement_unref(old);
}

/* Whether it is the first one of its site. */
static bool set_refused(struct hr_lattice_member *member, bool refused, uint64_t now_ns)
{
    struct hr_lattice *lattice = member->lattice;
    uv_mutex_lock(&lattice->lock);
    member->refused = refused;
    bool is_first = !refused && see_site(lattice, member->said, now_ns);
    uv_mutex_unlock(&lattice->lock);
    return is_first;
}

/* Says what has become of @member since it was as in @was. */
static void tell_change(struct hr_lattice_member *member, const struct hr_lattice_member *was,
                        const char *why)
{
    struct hr_lattice *lattice = member->lattice;
    if (member->refused) {
        if (!was->refused || was->number != member->number) {
            tell(lattice, HR_LATTICE_REFUSED, member->said, why);
        }
    } else if (member->presence == HR_LATTICE_MEMBER_LEAVING) {
        if (is_alive(was)) {
            tell(lattice, HR_LATTICE_LEFT, member->said, "");
        }
    } else if (!is_alive(was) || was->number != member->number) {
        tell(lattice, HR_LATTICE_JOINED, member->said, "");
    }
}

static void take_in(struct hr_lattice_member *member, struct hr_lattice_announcement *said)
{
    struct hr_lattice *lattice = member->lattice;
    const struct hr_lattice_member was = *member;
    char why[HR_LATTICE_WHY_BYTES_MAX] = "";
    bool same = was.number && hr_lattice_announcement_same_served(was.said, said);
    uint64_t now_ns = hr_now_ns();
    replace(member, said, now_ns);
    bool refused = is_refused(lattice, said, why);
    bool is_first = set_refused(member, refused, now_ns);
    if (!same || was.number != member->number || was.presence != member->presence ||
        was.refused != refused) {
        hr_lattice_publish_table(lattice);
    }
    tell_change(member, &was, why);
    if (is_first) {
        tell(lattice, HR_LATTICE_NEW_SITE, member->said, "");
    }
}

/* Announcements of somebody who uses this host's id; true if @said is one. */
static bool hear_own_id(struct hr_lattice *lattice, const struct hr_lattice_announcement *said)
{
    if (!hr_str_eq(said->host, lattice->self->host)) {
        return false;
    }
    /* A server may echo; and one that has left has no say in who comes after it. */
    if (said->boot != lattice->self->boot && lattice->state != HR_LATTICE_OUT) {
        meet_rival(&lattice->rival, said);
        refuse_double(lattice, said, lattice->self, &lattice->rival);
    }
    return true;
}

/* The member that @said is of, made if it is new; NULL if it is to be ignored. Takes the reference only for a
 * new one. */
static struct hr_lattice_member *member_of(struct hr_lattice *lattice,
                                           struct hr_lattice_announcement *said)
{
    struct hr_lattice_member *member = find(lattice, said->host);
    if (!member) {
        return said->leaving ? NULL : add(lattice, said);
    }
    bool is_other = member->said->boot != said->boot;
    if (is_other && said->leaving) {
        return NULL; /* its successor is known already */
    }
    if (is_other && member->presence == HR_LATTICE_MEMBER_ALIVE &&
        hr_lattice_is_earlier(member->said, said)) {
        /* Most likely the same host, started again. Both run if the earlier one is heard once more. */
        meet_rival(&member->rival, said);
        if (member->heard_ns > member->rival.met_ns) {
            refuse_double(lattice, said, member->said, &member->rival);
        }
        return NULL;
    }
    return member;
}

void hr_lattice_hear(struct hr_lattice *lattice, struct hr_lattice_announcement *said)
{
    uv_mutex_lock(&lattice->lock);
    lattice->stats.announcements++;
    uv_mutex_unlock(&lattice->lock);
    if (must_give_up(lattice, said)) {
        hr_lattice_announcement_unref(said);
        hr_lattice_give_up(lattice);
        return;
    }
    struct hr_lattice_member *member = hear_own_id(lattice, said) ? NULL : member_of(lattice, said);
    if (member) {
        take_in(member, said);
    } else {
        hr_lattice_announcement_unref(said);
    }
}

/* --- silence ---------------------------------------------------------------------------------------- */

/* Those that were refused because of somebody who has gone may now be let in. */
static bool reconsider(struct hr_lattice *lattice)
{
    bool changed = false;
    char why[HR_LATTICE_WHY_BYTES_MAX];
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        struct hr_lattice_member *member = lattice->members[i];
        if (member->refused && member->presence == HR_LATTICE_MEMBER_ALIVE &&
            !is_refused(lattice, member->said, why)) {
            bool is_first = set_refused(member, false, member->heard_ns);
            tell(lattice, HR_LATTICE_JOINED, member->said, "");
            if (is_first) {
                tell(lattice, HR_LATTICE_NEW_SITE, member->said, "");
            }
            changed = true;
        }
    }
    return changed;
}

void hr_lattice_check_silence(struct hr_lattice *lattice)
{
    bool changed = lattice->table_is_old;
    uint64_t now_ns = hr_now_ns();
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        struct hr_lattice_member *member = lattice->members[i];
        if (member->presence == HR_LATTICE_MEMBER_GONE ||
            now_ns - member->heard_ns < silent_ns(lattice)) {
            continue;
        }
        bool was_alive = is_alive(member);
        uv_mutex_lock(&lattice->lock);
        member->presence = HR_LATTICE_MEMBER_GONE;
        uv_mutex_unlock(&lattice->lock);
        hr_bus_cancel(member->ping);
        member->ping = NULL;
        changed = true;
        if (was_alive) {
            tell(lattice, HR_LATTICE_GONE, member->said, "");
        }
    }
    changed = reconsider(lattice) || changed;
    if (changed) {
        hr_lattice_publish_table(lattice);
    }
}

/* --- pings ------------------------------------------------------------------------------------------ */

static void measure(struct hr_lattice_member *member, uint64_t round_trip_ns, uint64_t now_ns)
{
    struct hr_lattice *lattice = member->lattice;
    uv_mutex_lock(&lattice->lock);
    member->heard_ns = now_ns;
    member->round_trip_ns =
        member->round_trip_ns ? (3 * member->round_trip_ns + round_trip_ns) / 4 : round_trip_ns;
    uv_mutex_unlock(&lattice->lock);
    uint64_t told_ns = member->told_round_trip_ns;
    uint64_t change_ns = member->round_trip_ns > told_ns ? member->round_trip_ns - told_ns
                                                         : told_ns - member->round_trip_ns;
    if (told_ns == 0 || (change_ns > told_ns / 4 && change_ns > ROUND_TRIP_NOISE_NS)) {
        hr_lattice_publish_table(lattice);
    }
}

/* "<boot, 16 hexadecimal digits> <wall clock, ms>" */
static bool read_pong(const struct hr_lattice_member *member, struct hr_str body,
                      uint64_t *ret_wall_ms)
{
    char boot[PING_BOOT_DIGITS + 2];
    snprintf(boot, sizeof boot, "%016llx ", (unsigned long long)member->said->boot);
    return hr_str_starts(body, hr_str_c(boot)) &&
           hr_str_to_u64(hr_str_from(body, PING_BOOT_DIGITS + 1), ret_wall_ms) &&
           *ret_wall_ms <= CLOCK_AHEAD_MS_MAX;
}

/* What the other clock showed when it answered is held against this one in the middle of the way. */
static void compare_clocks(struct hr_lattice_member *member, uint64_t wall_ms,
                           uint64_t round_trip_ns)
{
    struct hr_lattice *lattice = member->lattice;
    int64_t then_ms = (int64_t)(hr_wall_ms() - round_trip_ns / 2 / NS_PER_MS);
    uv_mutex_lock(&lattice->lock);
    member->clock_known = true;
    member->clock_ahead_ms = (int64_t)wall_ms - then_ms;
    uv_mutex_unlock(&lattice->lock);
}

static void on_pong(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct hr_lattice_member *member = arg;
    uint64_t wall_ms;
    member->ping = NULL;
    if (!err && member->presence == HR_LATTICE_MEMBER_ALIVE &&
        read_pong(member, reply->body, &wall_ms)) {
        uint64_t now_ns = hr_now_ns();
        compare_clocks(member, wall_ms, now_ns - member->pinged_ns);
        measure(member, now_ns - member->pinged_ns, now_ns);
    }
}

static void ping(struct hr_lattice_member *member)
{
    struct hr_lattice *lattice = member->lattice;
    char subject[HR_LATTICE_SUBJECT_BYTES];
    snprintf(subject, sizeof subject, "hedgerow.%.*s.ctl.%.*s.ping", HR_STR_ARG(lattice->name),
             HR_STR_ARG(member->said->host));
    const struct hr_bus_msg msg = {.subject = hr_str_c(subject)};
    member->pinged_ns = hr_now_ns();
    enum hr_err err =
        hr_bus_request(lattice->port, &msg, lattice->silent_ms, on_pong, member, &member->ping);
    if (err) {
        member->ping = NULL; /* as one that is lost: there is another in a second */
    }
}

void hr_lattice_ping_all(struct hr_lattice *lattice)
{
    for (uint32_t i = 0; i < lattice->member_count && lattice->connected; i++) {
        struct hr_lattice_member *member = lattice->members[i];
        if (is_alive(member) && !member->ping) {
            ping(member);
        }
    }
}
