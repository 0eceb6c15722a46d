/* An array: a few hundred commits at most. */
#include "sim/recent.h"

#include <string.h>

#include "base/alloc.h"
#include "sim/memory.h"

/* Small, so that a core that reads one page only is found out. */
#define PAGE_COMMITS 3u

static void drop(struct sim_recent *recent, size_t at)
{
    hr_free(recent->commits[at].keys);
    recent->count--;
    memmove(&recent->commits[at], &recent->commits[at + 1],
            (recent->count - at) * sizeof *recent->commits);
}

static void drop_old(struct sim_recent *recent, sim_us now)
{
    size_t kept = 0;
    for (size_t i = 0; i < recent->count; i++) {
        if (recent->commits[i].lost || recent->commits[i].at + SIM_RECENT_US > now) {
            recent->commits[kept++] = recent->commits[i];
        } else {
            hr_free(recent->commits[i].keys);
        }
    }
    recent->count = kept;
}

void sim_recent_note(struct sim_recent *recent, const struct dkv_commit *commit, sim_us now)
{
    size_t bytes = commit->put_count * sizeof(struct hr_str);
    for (size_t i = 0; i < commit->put_count; i++) {
        bytes += commit->puts[i].key.len;
    }
    struct hr_str *keys = sim_alloc(bytes + 1);
    char *to = (char *)&keys[commit->put_count];
    for (size_t i = 0; i < commit->put_count; i++) {
        struct hr_str key = commit->puts[i].key;
        memcpy(to, key.ptr, key.len);
        keys[i] = hr_str_of(to, key.len);
        to += key.len;
    }
    if (recent->count == recent->cap) {
        drop_old(recent, now);
    }
    recent->commits =
        sim_grow(recent->commits, recent->count, &recent->cap, sizeof *recent->commits);
    recent->commits[recent->count++] =
        (struct sim_recent_commit){now, ++recent->id, keys, commit->put_count, false};
}

void sim_recent_judge(struct sim_recent *recent, const struct sim_store *store)
{
    for (size_t i = recent->count; i > 0; i--) {
        struct sim_recent_commit *commit = &recent->commits[i - 1];
        for (size_t j = 0; !commit->lost && j < commit->count; j++) {
            commit->lost = !sim_store_get(store, commit->keys[j]);
        }
        if (!commit->lost) {
            drop(recent, i - 1);
        }
    }
}

bool sim_recent_has_lost(const struct sim_recent *recent)
{
    for (size_t i = 0; i < recent->count; i++) {
        if (recent->commits[i].lost) {
            return true;
        }
    }
    return false;
}

enum hr_err sim_recent_page(const struct sim_recent *recent, uint64_t after, struct hr_arena *arena,
                            struct dkv_lost_page *ret_page)
{
    struct dkv_lost_page page = {.commits =
                                     hr_arena_alloc(arena, PAGE_COMMITS * sizeof *page.commits)};
    if (!page.commits) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < recent->count; i++) {
        const struct sim_recent_commit *commit = &recent->commits[i];
        if (!commit->lost || commit->id <= after) {
            continue;
        }
        if (page.count == PAGE_COMMITS) {
            page.more = true;
            break;
        }
        struct hr_str *keys = hr_arena_alloc(arena, commit->count * sizeof *keys);
        if (!keys) {
            return HR_NO_MEMORY;
        }
        for (size_t j = 0; j < commit->count; j++) {
            keys[j] = hr_arena_copy(arena, commit->keys[j]);
            if (!keys[j].ptr) {
                return HR_NO_MEMORY;
            }
        }
        page.commits[page.count++] = (struct dkv_lost_commit){commit->id, keys, commit->count};
    }
    *ret_page = page;
    return HR_OK;
}

const struct sim_recent_commit *sim_recent_find(const struct sim_recent *recent, uint64_t id)
{
    for (size_t i = 0; i < recent->count; i++) {
        if (recent->commits[i].lost && recent->commits[i].id == id) {
            return &recent->commits[i];
        }
    }
    return NULL;
}

void sim_recent_forget(struct sim_recent *recent, uint64_t id)
{
    const struct sim_recent_commit *commit = sim_recent_find(recent, id);
    if (commit) {
        drop(recent, (size_t)(commit - recent->commits));
    }
}

void sim_recent_release(struct sim_recent *recent)
{
    for (size_t i = 0; i < recent->count; i++) {
        hr_free(recent->commits[i].keys);
    }
    hr_free(recent->commits);
    *recent = (struct sim_recent){0};
}
