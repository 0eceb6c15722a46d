/* Snapshots for the ports of the lattice's bus; see table.h. */
#include "base/alloc.h"
#include "base/assert.h"
#include "host/lattice/impl.h"

#define FNV64_OFFSET 14695981039346656037u
#define FNV64_PRIME 1099511628211u

uint64_t hr_lattice_table_version(const struct hr_lattice *lattice)
{
    return atomic_load_explicit(&lattice->version, memory_order_acquire);
}

struct hr_lattice_table *hr_lattice_table_get(struct hr_lattice *lattice)
{
    uv_mutex_lock(&lattice->lock);
    struct hr_lattice_table *table = lattice->table;
    atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    uv_mutex_unlock(&lattice->lock);
    return table;
}

void hr_lattice_table_unref(struct hr_lattice_table *table)
{
    if (!table || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < table->host_count; i++) {
        hr_lattice_announcement_unref(table->hosts[i].said);
    }
    hr_free(table->hosts);
    hr_free(table->entries);
    hr_free(table);
}

const struct hr_lattice_table_host *hr_lattice_table_find(const struct hr_lattice_table *table,
                                                          uint64_t number)
{
    for (uint32_t i = 0; i < table->host_count; i++) {
        if (table->hosts[i].number == number) {
            return &table->hosts[i];
        }
    }
    return NULL;
}

/* FNV-1a of the pattern, begun with the host's number. */
static uint64_t key_of(uint64_t number, struct hr_str pattern)
{
    uint64_t hash = (FNV64_OFFSET ^ number) * FNV64_PRIME;
    for (size_t i = 0; i < pattern.len; i++) {
        hash = (hash ^ (unsigned char)pattern.ptr[i]) * FNV64_PRIME;
    }
    return hash;
}

static bool is_told(const struct hr_lattice *lattice, const struct hr_lattice_member *member)
{
    return lattice->connected && !member->refused && member->presence != HR_LATTICE_MEMBER_GONE;
}

static void add_host(struct hr_lattice_table *table, struct hr_lattice_member *member)
{
    struct hr_lattice_table_host *host = &table->hosts[table->host_count++];
    bool leaving = member->presence == HR_LATTICE_MEMBER_LEAVING;
    hr_lattice_announcement_ref(member->said);
    member->told_round_trip_ns = member->round_trip_ns;
    *host = (struct hr_lattice_table_host){.number = member->number,
                                           .said = member->said,
                                           .round_trip_ns = member->round_trip_ns,
                                           .leaving = leaving};
    for (uint32_t i = 0; i < host->said->served_count && !leaving; i++) {
        const struct hr_lattice_served *served = &host->said->served[i];
        if (served->direct) {
            struct hr_lattice_table_entry *entry = &table->entries[table->entry_count++];
            entry->host = host;
            entry->key = key_of(member->number, served->subject);
            entry->pattern_key = key_of(0, served->subject);
            hr_bus_index_add(&table->index, &entry->entry, served->subject);
        }
    }
}

/* NULL when memory is out. */
static struct hr_lattice_table *make_table(struct hr_lattice *lattice)
{
    uint32_t hosts = 0;
    uint32_t entries = 0;
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        if (is_told(lattice, lattice->members[i])) {
            hosts++;
            entries += lattice->members[i]->said->served_count;
        }
    }
    struct hr_lattice_table *table = hr_alloc(sizeof *table);
    if (!table) {
        return NULL;
    }
    atomic_init(&table->refs, 1);
    hr_bus_index_init(&table->index);
    table->connected = lattice->connected;
    table->version = atomic_load_explicit(&lattice->version, memory_order_relaxed) + 1;
    table->hosts = hr_alloc_array(hosts, sizeof *table->hosts);
    table->entries = hr_alloc_array(entries, sizeof *table->entries);
    if (!table->hosts || !table->entries) {
        hr_lattice_table_unref(table);
        return NULL;
    }
    for (uint32_t i = 0; i < lattice->member_count; i++) {
        if (is_told(lattice, lattice->members[i])) {
            add_host(table, lattice->members[i]);
        }
    }
    return table;
}

/* With no memory the old table stays; the next check of who is silent tries again. */
void hr_lattice_publish_table(struct hr_lattice *lattice)
{
    struct hr_lattice_table *table = make_table(lattice);
    lattice->table_is_old = table == NULL;
    if (!table) {
        return;
    }
    uv_mutex_lock(&lattice->lock);
    struct hr_lattice_table *old = lattice->table;
    lattice->table = table;
    atomic_store_explicit(&lattice->version, table->version, memory_order_release);
    for (struct hr_list *node = lattice->watches.next; node != &lattice->watches;
         node = node->next) {
        struct hr_lattice_watch *watch = HR_LIST_OWNER(node, struct hr_lattice_watch, node);
        if (!watch->posted) {
            watch->posted = true;
            hr_loop_post(watch->loop, &watch->task);
        }
    }
    uv_mutex_unlock(&lattice->lock);
    hr_lattice_table_unref(old);
}

/* --- watches ---------------------------------------------------------------------------------------- */

static void on_change(void *arg)
{
    struct hr_lattice_watch *watch = arg;
    uv_mutex_lock(&watch->lattice->lock);
    watch->posted = false;
    uv_mutex_unlock(&watch->lattice->lock);
    watch->cb(watch->arg);
}

void hr_lattice_watch(struct hr_lattice *lattice, struct hr_lattice_watch *watch,
                      struct hr_loop *loop, hr_task_cb cb, void *arg)
{
    *watch = (struct hr_lattice_watch){.loop = loop, .lattice = lattice, .cb = cb, .arg = arg};
    hr_task_init(&watch->task, on_change, watch);
    uv_mutex_lock(&lattice->lock);
    hr_list_push_back(&lattice->watches, &watch->node);
    uv_mutex_unlock(&lattice->lock);
}

bool hr_lattice_unwatch(struct hr_lattice_watch *watch)
{
    uv_mutex_lock(&watch->lattice->lock);
    hr_list_remove(&watch->node);
    bool posted = watch->posted;
    uv_mutex_unlock(&watch->lattice->lock);
    return !posted;
}
