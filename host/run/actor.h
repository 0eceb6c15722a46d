/* An actor as the host runs it: its module made ready to instantiate, its limits and its links.
 * Immutable once it is loaded, except for counters: any thread.
 *
 * Deny by default: only interfaces that a link grants are defined for the module, so an ungranted
 * import makes loading fail, with its name and what to add to the manifest.
 */
#ifndef HR_ACTOR_H
#define HR_ACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/run/engine.h"
#include "host/run/module.h"

#define HR_ACTOR_NAME_BYTES_MAX 64u

struct hr_fibers;
struct hr_counter;
struct hr_gauge;
struct hr_histogram;
struct hr_imports;

struct hr_actor_limits {
    uint64_t memory_bytes;
    uint32_t cpu_ms;
    uint32_t wall_ms;
    uint32_t concurrent; /* calls at once, over all workers */
    uint32_t queue;      /* calls waiting for one of those, over all workers */
    size_t body_bytes;   /* of a request or response */
};

struct hr_actor_config {
    struct hr_str key;
    struct hr_str value;
};

/* What the links say, besides granting interfaces. Lists keep until the actor is freed. */
struct hr_actor_links {
    const struct hr_str
        *interfaces; /* granted, without version: "wasi:http/types", or a whole package by a star */
    size_t interface_count;
    const struct hr_str *publish; /* subject patterns that may be published or requested */
    size_t publish_count;
    const struct hr_str *safe; /* of those, whose requests change nothing */
    size_t safe_count;
    const struct hr_str *idempotent; /* and which may be repeated */
    size_t idempotent_count;
    const struct hr_str *gather;
    size_t gather_count;
    const struct hr_str *buckets;
    size_t bucket_count;
    size_t store; /* index of the host's store */
    const struct hr_actor_config *config;
    size_t config_count;
    struct hr_str assets; /* the actor that get-asset calls; empty = none */
};

/* The exports that the host knows how to call. */
enum hr_export {
    HR_EXPORT_HTTP_HANDLE,
    HR_EXPORT_HANDLE_MESSAGE,
    HR_EXPORT_HANDLE_BATCH,
    HR_EXPORT_GET_ASSET,
    HR_EXPORT_COUNT
};

struct hr_actor {
    char name[HR_ACTOR_NAME_BYTES_MAX + 1];
    struct hr_engine *engine;
    struct hr_module module;
    wasmtime_linker_t *linker;
    wasmtime_instance_pre_t *pre;
    char *exports[HR_EXPORT_COUNT]; /* the name as this module spells it, or NULL */
    struct hr_actor_limits limits;
    struct hr_actor_links links;
    /* Metrics, set by host_metrics.c before the first call; NULL where nobody counts. */
    struct hr_gauge *running;
    struct hr_gauge *queued;
    struct hr_counter *calls[HR_EXPORT_COUNT];
    struct hr_counter *errors[HR_EXPORT_COUNT];
    struct hr_counter *refused[HR_EXPORT_COUNT];
    struct hr_histogram *latency[HR_EXPORT_COUNT];
};

struct hr_actor_options {
    struct hr_str name;
    struct hr_str bytes; /* the module */
    struct hr_actor_limits limits;
    struct hr_actor_links links;
    const struct hr_imports *imports; /* what there is to be granted */
    /* Says which manifest line would grant @interface; for the error's text. */
    void (*advise)(struct hr_str actor, struct hr_str interface, char *ret_advice, size_t size);
};

/* Compiles (or takes from the cache), links and checks the module. Borrows the bytes, keeps the
 * links' lists. The diag names actor, import or export, and what to do. Errors: HR_BAD_INPUT,
 * HR_DENIED (an import that no link grants), HR_UNSUPPORTED, HR_NO_MEMORY. Blocks.
 * Returns own: hr_actor_free. */
HR_MUST_CHECK enum hr_err hr_actor_load(struct hr_engine *engine,
                                        const struct hr_actor_options *options,
                                        struct hr_actor **ret_actor, struct hr_diag *diag);
/* No call of it is in flight. Accepts NULL. */
void hr_actor_free(struct hr_actor *actor);
/* The export's short name for logs and metrics: "incoming-handler.handle". */
const char *hr_actor_export_name(enum hr_export id);
/* Whether a list of subject patterns allows @subject. */
bool hr_actor_subject_allowed(const struct hr_str *patterns, size_t count, struct hr_str subject);

#endif
