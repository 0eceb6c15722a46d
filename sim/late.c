/* A copy in an arena. */
#include "sim/late.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "sim/memory.h"

struct sim_late {
    struct hr_arena arena;
    struct dkv_commit commit;
};

static struct hr_str copy(struct sim_late *late, struct hr_str bytes)
{
    struct hr_str copied = hr_arena_copy(&late->arena, bytes);
    HR_ASSERT(copied.ptr);
    return copied;
}

static void *array(struct sim_late *late, size_t count, size_t item_bytes)
{
    void *items = hr_arena_alloc(&late->arena, count * item_bytes);
    HR_ASSERT(items);
    return items;
}

struct sim_late *sim_late_new(const struct dkv_commit *commit)
{
    struct sim_late *late = sim_alloc(sizeof *late);
    hr_arena_init(&late->arena, 0);
    struct dkv_check *checks = array(late, commit->check_count, sizeof *checks);
    struct dkv_pair *puts = array(late, commit->put_count, sizeof *puts);
    struct hr_str *deletes = array(late, commit->delete_count, sizeof *deletes);
    for (size_t i = 0; i < commit->check_count; i++) {
        checks[i].key = copy(late, commit->checks[i].key);
        checks[i].expected.present = commit->checks[i].expected.present;
        checks[i].expected.bytes = copy(late, commit->checks[i].expected.bytes);
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        puts[i].key = copy(late, commit->puts[i].key);
        puts[i].value = copy(late, commit->puts[i].value);
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        deletes[i] = copy(late, commit->deletes[i]);
    }
    late->commit = (struct dkv_commit){checks,  commit->check_count, puts, commit->put_count,
                                       deletes, commit->delete_count};
    return late;
}

const struct dkv_commit *sim_late_commit(const struct sim_late *late)
{
    return &late->commit;
}

void sim_late_free(struct sim_late *late)
{
    hr_arena_release(&late->arena);
    hr_free(late);
}
