/* The links that a manifest can give an actor, and the WIT interfaces that each of them grants: one
 * table, read by the manifest (which names are known), by the host (what to define for a module) and
 * by its error texts (which link is missing). Static data, any thread. Knows nothing of how an
 * interface is carried out. */
#ifndef HR_LINK_H
#define HR_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum hr_link {
    HR_LINK_HTTP,
    HR_LINK_MESSAGING,
    HR_LINK_KEYVALUE,
    HR_LINK_COMMIT,
    HR_LINK_CONFIG,
    HR_LINK_LOGGING,
    HR_LINK_CLOCKS,
    HR_LINK_RANDOM,
    HR_LINK_CLI,
    HR_LINK_GATHER,
    HR_LINK_LATTICE,
    HR_LINK_ASSETS,
    HR_LINK_COUNT
};

/* As the manifest writes it: "keyvalue". */
const char *hr_link_name(enum hr_link link);
/* What it gives, in a few words for people. */
const char *hr_link_purpose(enum hr_link link);
/* The interfaces, without version; "wasi:io/" followed by a star is the whole package. */
const struct hr_str *hr_link_interfaces(enum hr_link link, size_t *ret_count);
/* Whether @link grants @interface, written with or without a version ("wasi:http/types@0.2.12"). */
bool hr_link_grants(enum hr_link link, struct hr_str interface);
/* The link that grants @interface (the first of them in the order above). False if none does. */
bool hr_link_of_interface(struct hr_str interface, enum hr_link *ret_link);
/* Writes what to add to the manifest so that @actor may use @interface, cut to @size bytes with the
 * terminator: "add `random: {}` under actors.todo.links in hedgerow.yaml". */
void hr_link_advise(struct hr_str actor, struct hr_str interface, char *ret_advice, size_t size);

#endif
