/* What the five clouds are, before anything runs: their names, where they are said to be, how far apart, which
 * port is whose. Pure: no file, no process, no socket.
 *
 * Each site has a nats-server. Two of them are joined by one link: the site with the lower number dials, through
 * a proxy that delays each direction by half of the round trip. That one end dials, and no more, keeps two
 * connections of a pair from replacing each other for ever, which is what happens when both dial over a slow link. */
#ifndef CLI_CLOUDS_PLAN_H
#define CLI_CLOUDS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOUDS_SITES 5u
#define CLOUDS_LINKS (CLOUDS_SITES * (CLOUDS_SITES - 1u) / 2u)
#define CLOUDS_LINK_NAME_BYTES_MAX 32u

/* The processes of a site, in the order in which they are shown. */
enum clouds_part { CLOUDS_HOST, CLOUDS_REDIS, CLOUDS_NATS, CLOUDS_PARTS };

/* What a site listens for. */
enum clouds_port {
    CLOUDS_PORT_HTTP,
    CLOUDS_PORT_ADMIN,
    CLOUDS_PORT_NATS,    /* clients of its nats-server */
    CLOUDS_PORT_ROUTES,  /* other nats-servers */
    CLOUDS_PORT_MONITOR, /* its nats-server's own HTTP */
    CLOUDS_PORT_REDIS,
    CLOUDS_PORT_KINDS
};

/* All of them, with the proxies' own address and one for each link. */
#define CLOUDS_PORTS (CLOUDS_SITES * (uint32_t)CLOUDS_PORT_KINDS + 1u + CLOUDS_LINKS)
#define CLOUDS_BASE_PORT_MIN 1024u
#define CLOUDS_BASE_PORT_MAX (65535u - CLOUDS_PORTS + 1u)

const char *clouds_site_name(size_t site);
/* Where the round trips say that it is ("Iowa"). */
const char *clouds_site_place(size_t site);
bool clouds_site_find(const char *name, size_t *ret_site);

const char *clouds_part_name(enum clouds_part part);
bool clouds_part_find(const char *name, enum clouds_part *ret_part);

/* The added round trip between two sites; 0 from a site to itself. */
uint32_t clouds_round_trip_ms(size_t a, size_t b);

/* The link of two different sites, in any order. */
size_t clouds_link_of(size_t a, size_t b);
/* @ret_dials < @ret_accepts. */
void clouds_link_ends(size_t link, size_t *ret_dials, size_t *ret_accepts);
/* "cosmonic-aws", into CLOUDS_LINK_NAME_BYTES_MAX bytes. Returns @name. */
const char *clouds_link_name(size_t link, char *name);

/* @base_port is the first of CLOUDS_PORTS consecutive ports, or 0: the usual ones (8081 to 8085 and so on). */
uint16_t clouds_port_of(uint32_t base_port, enum clouds_port kind, size_t site);
uint16_t clouds_port_proxies(uint32_t base_port);
uint16_t clouds_port_link(uint32_t base_port, size_t link);
/* What a port is for ("aws redis", "link cosmonic-aws"), for the number @i of all CLOUDS_PORTS; @text has
 * CLOUDS_PORT_TEXT_BYTES_MAX bytes. */
#define CLOUDS_PORT_TEXT_BYTES_MAX 64u
uint16_t clouds_port_at(uint32_t base_port, size_t i, char *text);

#endif
