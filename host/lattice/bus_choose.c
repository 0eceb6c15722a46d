/* Who could answer a request: this host if it subscribes, and every other that announced a matching subject. */
#include "host/lattice/bus_impl.h"

static bool has_tried(const struct hr_bus_lattice_request *request, uint64_t host)
{
    for (uint32_t i = 0; i < request->tried_count; i++) {
        if (request->tried[i] == host) {
            return true;
        }
    }
    return false;
}

static bool is_among(const struct hr_responder_option *options, size_t count, uint64_t host)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].owner == host) {
            return true;
        }
    }
    return false;
}

static bool add(struct hr_bus_lattice_port *port, struct hr_responder_option *option, uint64_t key,
                const struct hr_lattice_table_host *host, uint64_t now_ns)
{
    *option = (struct hr_responder_option){
        .responder = hr_responders_get(port->responders, key, now_ns),
        .prior_ns = host ? host->round_trip_ns : 0,
        .here = host == NULL,
        .owner = host ? host->number : HR_BUS_LATTICE_HERE,
    };
    return option->responder != NULL;
}

/* A subject under this host's name has to be one still. */
static bool fits_by_name(const struct hr_bus_lattice_port *port, struct hr_str subject)
{
    size_t name_bytes = strlen(port->prefix) + strlen("large") + HR_LATTICE_HOST_BYTES_MAX;
    return subject.len + name_bytes <= HR_BUS_SUBJECT_BYTES_MAX;
}

size_t hr_bus_lattice_candidates(struct hr_bus_lattice_port *port,
                                 const struct hr_bus_lattice_request *request,
                                 struct hr_str subject, struct hr_responder_option *ret_options,
                                 size_t *ret_well)
{
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    uint64_t now_ns = hr_now_ns();
    uint64_t here_key = 1; /* the same subject's, here: known by the first pattern that matches */
    size_t count = 0;
    bool is_local = hr_bus_lattice_is_local(subject) || !fits_by_name(port, subject);
    hr_bus_index_walk_init(&walk, &port->table->index, subject);
    while (!is_local && port->table->entry_count > 0 && count + 1 < HR_BUS_LATTICE_OPTIONS_MAX &&
           (entry = hr_bus_index_walk_next(&walk))) {
        const struct hr_lattice_table_entry *at =
            HR_LIST_OWNER(entry, struct hr_lattice_table_entry, entry);
        here_key = here_key == 1 ? at->pattern_key : here_key;
        if (!has_tried(request, at->host->number) &&
            !is_among(ret_options, count, at->host->number)) {
            count += add(port, &ret_options[count], at->key, at->host, now_ns);
        }
    }
    if (!has_tried(request, HR_BUS_LATTICE_HERE) &&
        hr_bus_has_interest(port->local->bus, subject)) {
        count += add(port, &ret_options[count], here_key, NULL, now_ns);
    }
    *ret_well = hr_responders_order(port->responders, request->repeat == HR_BUS_ONCE, now_ns,
                                    ret_options, count);
    return count;
}
