/* Decoding and encoding of a site's own state. Fields that a single site never sets to anything
 * else (voids) are written as zero and refused otherwise: they are of a later version. */
#include "actors/kv/core/format/state.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define SELF_VERSION 2u
#define PROGRESS_VERSION_HIGH 2u
#define CFG_VERSION 2u    /* 1: the index was laid out in another way */
#define CFG_HASHED_AT 13u /* after version, epoch and the hash itself */

static const unsigned char cfg_hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow cfg v1";

static enum hr_err end(const struct dkv_in *in, bool valid, struct hr_str what,
                       struct hr_diag *diag)
{
    return dkv_in_done(in) && valid ? HR_OK
                                    : DKV_FAIL(diag, HR_CORRUPT, what, HR_STR(": out of bounds"));
}

static void read_into(struct dkv_in *in, unsigned char *ret_bytes, size_t len)
{
    struct hr_str run = dkv_in_bytes(in, len);
    if (run.len > 0) {
        memcpy(ret_bytes, run.ptr, run.len);
    }
}

bool dkv_site_state_of(uint8_t byte, enum dkv_site_state *ret_state)
{
    *ret_state = byte == DKV_SITE_SYNC ? DKV_SITE_SYNC : DKV_SITE_ACTIVE;
    return byte == (uint8_t)*ret_state;
}

bool dkv_boot_class_of(uint8_t byte, enum dkv_boot_class *ret_class)
{
    *ret_class = byte == DKV_BOOT_LOSSY   ? DKV_BOOT_LOSSY
                 : byte == DKV_BOOT_FRESH ? DKV_BOOT_FRESH
                                          : DKV_BOOT_INTACT;
    return byte == (uint8_t)*ret_class;
}

enum hr_err dkv_self_decode(struct hr_str bytes, struct dkv_self *ret_self, struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_self self = {0};
    bool first = dkv_in_version(bytes) == VERSION;
    enum hr_err err = dkv_in_frame(bytes, first ? VERSION : SELF_VERSION, DKV_KEY_SELF, &in, diag);
    if (err) {
        return err;
    }
    read_into(&in, self.cluster, DKV_CLUSTER_BYTES);
    self.origin = dkv_in_u64(&in);
    read_into(&in, self.nonce.bytes, DKV_NONCE_BYTES);
    bool known = dkv_site_state_of(dkv_in_u8(&in), &self.state);
    known = dkv_boot_class_of(dkv_in_u8(&in), &self.boot_class) && known;
    self.since = first ? dkv_origin_inc(self.origin) : dkv_in_u64(&in);
    known = (!first || dkv_in_u8(&in) == 0) && known;
    self.past_count = dkv_in_u8(&in);
    if (self.past_count > DKV_BOOTS_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self: too many past boots"));
    }
    for (size_t i = 0; i < self.past_count; i++) {
        read_into(&in, self.past[i].bytes, DKV_NONCE_BYTES);
    }
    err = end(&in, dkv_origin_inc(self.origin) > 0, DKV_KEY_SELF, diag);
    if (err) {
        return err;
    }
    if (!known) {
        return DKV_FAIL(diag, HR_UNSUPPORTED,
                        HR_STR("m/self: the site is in a state of another version of Hedgerow"));
    }
    *ret_self = self;
    return HR_OK;
}

enum hr_err dkv_self_encode(const struct dkv_self *self, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 64 + self->past_count * DKV_NONCE_BYTES);
    dkv_out_uint(&out, SELF_VERSION, 1);
    dkv_out_bytes(&out, hr_str_of(self->cluster, DKV_CLUSTER_BYTES));
    dkv_out_uint(&out, self->origin, 8);
    dkv_out_bytes(&out, hr_str_of(self->nonce.bytes, DKV_NONCE_BYTES));
    dkv_out_uint(&out, self->state, 1);
    dkv_out_uint(&out, self->boot_class, 1);
    dkv_out_uint(&out, self->since, 8);
    dkv_out_uint(&out, self->past_count, 1);
    for (size_t i = 0; i < self->past_count; i++) {
        dkv_out_bytes(&out, hr_str_of(self->past[i].bytes, DKV_NONCE_BYTES));
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_ctr_decode(struct hr_str bytes, struct dkv_ctr *ret_ctr, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, DKV_KEY_CTR, &in, diag);
    if (err) {
        return err;
    }
    struct dkv_ctr ctr = {.origin = dkv_in_u64(&in)};
    ctr.hlc = dkv_in_u64(&in);
    ctr.seq = dkv_in_u64(&in);
    err = end(&in, dkv_origin_inc(ctr.origin) > 0, DKV_KEY_CTR, diag);
    if (!err) {
        *ret_ctr = ctr;
    }
    return err;
}

enum hr_err dkv_ctr_encode(const struct dkv_ctr *ctr, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, ctr->origin, 8);
    dkv_out_uint(&out, ctr->hlc, 8);
    dkv_out_uint(&out, ctr->seq, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_cfg_decode(struct hr_str bytes, struct dkv_cfg *ret_cfg, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, CFG_VERSION, DKV_KEY_CFG, &in, diag);
    if (err) {
        return err;
    }
    struct dkv_cfg cfg = {.epoch = dkv_in_u32(&in)};
    uint64_t hash = dkv_in_u64(&in);
    bool hash_fits = hash == dkv_siphash(cfg_hash_key, hr_str_of(in.ptr, in.left));
    cfg.wanted_acks = dkv_in_u8(&in);
    cfg.durability = dkv_in_u8(&in);
    cfg.leaf_bits = dkv_in_u8(&in);
    cfg.member_count = dkv_in_u8(&in);
    if (cfg.member_count > DKV_MEMBERS_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/cfg: too many members"));
    }
    for (size_t i = 0; i < cfg.member_count; i++) {
        cfg.members[i] = dkv_in_u16(&in);
    }
    uint16_t voids = dkv_in_u16(&in);
    dkv_in_bytes(&in, (size_t)voids * 24);
    bool valid = hash_fits && cfg.member_count > 0 && cfg.wanted_acks > 0 &&
                 cfg.wanted_acks <= cfg.member_count && voids <= DKV_VOIDS_MAX &&
                 cfg.leaf_bits >= DKV_LEAF_BITS_MIN && cfg.leaf_bits <= DKV_LEAF_BITS_MAX;
    err = end(&in, valid, DKV_KEY_CFG, diag);
    if (!err && voids > 0) {
        return DKV_FAIL(diag, HR_UNSUPPORTED, HR_STR("m/cfg: voids are of a later version"));
    }
    if (!err) {
        *ret_cfg = cfg;
    }
    return err;
}

enum hr_err dkv_cfg_encode(const struct dkv_cfg *cfg, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out hashed = dkv_out_in(arena, 16 + cfg->member_count * 2);
    dkv_out_uint(&hashed, cfg->wanted_acks, 1);
    dkv_out_uint(&hashed, cfg->durability, 1);
    dkv_out_uint(&hashed, cfg->leaf_bits, 1);
    dkv_out_uint(&hashed, cfg->member_count, 1);
    for (size_t i = 0; i < cfg->member_count; i++) {
        dkv_out_uint(&hashed, cfg->members[i], 2);
    }
    dkv_out_uint(&hashed, 0, 2);
    struct hr_str body;
    enum hr_err err = dkv_out_take(&hashed, &body);
    if (err) {
        return err;
    }
    struct dkv_out out = dkv_out_in(arena, CFG_HASHED_AT + body.len + 4);
    dkv_out_uint(&out, CFG_VERSION, 1);
    dkv_out_uint(&out, cfg->epoch, 4);
    dkv_out_uint(&out, dkv_siphash(cfg_hash_key, body), 8);
    dkv_out_bytes(&out, body);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_progress_decode(struct hr_str bytes, struct dkv_progress *ret_progress,
                                struct hr_diag *diag)
{
    struct dkv_in in;
    bool higher = dkv_in_version(bytes) == PROGRESS_VERSION_HIGH;
    enum hr_err err =
        dkv_in_frame(bytes, higher ? PROGRESS_VERSION_HIGH : VERSION, HR_STR("v/"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_progress progress = {.prefix = dkv_in_u64(&in)};
    progress.hlc = dkv_in_u64(&in);
    uint8_t sealed = dkv_in_u8(&in);
    progress.sealed = sealed == 1;
    progress.last = dkv_in_u64(&in);
    progress.trunc_below = dkv_in_u64(&in);
    progress.high = higher ? dkv_in_u64(&in) : progress.prefix;
    bool valid = sealed <= 1 && (sealed == 1 || progress.last == 0) && progress.trunc_below > 0 &&
                 progress.trunc_below - 1 <= progress.prefix &&
                 higher == (progress.high > progress.prefix);
    err = end(&in, valid, HR_STR("v/"), diag);
    if (!err) {
        *ret_progress = progress;
    }
    return err;
}

enum hr_err dkv_progress_encode(const struct dkv_progress *progress, struct hr_arena *arena,
                                struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 48);
    bool higher = progress->high > progress->prefix;
    dkv_out_uint(&out, higher ? PROGRESS_VERSION_HIGH : VERSION, 1);
    dkv_out_uint(&out, progress->prefix, 8);
    dkv_out_uint(&out, progress->hlc, 8);
    dkv_out_uint(&out, progress->sealed, 1);
    dkv_out_uint(&out, progress->last, 8);
    dkv_out_uint(&out, progress->trunc_below, 8);
    if (higher) {
        dkv_out_uint(&out, progress->high, 8);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_clear_decode(struct dkv_value value, struct dkv_stamp *ret_clear,
                             struct hr_diag *diag)
{
    struct dkv_in in;
    if (!value.present) {
        *ret_clear = (struct dkv_stamp){0};
        return HR_OK;
    }
    enum hr_err err = dkv_in_frame(value.bytes, VERSION, DKV_KEY_CLEAR, &in, diag);
    if (err) {
        return err;
    }
    struct dkv_stamp clear = dkv_stamp_read(&in);
    err = end(&in, clear.hlc > 0, DKV_KEY_CLEAR, diag);
    if (!err) {
        *ret_clear = clear;
    }
    return err;
}

enum hr_err dkv_clear_encode(struct dkv_stamp clear, struct hr_arena *arena,
                             struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32);
    dkv_out_uint(&out, VERSION, 1);
    dkv_stamp_write(&out, clear);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
