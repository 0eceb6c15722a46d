/* From $request-id to opid. */
#include "actors/kv/core/format/opid.h"

#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/text.h"

#define TIME_BYTES 6u
#define VERSION_AT 14u

static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow opid 1";

/* 8-4-4-4-12 lower-case digits, which is how a UUID is to be written (RFC 9562 section 4). */
static bool read_uuid(struct hr_str id, uint64_t ret_groups[5])
{
    static const size_t lens[5] = {8, 4, 4, 4, 12};
    size_t at = 0;
    for (size_t i = 0; i < 5; i++) {
        if (id.len < at + lens[i] || (i > 0 && id.ptr[at - 1] != '-') ||
            !dkv_text_from_hex(hr_str_of(id.ptr + at, lens[i]), &ret_groups[i])) {
            return false;
        }
        at += lens[i] + 1;
    }
    return id.len == at - 1;
}

struct dkv_opid dkv_opid_of(struct hr_str id)
{
    struct dkv_opid opid;
    uint64_t groups[5];
    dkv_siphash128(hash_key, id, opid.bytes);
    if (read_uuid(id, groups) && id.ptr[VERSION_AT] == '7' && groups[3] >> 14 == 2) {
        uint64_t ms = groups[0] << 16 | groups[1];
        for (size_t i = 0; i < TIME_BYTES; i++) {
            opid.bytes[i] = (unsigned char)(ms >> (8 * (TIME_BYTES - 1 - i)));
        }
    }
    return opid;
}
