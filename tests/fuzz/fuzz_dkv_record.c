/* links: core_kv */
/* Any bytes as records: they are refused or have one encoding, and merge by the laws. The checksum is
 * made right first, so that the rest of the decoder is reached. Collecting keeps what is visible. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "actors/kv/core/format/record.h"
#include "base/assert.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of @bytes with its checksum made right. */
static struct hr_str sound(struct hr_arena *arena, struct hr_str bytes)
{
    struct hr_str copy = hr_arena_copy(arena, bytes);
    if (copy.len >= 24) {
        uint32_t crc = hr_crc32c(hr_str_of(copy.ptr, 4)) ^ hr_crc32c(hr_str_from(copy, 8));
        char *at = (char *)(uintptr_t)copy.ptr + 4;
        for (size_t i = 0; i < 4; i++) {
            at[i] = (char)(crc >> (8 * (3 - i)));
        }
    }
    return copy;
}

static struct hr_str encode(struct hr_arena *arena, const struct dkv_record *record)
{
    struct hr_str bytes = {0};
    HR_ASSERT(dkv_record_encode(record, arena, &bytes) == HR_OK);
    return bytes;
}

static void check_merges(struct hr_arena *arena, const struct dkv_record *a,
                         const struct dkv_record *b)
{
    struct hr_diag diag;
    struct dkv_record ab, ba, again, back;
    enum hr_err err = dkv_record_merge(a, b, arena, &ab, &diag);
    HR_ASSERT(dkv_record_merge(b, a, arena, &ba, &diag) == err);
    if (err) {
        HR_ASSERT(err == HR_CORRUPT);
        return;
    }
    struct hr_str bytes = encode(arena, &ab);
    HR_ASSERT(hr_str_eq(bytes, encode(arena, &ba)));
    HR_ASSERT(dkv_record_merge(&ab, a, arena, &again, &diag) == HR_OK);
    HR_ASSERT(hr_str_eq(bytes, encode(arena, &again)));
    HR_ASSERT(dkv_record_decode(bytes, arena, &back, &diag) == HR_OK);
    dkv_record_strip(&back, a->dead);
    HR_ASSERT(dkv_record_decode(encode(arena, &back), arena, &again, &diag) == HR_OK);
    HR_ASSERT(dkv_record_visible(&again, a->dead) == dkv_record_visible(&ab, a->dead));
}

/* Collecting changes neither what is visible nor its version, and has nothing to do a second time. */
static void check_collects(struct hr_arena *arena, struct hr_str bytes, struct dkv_stamp mark)
{
    struct hr_diag diag;
    struct dkv_record before, record, back;
    struct dkv_stamp clear = {mark.hlc / 2, mark.origin};
    HR_ASSERT(dkv_record_decode(bytes, arena, &before, &diag) == HR_OK);
    HR_ASSERT(dkv_record_decode(bytes, arena, &record, &diag) == HR_OK);
    bool visible = dkv_record_visible(&before, clear);
    bool changed = dkv_record_collect(&record, clear, mark.hlc);
    HR_ASSERT(changed || hr_str_eq(encode(arena, &record), bytes));
    HR_ASSERT(dkv_record_visible(&record, clear) == visible);
    HR_ASSERT(!visible ||
              dkv_stamp_cmp(dkv_record_newest(&record), dkv_record_newest(&before)) == 0);
    HR_ASSERT(dkv_record_decode(encode(arena, &record), arena, &back, &diag) == HR_OK);
    HR_ASSERT(dkv_record_collect(&back, clear, mark.hlc) == dkv_record_empty(&back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_record records[2];
    struct hr_str all = hr_str_of(data, size);
    hr_arena_init(&arena, 0);
    size_t cut = size > 2 ? (size_t)(data[0] << 8 | data[1]) % (size - 2) : 0;
    struct hr_str parts[2] = {hr_str_of(size > 2 ? all.ptr + 2 : all.ptr, cut),
                              hr_str_from(all, 2 + cut)};
    HR_ASSERT(dkv_record_decode(all, &arena, &records[0], &diag) != HR_NO_MEMORY);
    size_t decoded = 0;
    for (size_t i = 0; i < 2; i++) {
        struct hr_str bytes = sound(&arena, parts[i]);
        if (dkv_record_decode(bytes, &arena, &records[decoded], &diag) == HR_OK) {
            HR_ASSERT(hr_str_eq(encode(&arena, &records[decoded]), bytes));
            check_collects(&arena, bytes, dkv_record_newest(&records[0]));
            check_collects(&arena, bytes, records[0].dead);
            decoded++;
        }
    }
    if (decoded == 2) {
        check_merges(&arena, &records[0], &records[1]);
    }
    hr_arena_release(&arena);
    return 0;
}
