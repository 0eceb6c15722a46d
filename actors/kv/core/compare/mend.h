/* Puts right what was found wrong in this site's store, in the lane of writes: a record is replaced if it
 * still is what was found, and the index is made to say what is there. A commit like any other: it checks what it read, and m/ctr.
 * It is no change: other sites hear nothing of it, because they have what it makes of the record.
 *
 *   mend     u8 version 2 | u8 what | 16 B clear mark | u16 length | key | u8 found |
 *            16 B hash of the bytes that were found | u8 wanted | u32 length | record | u32 crc
 *   mended   u8 version 2 | u8 outcome | u32 crc
 *
 * what 1 RECORD, 3 CLEAR: the mark is raised. Found and wanted: whether there was one, and is
 * to be. The hash is SipHash-128. Only this site itself sends these.
 * Must not know: how it was found, other sites. */
#ifndef DKV_MEND_H
#define DKV_MEND_H

#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/stamp.h"
#include "actors/kv/core/site/config.h"

#define DKV_MEND_TIMEOUT_MS 8000u
#define DKV_MEND_RECORD_BYTES_MAX ((size_t)3 << 20)

enum dkv_mend_what { DKV_MEND_RECORD = 1, DKV_MEND_CLEAR = 3 };
/* OVERTAKEN: the record is not what was found any more. */
enum dkv_mend_outcome { DKV_MEND_NOTHING = 0, DKV_MEND_DONE = 1, DKV_MEND_OVERTAKEN = 2 };

struct dkv_mend {
    enum dkv_mend_what what;
    struct dkv_stamp clear;
    struct hr_str key;
    bool found;
    unsigned char found_hash[DKV_HASH128_BYTES]; /* dkv_mend_hash */
    bool wanted;
    struct hr_str record;
};

void dkv_mend_hash(struct dkv_value value, unsigned char ret_hash[DKV_HASH128_BYTES]);

/* Decoders: HR_CORRUPT, HR_UNSUPPORTED; texts are borrowed. Encoders: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_mend_decode(struct hr_str bytes, struct dkv_mend *ret_mend,
                                          struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_mend_encode(const struct dkv_mend *mend, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
/* Sends @mend to the lane and waits. Errors: HR_CORRUPT (not understood), the bus'; what the lane could not
 * do is HR_TIMEOUT, and logged there. */
HR_MUST_CHECK enum hr_err dkv_mend_send(const struct dkv_env *env, const struct dkv_config *config,
                                        const struct dkv_mend *mend, struct hr_arena *arena,
                                        enum dkv_mend_outcome *ret_outcome, struct hr_diag *diag);
/* Deals with @message, of the route MEND. Errors: HR_CORRUPT, HR_BUSY, the store's, publishing's. */
HR_MUST_CHECK enum hr_err dkv_mend_handle(const struct dkv_env *env,
                                          const struct dkv_config *config,
                                          const struct dkv_message *message, struct hr_diag *diag);

#endif
