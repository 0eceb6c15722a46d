/* Names, distances and ports of the five clouds. */
#include "cli/clouds_plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *place;
} sites[CLOUDS_SITES] = {
    {"cosmonic", "Iowa"}, {"aws", "Virginia"},     {"azure", "Netherlands"},
    {"gcp", "Tokyo"},     {"oracle", "Sao Paulo"},
};

/* Round trips in milliseconds. Source: Microsoft, "Azure network round-trip latency statistics" (95th percentile of
 * 30 days that ended on 30 July 2026), regions Central US, East US, West Europe, Japan East and Brazil South; of
 * the two directions, the larger. One operator's network stands for all five, because nobody publishes the round
 * trips between different operators. */
static const uint16_t round_trips_ms[CLOUDS_SITES][CLOUDS_SITES] = {
    {0, 35, 118, 141, 155},  /* cosmonic */
    {35, 0, 91, 165, 121},   /* aws */
    {118, 91, 0, 242, 191},  /* azure */
    {141, 165, 242, 0, 275}, /* gcp */
    {155, 121, 191, 275, 0}, /* oracle */
};

static const char *const part_names[CLOUDS_PARTS] = {"host", "redis", "nats"};

/* The usual ports: of the first site, and what they are for. */
static const struct {
    uint16_t first;
    const char *what;
} kinds[CLOUDS_PORT_KINDS] = {
    [CLOUDS_PORT_HTTP] = {8081, "http"},         [CLOUDS_PORT_ADMIN] = {9091, "admin"},
    [CLOUDS_PORT_NATS] = {4221, "nats"},         [CLOUDS_PORT_ROUTES] = {6221, "nats routes"},
    [CLOUDS_PORT_MONITOR] = {8221, "nats http"}, [CLOUDS_PORT_REDIS] = {6381, "redis"},
};
#define PROXIES_PORT 8474u
#define FIRST_LINK_PORT 6231u

const char *clouds_site_name(size_t site)
{
    return sites[site].name;
}

const char *clouds_site_place(size_t site)
{
    return sites[site].place;
}

bool clouds_site_find(const char *name, size_t *ret_site)
{
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        if (strcmp(sites[site].name, name) == 0) {
            *ret_site = site;
            return true;
        }
    }
    return false;
}

const char *clouds_part_name(enum clouds_part part)
{
    return part_names[part];
}

bool clouds_part_find(const char *name, enum clouds_part *ret_part)
{
    for (size_t part = 0; part < CLOUDS_PARTS; part++) {
        if (strcmp(part_names[part], name) == 0) {
            *ret_part = (enum clouds_part)part;
            return true;
        }
    }
    return false;
}

uint32_t clouds_round_trip_ms(size_t a, size_t b)
{
    return round_trips_ms[a][b];
}

size_t clouds_link_of(size_t a, size_t b)
{
    size_t low = a < b ? a : b;
    size_t high = a < b ? b : a;
    size_t before = 0;
    for (size_t site = 0; site < low; site++) {
        before += CLOUDS_SITES - 1 - site;
    }
    return before + high - low - 1;
}

void clouds_link_ends(size_t link, size_t *ret_dials, size_t *ret_accepts)
{
    size_t low = 0;
    while (link >= CLOUDS_SITES - 1 - low) {
        link -= CLOUDS_SITES - 1 - low;
        low++;
    }
    *ret_dials = low;
    *ret_accepts = low + 1 + link;
}

const char *clouds_link_name(size_t link, char *name)
{
    size_t dials;
    size_t accepts;
    clouds_link_ends(link, &dials, &accepts);
    snprintf(name, CLOUDS_LINK_NAME_BYTES_MAX, "%s-%s", sites[dials].name, sites[accepts].name);
    return name;
}

uint16_t clouds_port_of(uint32_t base_port, enum clouds_port kind, size_t site)
{
    uint32_t first =
        base_port ? base_port + (uint32_t)kind * CLOUDS_SITES : (uint32_t)kinds[kind].first;
    return (uint16_t)(first + site);
}

uint16_t clouds_port_proxies(uint32_t base_port)
{
    return (uint16_t)(base_port ? base_port + CLOUDS_SITES * (uint32_t)CLOUDS_PORT_KINDS
                                : PROXIES_PORT);
}

uint16_t clouds_port_link(uint32_t base_port, size_t link)
{
    uint32_t first = base_port ? clouds_port_proxies(base_port) + 1u : FIRST_LINK_PORT;
    return (uint16_t)(first + link);
}

uint16_t clouds_port_at(uint32_t base_port, size_t i, char *text)
{
    char name[CLOUDS_LINK_NAME_BYTES_MAX];
    if (i < CLOUDS_SITES * (size_t)CLOUDS_PORT_KINDS) {
        enum clouds_port kind = (enum clouds_port)(i / CLOUDS_SITES);
        size_t site = i % CLOUDS_SITES;
        snprintf(text, CLOUDS_PORT_TEXT_BYTES_MAX, "%s %s", sites[site].name, kinds[kind].what);
        return clouds_port_of(base_port, kind, site);
    }
    i -= CLOUDS_SITES * (size_t)CLOUDS_PORT_KINDS;
    if (i == 0) {
        snprintf(text, CLOUDS_PORT_TEXT_BYTES_MAX, "the proxies' own address");
        return clouds_port_proxies(base_port);
    }
    snprintf(text, CLOUDS_PORT_TEXT_BYTES_MAX, "link %s", clouds_link_name(i - 1, name));
    return clouds_port_link(base_port, i - 1);
}
