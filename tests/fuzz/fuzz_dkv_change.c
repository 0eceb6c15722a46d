/* links: core_kv */
/* Any bytes as changes, and as the small layouts that share their frame: they are refused, or have
 * one encoding. The checksum is made right first, so that the rest of the decoders is reached. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/answer.h"
#include "base/assert.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hr_str sound(struct hr_arena *arena, struct hr_str bytes)
{
    struct hr_str copy = hr_arena_copy(arena, bytes);
    if (copy.len >= 5) {
        char *at = (char *)(uintptr_t)copy.ptr + copy.len - 4;
        at[4 - (ptrdiff_t)copy.len] = 1;
        uint32_t crc = hr_crc32c(hr_str_of(copy.ptr, copy.len - 4));
        for (size_t i = 0; i < 4; i++) {
            at[i] = (char)(crc >> (8 * (3 - i)));
        }
    }
    return copy;
}

static void check_change(struct hr_str bytes, struct hr_arena *arena)
{
    struct hr_diag diag;
    struct hr_str again;
    struct dkv_change change;
    struct dkv_record merged;
    const struct dkv_record none = {0};
    if (dkv_change_decode(bytes, arena, &change, &diag) != HR_OK) {
        return;
    }
    HR_ASSERT(dkv_change_encode(&change, arena, &again, &diag) == HR_OK);
    HR_ASSERT(hr_str_eq(bytes, again));
    struct dkv_record record = dkv_change_record(&change);
    HR_ASSERT(dkv_record_merge(&none, &record, arena, &merged, &diag) == HR_OK);
    HR_ASSERT(dkv_record_merge(&merged, &record, arena, &merged, &diag) == HR_OK);
    HR_ASSERT(merged.count == change.count);
}

static void check_state(struct hr_str bytes, struct hr_arena *arena)
{
    struct hr_diag diag;
    struct hr_str again;
    struct dkv_self self;
    struct dkv_ctr ctr;
    struct dkv_cfg cfg;
    struct dkv_progress progress;
    struct dkv_stamp clear;
    if (dkv_self_decode(bytes, &self, &diag) == HR_OK) {
        HR_ASSERT(dkv_self_encode(&self, arena, &again) == HR_OK);
        HR_ASSERT(hr_str_eq(bytes, again) || bytes.ptr[0] == 1); /* written as the later version */
    }
    if (dkv_ctr_decode(bytes, &ctr, &diag) == HR_OK) {
        HR_ASSERT(dkv_ctr_encode(&ctr, arena, &again) == HR_OK && hr_str_eq(bytes, again));
    }
    if (dkv_cfg_decode(bytes, &cfg, &diag) == HR_OK) {
        HR_ASSERT(dkv_cfg_encode(&cfg, arena, &again) == HR_OK && hr_str_eq(bytes, again));
    }
    if (dkv_progress_decode(bytes, &progress, &diag) == HR_OK) {
        HR_ASSERT(dkv_progress_encode(&progress, arena, &again) == HR_OK);
        HR_ASSERT(hr_str_eq(bytes, again));
    }
    if (dkv_clear_decode((struct dkv_value){bytes, true}, &clear, &diag) == HR_OK) {
        HR_ASSERT(dkv_clear_encode(clear, arena, &again) == HR_OK && hr_str_eq(bytes, again));
    }
}

static void check_result(struct hr_str bytes, struct hr_arena *arena)
{
    struct hr_diag diag;
    struct hr_str again;
    struct dkv_result result;
    if (dkv_result_decode(bytes, &result, &diag) == HR_OK) {
        HR_ASSERT(dkv_result_encode(result.time, result.hash, &result.answer, arena, &again) ==
                  HR_OK);
        HR_ASSERT(hr_str_eq(bytes, again) || bytes.ptr[0] == 1); /* written as the later version */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    struct hr_str bytes = sound(&arena, hr_str_of(data, size));
    check_change(hr_str_of(data, size), &arena);
    check_change(bytes, &arena);
    check_state(bytes, &arena);
    check_result(bytes, &arena);
    hr_arena_release(&arena);
    return 0;
}
