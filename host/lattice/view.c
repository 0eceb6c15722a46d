/* What the lattice knows, for people and for actors. Any thread, under the lattice's lock. */
#include <stdlib.h>

#include "host/lattice/impl.h"

#define NS_PER_US 1000u
#define NS_PER_MS ((uint64_t)1000000)

struct hr_str hr_lattice_host_id(const struct hr_lattice *lattice)
{
    return lattice->self->host;
}

struct hr_str hr_lattice_name(const struct hr_lattice *lattice)
{
    return lattice->name;
}

static uint64_t since_ms(uint64_t heard_ns, uint64_t now_ns)
{
    return now_ns > heard_ns ? (now_ns - heard_ns) / NS_PER_MS : 0;
}

static bool is_alive(const struct hr_lattice_member *member)
{
    return member->presence == HR_LATTICE_MEMBER_ALIVE && !member->refused;
}

bool hr_lattice_settled(struct hr_lattice *lattice)
{
    uint64_t now_ns = hr_now_ns();
    uv_mutex_lock(&lattice->lock);
    bool heard = lattice->site_count > 1;
    bool connected = lattice->connected_now && lattice->connected_ns > 0 &&
                     since_ms(lattice->connected_ns, now_ns) >= HR_LATTICE_SETTLED_CONNECTED_MS;
    bool old = since_ms(lattice->opened_ns, now_ns) >= HR_LATTICE_SETTLED_MS;
    uv_mutex_unlock(&lattice->lock);
    return heard || connected || old;
}

/* Under the lock, as all below. */
static struct hr_lattice_site site_at(const struct hr_lattice *lattice, uint32_t at,
                                      uint64_t now_ns)
{
    const struct hr_lattice_seen_site *seen = &lattice->sites[at];
    bool here = at == 0;
    uint64_t heard_ns = seen->heard_ns;
    struct hr_lattice_site site = {
        .id = seen->id,
        .here = here,
        .has_store = seen->has_store,
        .catching_up = here && lattice->catching_up,
        .hosts = here,
    };
    memcpy(site.name, seen->name, sizeof site.name);
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        const struct hr_lattice_member *member = lattice->members[i];
        uint64_t round_trip_us = member->round_trip_ns / NS_PER_US;
        if (member->refused || !hr_str_eq(member->said->site, hr_str_c(seen->name))) {
            continue;
        }
        heard_ns = member->heard_ns > heard_ns ? member->heard_ns : heard_ns;
        site.hosts += is_alive(member);
        site.catching_up = site.catching_up || (is_alive(member) && member->said->catching_up);
        if (is_alive(member) && !here && round_trip_us > 0 &&
            (site.round_trip_us == 0 || round_trip_us < site.round_trip_us)) {
            site.round_trip_us = round_trip_us;
            site.clock_known = member->clock_known;
            site.clock_ahead_ms = member->clock_ahead_ms;
        }
    }
    site.alive = site.hosts > 0;
    site.silent_ms = here ? 0 : since_ms(heard_ns, now_ns);
    return site;
}

static int by_place_and_name(const void *a, const void *b)
{
    const struct hr_lattice_site *x = a;
    const struct hr_lattice_site *y = b;
    return x->here != y->here ? (x->here ? -1 : 1) : strcmp(x->name, y->name);
}

static uint32_t collect_sites(const struct hr_lattice *lattice, struct hr_lattice_site *ret_sites)
{
    uint64_t now_ns = hr_now_ns();
    for (uint32_t i = 0; i < lattice->site_count; i++) {
        ret_sites[i] = site_at(lattice, i, now_ns);
    }
    qsort(ret_sites, lattice->site_count, sizeof *ret_sites, by_place_and_name);
    return lattice->site_count;
}

void hr_lattice_sites(struct hr_lattice *lattice, struct hr_lattice_site *ret_sites, size_t max,
                      size_t *ret_count)
{
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    uv_mutex_lock(&lattice->lock);
    size_t count = collect_sites(lattice, sites);
    uv_mutex_unlock(&lattice->lock);
    count = count < max ? count : max;
    memcpy(ret_sites, sites, count * sizeof *sites);
    *ret_count = count;
}

void hr_lattice_stats(struct hr_lattice *lattice, struct hr_lattice_stats *ret_stats)
{
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    uv_mutex_lock(&lattice->lock);
    *ret_stats = lattice->stats;
    ret_stats->hosts_alive = hr_lattice_alive_count(lattice) + 1;
    uint32_t count = collect_sites(lattice, sites);
    uv_mutex_unlock(&lattice->lock);
    for (uint32_t i = 0; i < count; i++) {
        ret_stats->sites_alive += sites[i].alive;
        ret_stats->sites_catching_up += sites[i].catching_up;
    }
}

/* --- JSON ------------------------------------------------------------------------------------------- */

static enum hr_err append_round_trip(struct hr_buf *buf, uint64_t round_trip_us)
{
    return round_trip_us
               ? hr_buf_printf(buf, "%llu.%03llu", (unsigned long long)(round_trip_us / 1000),
                               (unsigned long long)(round_trip_us % 1000))
               : hr_buf_append(buf, HR_STR("null"));
}

/* One host: the own one when @member is NULL. */
static enum hr_err append_host(struct hr_buf *buf, const struct hr_lattice_announcement *said,
                               const struct hr_lattice_member *member, uint64_t now_ns)
{
    static const char *const presence[] = {"alive", "leaving", "gone"};
    const char *state = !member           ? "alive"
                        : member->refused ? "refused"
                                          : presence[member->presence];
    /* Ids, names and versions have been checked: nothing in them needs an escape. */
    enum hr_err err = hr_buf_printf(
        buf,
        "{\"host\": \"%.*s\", \"site\": \"%.*s\", \"site_id\": %u, \"here\": %s, \"alive\": %s, "
        "\"state\": \"%s\", \"catching_up\": %s, \"version\": \"%.*s\", \"started\": %llu, "
        "\"load\": %u, "
        "\"silent_ms\": %llu, \"round_trip_ms\": ",
        HR_STR_ARG(said->host), HR_STR_ARG(said->site), said->site_id, member ? "false" : "true",
        !member || is_alive(member) ? "true" : "false", state, said->catching_up ? "true" : "false",
        HR_STR_ARG(said->version), (unsigned long long)said->started_ms, said->load,
        (unsigned long long)(member ? since_ms(member->heard_ns, now_ns) : 0));
    if (!err) {
        err = append_round_trip(buf, member ? member->round_trip_ns / NS_PER_US : 0);
    }
    if (!err) {
        err = hr_buf_append(buf, HR_STR(", \"store\": "));
    }
    if (!err) {
        err = hr_lattice_append_hex(buf, said->store_id, sizeof said->store_id);
    }
    if (!err) {
        err = hr_buf_append(buf, HR_STR(", \"serves\": "));
    }
    if (!err) {
        err = hr_lattice_append_served(buf, said);
    }
    return err ? err : hr_buf_append_byte(buf, '}');
}

static enum hr_err append_site(struct hr_buf *buf, const struct hr_lattice_site *site)
{
    enum hr_err err = hr_buf_printf(
        buf,
        "{\"name\": \"%s\", \"id\": %u, \"here\": %s, \"alive\": %s, \"store\": %s, "
        "\"catching_up\": %s, \"hosts\": %u, "
        "\"silent_ms\": %llu, \"round_trip_ms\": ",
        site->name, site->id, site->here ? "true" : "false", site->alive ? "true" : "false",
        site->has_store ? "true" : "false", site->catching_up ? "true" : "false", site->hosts,
        (unsigned long long)site->silent_ms);
    if (!err) {
        err = append_round_trip(buf, site->round_trip_us);
    }
    if (!err && site->clock_known) {
        err = hr_buf_printf(buf, ", \"clock_ahead_ms\": %lld", (long long)site->clock_ahead_ms);
    } else if (!err) {
        err = hr_buf_append(buf, HR_STR(", \"clock_ahead_ms\": null"));
    }
    return err ? err : hr_buf_append_byte(buf, '}');
}

static enum hr_err append_sites(struct hr_lattice *lattice, struct hr_buf *buf)
{
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    uint32_t count = collect_sites(lattice, sites);
    enum hr_err err = HR_OK;
    for (uint32_t i = 0; i < count && !err; i++) {
        err = i > 0 ? hr_buf_append(buf, HR_STR(", ")) : HR_OK;
        if (!err) {
            err = append_site(buf, &sites[i]);
        }
    }
    return err;
}

static enum hr_err append_all(struct hr_lattice *lattice,
                              const struct hr_lattice_announcement *self, struct hr_buf *buf)
{
    uint64_t now_ns = hr_now_ns();
    enum hr_err err =
        hr_buf_printf(buf,
                      "{\"lattice\": \"%.*s\", \"host\": \"%.*s\", \"site\": \"%.*s\", "
                      "\"connected\": %s, \"hosts\": [",
                      HR_STR_ARG(lattice->name), HR_STR_ARG(self->host), HR_STR_ARG(self->site),
                      lattice->connected_now ? "true" : "false");
    if (!err) {
        err = append_host(buf, self, NULL, now_ns);
    }
    for (uint32_t i = 0; i < lattice->member_count && !err; i++) {
        err = hr_buf_append(buf, HR_STR(", "));
        if (!err) {
            err = append_host(buf, lattice->members[i]->said, lattice->members[i], now_ns);
        }
    }
    if (!err) {
        err = hr_buf_append(buf, HR_STR("], \"sites\": ["));
    }
    if (!err) {
        err = append_sites(lattice, buf);
    }
    return err ? err : hr_buf_append(buf, HR_STR("]}"));
}

enum hr_err hr_lattice_render_json(struct hr_lattice *lattice, struct hr_buf *buf)
{
    size_t before = buf->len;
    struct hr_lattice_announcement *self = hr_lattice_own_announcement(lattice, false);
    if (!self) {
        return HR_NO_MEMORY;
    }
    uv_mutex_lock(&lattice->lock);
    enum hr_err err = append_all(lattice, self, buf);
    uv_mutex_unlock(&lattice->lock);
    hr_lattice_announcement_unref(self);
    if (err) {
        buf->len = before;
    }
    return err;
}
