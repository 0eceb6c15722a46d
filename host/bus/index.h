/* Which subscriptions match a subject: patterns in a hash table, so that a publish looks at few of
 * them however many there are. A pattern without wildcards is found by all of its text, one with a
 * literal first token by that token, the rest (`*...`, `>`) in one chain of their own. A lookup so
 * costs the number of subscriptions to that very subject, plus the wildcard patterns that share its
 * first token, plus those that start with a wildcard.
 *
 * The index embeds in its owner, never allocates and never owns; the owner's lock guards it. Entries
 * of a chain come out in the order in which they were added. */
#ifndef HR_BUS_INDEX_H
#define HR_BUS_INDEX_H

#include <stdint.h>

#include "base/list.h"
#include "base/str.h"

#define HR_BUS_INDEX_BUCKETS 1024u

enum hr_bus_index_kind {
    HR_BUS_INDEX_LITERAL, /* keyed by the whole subject */
    HR_BUS_INDEX_PREFIX,  /* keyed by the first token */
    HR_BUS_INDEX_ANY,     /* no key */
    HR_BUS_INDEX_KINDS
};

/* Embedded in what is found. */
struct hr_bus_index_entry {
    struct hr_list node;
    struct hr_str pattern;
    enum hr_bus_index_kind kind;
    uint32_t hash;
};

struct hr_bus_index {
    struct hr_list buckets[HR_BUS_INDEX_BUCKETS];
};

/* A lookup under way. Adding or removing entries ends its validity. */
struct hr_bus_index_walk {
    const struct hr_bus_index *index;
    struct hr_str subject;
    const struct hr_list *node; /* the entry that was looked at last, or the bucket's head */
    enum hr_bus_index_kind kind;
    uint32_t hash;
};

void hr_bus_index_init(struct hr_bus_index *index);
/* Keeps @entry and the bytes of @pattern (a valid pattern) until removed. */
void hr_bus_index_add(struct hr_bus_index *index, struct hr_bus_index_entry *entry,
                      struct hr_str pattern);
void hr_bus_index_remove(struct hr_bus_index_entry *entry);
/* Begins a lookup of the literal @subject, whose bytes are kept for as long as the walk is used. */
void hr_bus_index_walk_init(struct hr_bus_index_walk *walk, const struct hr_bus_index *index,
                            struct hr_str subject);
/* The next matching entry, or NULL. */
struct hr_bus_index_entry *hr_bus_index_walk_next(struct hr_bus_index_walk *walk);

#endif
