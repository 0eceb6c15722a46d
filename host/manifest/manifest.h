/* The manifest: what one host is to run and how, as a YAML file and variables that override it
 * (docs/manifest.md has the reference). This file reads and checks; it opens, listens and starts
 * nothing. All that is wrong is reported, not only the first thing, each with file, line, column, key
 * and what would be right.
 *
 * Any thread; blocks on the files it reads. Knows nothing of how any of it is carried out.
 */
#ifndef HR_MANIFEST_H
#define HR_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/kv/kv.h"
#include "host/manifest/link.h"
#include "host/obs/log.h"

#define HR_MANIFEST_BYTES_MAX (1u << 20)
#define HR_MANIFEST_PROBLEMS_MAX 20u
#define HR_MANIFEST_NAME_BYTES_MAX 32u /* lattice, site, actor */
#define HR_MANIFEST_ACTORS_MAX 64u
#define HR_MANIFEST_LIST_MAX 256u  /* subjects, subscriptions, buckets, config values of an actor */
#define HR_MANIFEST_ROUTES_MAX 64u /* of all actors */
#define HR_MANIFEST_NATS_MAX 16u
#define HR_MANIFEST_SITES_MAX 32u /* as many as a group of the kv actor has */
#define HR_MANIFEST_WORKERS_MAX 256u
#define HR_MANIFEST_BATCH_MAX 64u
#define HR_MANIFEST_EVERY_MS_MIN 10u
#define HR_MANIFEST_EVERY_MS_MAX 3600000u
#define HR_MANIFEST_WRITE_ACKS_MAX 32u
#define HR_MANIFEST_CONFIG_BYTES_MAX (64u << 10) /* a value, or a link's JSON file */
#define HR_MANIFEST_DIGEST_BYTES 32u

struct hr_manifest_limits {
    uint64_t memory_bytes; /* of one instance */
    uint32_t cpu_ms;       /* of one call */
    uint32_t wall_ms;      /* of one call */
    uint32_t concurrent;   /* calls at once */
    uint32_t queue;        /* calls waiting for one of those */
    uint64_t body_bytes;   /* of a request or response */
};

struct hr_manifest_list {
    const struct hr_str *items;
    size_t count;
};

struct hr_manifest_subscription {
    struct hr_str subject;
    struct hr_str queue; /* empty = every message */
    uint32_t batch;      /* 0 = one call a message */
    uint32_t every_ms;   /* not 0: no subscription; the host calls that often */
    bool no_echo;        /* not what this host publishes */
    bool unordered;      /* its batches beside the actor's others, on every worker */
};

struct hr_manifest_value {
    struct hr_str key;
    struct hr_str value;
};

struct hr_manifest_actor {
    struct hr_str name;
    struct hr_str file; /* empty = the actor of that name that is built into the program */
    bool has_digest;
    unsigned char digest[HR_MANIFEST_DIGEST_BYTES]; /* SHA-256; see hr_manifest_check_digest */
    struct hr_manifest_limits limits;
    uint32_t links; /* bit 1 << enum hr_link */
    /* What the links say; empty for those that are not there. */
    struct hr_manifest_list routes;     /* http */
    struct hr_manifest_list publish;    /* messaging: subject patterns */
    struct hr_manifest_list safe;       /* messaging: of requests, hr_bus_repeat */
    struct hr_manifest_list idempotent; /* messaging: the same */
    const struct hr_manifest_subscription *subscriptions; /* messaging */
    size_t subscription_count;
    struct hr_manifest_list gather;         /* subject patterns */
    struct hr_manifest_list buckets;        /* keyvalue */
    struct hr_str store;                    /* keyvalue: its URL, the site's if it names none */
    const struct hr_manifest_value *values; /* config */
    size_t value_count;
    struct hr_str assets; /* the actor that is called */
};

/* Paths; empty = none. */
struct hr_manifest_nats_files {
    struct hr_str creds; /* a user's JWT and seed */
    struct hr_str nkey;  /* a user's seed */
    struct hr_str ca;    /* PEM: who may have signed the servers' certificates */
    struct hr_str cert;  /* PEM: this host's own */
    struct hr_str key;
};

/* A site of the lattice, by the list of all of them. */
struct hr_manifest_site {
    struct hr_str name;
    uint16_t id;
};

/* Strings and lists live in the arena and end with a terminator that is not counted. */
struct hr_manifest {
    struct hr_arena arena;
    struct hr_str lattice;
    struct hr_str site;
    uint16_t site_id;    /* 0 = not given */
    struct hr_str http;  /* "127.0.0.1:8080", "[::1]:8080", ":8080" for every interface */
    struct hr_str admin; /* the same; empty = none */
    struct hr_str store; /* "lmdb:<folder>" or "redis://..." */
    enum hr_kv_durability durability;
    struct hr_str host;           /* its id in the lattice; empty = drawn at each start */
    struct hr_manifest_list nats; /* URLs; none = a lattice within this process */
    struct hr_manifest_nats_files nats_files;
    const struct hr_manifest_site *sites; /* all there are, this one too; none = not given */
    size_t site_count;
    struct hr_str write_acks; /* a number, "majority" or "all" */
    bool hedge;               /* slow safe requests go to a second responder */
    uint32_t workers;         /* 0 = one for each core */
    enum hr_log_level log;
    const struct hr_manifest_actor *actors; /* in the order of the file */
    size_t actor_count;
};

/* What a person should read. Caller's storage; written anew by each load. */
struct hr_manifest_report {
    struct hr_diag problems[HR_MANIFEST_PROBLEMS_MAX];
    size_t problem_count;
    size_t problems_left_out; /* beyond those */
    struct hr_diag warnings[HR_MANIFEST_PROBLEMS_MAX];
    size_t warning_count;
};

/* Reads the manifest at @path, or the built-in one (the TODO application) when @path is NULL, then
 * the overriding variables in @environment (entries "NAME=value", ended by NULL; NULL = none).
 * Owns:   borrows; on success the manifest is returned own: hr_manifest_free. Nothing on an error.
 * Errors: HR_BAD_INPUT, HR_NOT_FOUND (no such file), HR_TOO_BIG, HR_DENIED, HR_IO, HR_NO_MEMORY; the
 *         report says why in each case. Warnings may be there on success too. */
HR_MUST_CHECK enum hr_err hr_manifest_load(const char *path, const char *const *environment,
                                           struct hr_manifest **ret_manifest,
                                           struct hr_manifest_report *report);
/* The same for @text, called @name in the report; relative paths in it start at @folder ("" = the
 * current one). */
HR_MUST_CHECK enum hr_err hr_manifest_parse(struct hr_str text, const char *name,
                                            struct hr_str folder, const char *const *environment,
                                            struct hr_manifest **ret_manifest,
                                            struct hr_manifest_report *report);
/* Accepts NULL. */
void hr_manifest_free(struct hr_manifest *manifest);

/* HR_DENIED when the actor has a digest and @module is something else; the diag gives both. */
HR_MUST_CHECK enum hr_err hr_manifest_check_digest(const struct hr_manifest_actor *actor,
                                                   struct hr_str module, struct hr_diag *diag);
/* The site's number: its `site-id`, else 1 if it is alone (no `nats`), else one that comes from its name; two sites
 * whose numbers are the same find out when they meet. */
uint16_t hr_manifest_site_number(const struct hr_manifest *manifest);
/* Whether @actor has @link. */
static inline bool hr_manifest_has_link(const struct hr_manifest_actor *actor, enum hr_link link)
{
    return (actor->links >> link & 1u) != 0;
}
/* The built-in manifest's text. Static storage. */
struct hr_str hr_manifest_default_text(void);

#endif
