/* Which numbers a host shows, and under which names. */
#include "host/host_metrics.h"

#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "host/lattice/bus.h"
#include "host/host_process.h"

#define READERS_MAX 256u

/* Statistics are structs whose members are all uint64_t; each number is found by its offset there. */
union statistics {
    struct hr_kv_stats store;
    struct hr_bus_stats bus;
    struct hr_lattice_stats lattice;
    struct hr_bus_lattice_stats choice;
};

typedef void (*statistics_read)(void *source, union statistics *ret);

struct reader {
    statistics_read read;
    void *source;
    size_t offset;
};

struct hr_host_metrics {
    struct hr_metrics *registry;
    struct reader readers[READERS_MAX];
    size_t reader_count;
};

struct statistic {
    const char *name;
    const char *help;
    enum hr_metric_type type;
    size_t offset;
};

static const struct statistic store_statistics[] = {
    {"hedgerow_store_reads_total", "Reads of the store.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, reads)},
    {"hedgerow_store_commits_total", "Commits that were applied.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, commits)},
    {"hedgerow_store_conflicts_total", "Commits that failed a check.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, conflicts)},
    {"hedgerow_store_errors_total", "Commits that failed otherwise.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, errors)},
    {"hedgerow_store_syncs_total", "Group commits.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, syncs)},
    {"hedgerow_store_bytes", "Space that the store has taken.", HR_METRIC_GAUGE,
     offsetof(struct hr_kv_stats, map_bytes)},
    {"hedgerow_store_used_bytes", "Space of it that holds data; the rest is used again.",
     HR_METRIC_GAUGE, offsetof(struct hr_kv_stats, map_bytes_used)},
    {"hedgerow_store_queued", "Commits that wait.", HR_METRIC_GAUGE,
     offsetof(struct hr_kv_stats, queued)},
    {"hedgerow_store_unremembered_total",
     "Commits to a lazy store of which nobody will know whether they are lost.", HR_METRIC_COUNTER,
     offsetof(struct hr_kv_stats, unremembered)},
};

static const struct statistic bus_statistics[] = {
    {"hedgerow_bus_published_total", "Messages published.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_stats, published)},
    {"hedgerow_bus_delivered_total", "Messages delivered.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_stats, delivered)},
    {"hedgerow_bus_dropped_total", "Messages dropped at slow consumers.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_stats, dropped)},
    {"hedgerow_bus_requests_total", "Requests made.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_stats, requests)},
    {"hedgerow_bus_timeouts_total", "Requests that nobody answered in time.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_stats, timeouts)},
    {"hedgerow_bus_no_responders_total", "Requests to subjects without a subscriber.",
     HR_METRIC_COUNTER, offsetof(struct hr_bus_stats, no_responders)},
    {"hedgerow_bus_subscriptions", "Subscriptions.", HR_METRIC_GAUGE,
     offsetof(struct hr_bus_stats, subscriptions)},
    {"hedgerow_bus_pending", "Messages queued for their subscribers.", HR_METRIC_GAUGE,
     offsetof(struct hr_bus_stats, pending)},
};

static const struct statistic lattice_statistics[] = {
    {"hedgerow_lattice_hosts_alive", "Hosts of the lattice, this one among them.", HR_METRIC_GAUGE,
     offsetof(struct hr_lattice_stats, hosts_alive)},
    {"hedgerow_lattice_sites_alive", "Sites of the lattice, this one among them.", HR_METRIC_GAUGE,
     offsetof(struct hr_lattice_stats, sites_alive)},
    {"hedgerow_lattice_sites_catching_up", "Sites of those that leave their clients to others.",
     HR_METRIC_GAUGE, offsetof(struct hr_lattice_stats, sites_catching_up)},
    {"hedgerow_lattice_conflicts_total", "Hosts that could not be together with one before them.",
     HR_METRIC_COUNTER, offsetof(struct hr_lattice_stats, conflicts)},
    {"hedgerow_lattice_malformed_total", "Announcements that were not understood.",
     HR_METRIC_COUNTER, offsetof(struct hr_lattice_stats, malformed)},
};

static const struct statistic choice_statistics[] = {
    {"hedgerow_requests_local_total", "Requests first sent to this host.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, requests_local)},
    {"hedgerow_requests_remote_total", "Requests first sent to another host.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, requests_remote)},
    {"hedgerow_requests_plain_total", "Requests whose subject no host announced.",
     HR_METRIC_COUNTER, offsetof(struct hr_bus_lattice_stats, requests_plain)},
    {"hedgerow_hedges_total", "Second attempts beside a slow first one.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, hedges)},
    {"hedgerow_hedges_won_total", "Of those, the ones that answered first.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, hedges_won)},
    {"hedgerow_hedges_saved_total", "Hedges that the budget did not allow.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, hedges_saved)},
    {"hedgerow_failovers_total", "Further attempts after a failure.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, failovers)},
    {"hedgerow_refusals_total", "Attempts that were refused.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, refusals)},
    {"hedgerow_replies_dropped_total", "Replies that came after a better one.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, replies_dropped)},
    {"hedgerow_explorations_total", "Copies of requests that measure a responder.",
     HR_METRIC_COUNTER, offsetof(struct hr_bus_lattice_stats, explorations)},
    {"hedgerow_stalls_total", "Responders that stopped answering.", HR_METRIC_COUNTER,
     offsetof(struct hr_bus_lattice_stats, stalls)},
};

static void read_store(void *source, union statistics *ret)
{
    hr_kv_stats(source, &ret->store);
}

static void read_bus(void *source, union statistics *ret)
{
    hr_bus_stats(source, &ret->bus);
}

static void read_lattice(void *source, union statistics *ret)
{
    hr_lattice_stats(source, &ret->lattice);
}

static void read_choice(void *source, union statistics *ret)
{
    hr_bus_lattice_stats(source, &ret->choice);
}

static double read_statistic(void *arg)
{
    const struct reader *reader = arg;
    union statistics stats;
    reader->read(reader->source, &stats);
    uint64_t value;
    memcpy(&value, (const char *)&stats + reader->offset, sizeof value);
    return (double)value;
}

/* @store_index: the label of a store's, NULL for others. */
static enum hr_err add_statistics(struct hr_host_metrics *metrics,
                                  const struct statistic *statistics, size_t count,
                                  const struct reader *prototype, const char *store_index,
                                  struct hr_diag *diag)
{
    const struct hr_metric_label label = {HR_STR("store"),
                                          hr_str_c(store_index ? store_index : "")};
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < count && !err; i++) {
        if (metrics->reader_count == READERS_MAX) {
            return hr_diag_set(diag, HR_BUSY, "more than %u statistics", READERS_MAX);
        }
        struct reader *reader = &metrics->readers[metrics->reader_count++];
        *reader = *prototype;
        reader->offset = statistics[i].offset;
        const struct hr_metric_desc desc = {
            .name = hr_str_c(statistics[i].name),
            .help = hr_str_c(statistics[i].help),
            .labels = &label,
            .label_count = store_index ? 1 : 0,
        };
        err = hr_metrics_read(metrics->registry, statistics[i].type, &desc, read_statistic, reader,
                              diag);
    }
    return err;
}

/* A series that is always 1; its labels are what it tells. */
static enum hr_err add_info(struct hr_metrics *registry, struct hr_str site, struct hr_diag *diag)
{
    const struct hr_metric_label labels[] = {
        {HR_STR("version"), HR_STR(HEDGEROW_VERSION)},
        {HR_STR("site"), site},
    };
    const struct hr_metric_desc desc = {.name = HR_STR("hedgerow_info"),
                                        .help = HR_STR("Version and site of this host."),
                                        .labels = labels,
                                        .label_count = sizeof labels / sizeof *labels};
    struct hr_gauge *info;
    enum hr_err err = hr_metrics_gauge(registry, &desc, &info, diag);
    if (!err) {
        hr_gauge_set(info, 1);
    }
    return err;
}

static enum hr_err add_export(struct hr_metrics *registry, struct hr_actor *actor,
                              enum hr_export id, struct hr_diag *diag)
{
    const struct hr_metric_label labels[] = {
        {HR_STR("actor"), hr_str_c(actor->name)},
        {HR_STR("export"), hr_str_c(hr_actor_export_name(id))},
    };
    struct hr_metric_desc desc = {.labels = labels, .label_count = 2};
    desc.name = HR_STR("hedgerow_calls_total");
    desc.help = HR_STR("Calls that have ended.");
    enum hr_err err = hr_metrics_counter(registry, &desc, &actor->calls[id], diag);
    if (!err) {
        desc.name = HR_STR("hedgerow_call_errors_total");
        desc.help = HR_STR("Calls that ended by a trap, a limit or another failure.");
        err = hr_metrics_counter(registry, &desc, &actor->errors[id], diag);
    }
    if (!err) {
        desc.name = HR_STR("hedgerow_calls_refused_total");
        desc.help = HR_STR("Calls that were not begun because too many ran and waited.");
        err = hr_metrics_counter(registry, &desc, &actor->refused[id], diag);
    }
    if (!err) {
        desc.name = HR_STR("hedgerow_call_seconds");
        desc.help = HR_STR("Time from submission to end of a call.");
        err = hr_metrics_histogram(registry, &desc, &actor->latency[id], diag);
    }
    return err;
}

static enum hr_err add_actor(struct hr_metrics *registry, struct hr_actor *actor,
                             struct hr_diag *diag)
{
    const struct hr_metric_label label = {HR_STR("actor"), hr_str_c(actor->name)};
    struct hr_metric_desc desc = {.labels = &label, .label_count = 1};
    desc.name = HR_STR("hedgerow_calls_running");
    desc.help = HR_STR("Calls that have an instance of the pool.");
    enum hr_err err = hr_metrics_gauge(registry, &desc, &actor->running, diag);
    if (!err) {
        desc.name = HR_STR("hedgerow_calls_queued");
        desc.help = HR_STR("Calls that wait for one.");
        err = hr_metrics_gauge(registry, &desc, &actor->queued, diag);
    }
    for (int id = 0; id < HR_EXPORT_COUNT && !err; id++) {
        if (actor->exports[id]) {
            err = add_export(registry, actor, (enum hr_export)id, diag);
        }
    }
    return err;
}

static enum hr_err add_buses(struct hr_host_metrics *metrics,
                             const struct hr_host_metrics_sources *sources, struct hr_diag *diag)
{
    const struct reader bus = {.read = read_bus, .source = sources->bus};
    const struct reader lattice = {.read = read_lattice, .source = sources->lattice};
    const struct reader choice = {.read = read_choice, .source = sources->bus};
    enum hr_err err = add_statistics(
        metrics, bus_statistics, sizeof bus_statistics / sizeof *bus_statistics, &bus, NULL, diag);
    if (err || !sources->lattice) {
        return err;
    }
    err = add_statistics(metrics, lattice_statistics,
                         sizeof lattice_statistics / sizeof *lattice_statistics, &lattice, NULL,
                         diag);
    return err ? err
               : add_statistics(metrics, choice_statistics,
                                sizeof choice_statistics / sizeof *choice_statistics, &choice, NULL,
                                diag);
}

enum hr_err hr_host_metrics_new(const struct hr_host_metrics_sources *sources,
                                struct hr_host_metrics **ret_metrics, struct hr_diag *diag)
{
    struct hr_host_metrics *metrics = hr_alloc(sizeof *metrics);
    if (metrics) {
        metrics->registry = hr_metrics_new();
    }
    if (!metrics || !metrics->registry) {
        hr_free(metrics);
        return hr_diag_set(diag, HR_NO_MEMORY, "metrics");
    }
    enum hr_err err = add_info(metrics->registry, sources->site, diag);
    err = err ? err : hr_host_process_metrics(metrics->registry, diag);
    for (size_t i = 0; i < sources->actor_count && !err; i++) {
        err = add_actor(metrics->registry, sources->actors[i], diag);
    }
    for (size_t i = 0; i < sources->store_count && !err; i++) {
        const struct reader prototype = {.read = read_store, .source = sources->stores[i]};
        char index[16];
        snprintf(index, sizeof index, "%zu", i);
        err = add_statistics(metrics, store_statistics,
                             sizeof store_statistics / sizeof *store_statistics, &prototype, index,
                             diag);
    }
    err = err ? err : add_buses(metrics, sources, diag);
    if (err) {
        hr_host_metrics_free(metrics);
        return hr_diag_prefix(diag, err, "metrics");
    }
    *ret_metrics = metrics;
    return HR_OK;
}

void hr_host_metrics_free(struct hr_host_metrics *metrics)
{
    if (metrics) {
        hr_metrics_free(metrics->registry);
        hr_free(metrics);
    }
}

enum hr_err hr_host_metrics_render(struct hr_host_metrics *metrics, struct hr_buf *buf)
{
    return hr_metrics_render(metrics->registry, buf);
}
