/* The subscription index: chains in a fixed table, keyed by FNV-1a of what is literal in a pattern. */
#include "host/bus/index.h"

#include "host/bus/subject.h"

#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u

static uint32_t hash_of(struct hr_str key)
{
    uint32_t hash = FNV_OFFSET;
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * FNV_PRIME;
    }
    return hash;
}

static struct hr_str key_of(struct hr_str subject, enum hr_bus_index_kind kind)
{
    switch (kind) {
    case HR_BUS_INDEX_LITERAL:
        return subject;
    case HR_BUS_INDEX_PREFIX:
        return hr_subject_first_token(subject);
    case HR_BUS_INDEX_ANY:
    case HR_BUS_INDEX_KINDS:
        break;
    }
    return (struct hr_str){0};
}

void hr_bus_index_init(struct hr_bus_index *index)
{
    for (uint32_t i = 0; i < HR_BUS_INDEX_BUCKETS; i++) {
        hr_list_init(&index->buckets[i]);
    }
}

void hr_bus_index_add(struct hr_bus_index *index, struct hr_bus_index_entry *entry,
                      struct hr_str pattern)
{
    entry->pattern = pattern;
    if (!hr_subject_has_wildcard(pattern)) {
        entry->kind = HR_BUS_INDEX_LITERAL;
    } else if (!hr_subject_has_wildcard(hr_subject_first_token(pattern))) {
        entry->kind = HR_BUS_INDEX_PREFIX;
    } else {
        entry->kind = HR_BUS_INDEX_ANY;
    }
    entry->hash = hash_of(key_of(pattern, entry->kind));
    hr_list_push_back(&index->buckets[entry->hash % HR_BUS_INDEX_BUCKETS], &entry->node);
}

void hr_bus_index_remove(struct hr_bus_index_entry *entry)
{
    hr_list_remove(&entry->node);
}

/* Points the walk at the head of the chain for its kind. */
static void aim(struct hr_bus_index_walk *walk)
{
    walk->hash = hash_of(key_of(walk->subject, walk->kind));
    walk->node = &walk->index->buckets[walk->hash % HR_BUS_INDEX_BUCKETS];
}

void hr_bus_index_walk_init(struct hr_bus_index_walk *walk, const struct hr_bus_index *index,
                            struct hr_str subject)
{
    *walk = (struct hr_bus_index_walk){.index = index, .subject = subject};
    aim(walk);
}

static bool fits(const struct hr_bus_index_walk *walk, const struct hr_bus_index_entry *entry)
{
    if (entry->kind != walk->kind || entry->hash != walk->hash) {
        return false; /* shares the chain by chance, or is found under its own kind */
    }
    return entry->kind == HR_BUS_INDEX_LITERAL ? hr_str_eq(entry->pattern, walk->subject)
                                               : hr_subject_matches(entry->pattern, walk->subject);
}

struct hr_bus_index_entry *hr_bus_index_walk_next(struct hr_bus_index_walk *walk)
{
    while (walk->kind < HR_BUS_INDEX_KINDS) {
        const struct hr_list *head = &walk->index->buckets[walk->hash % HR_BUS_INDEX_BUCKETS];
        while (walk->node->next != head) {
            walk->node = walk->node->next;
            struct hr_bus_index_entry *entry =
                HR_LIST_OWNER(walk->node, struct hr_bus_index_entry, node);
            if (fits(walk, entry)) {
                return entry;
            }
        }
        walk->kind++;
        aim(walk);
    }
    return NULL;
}
