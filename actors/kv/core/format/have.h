/* Messages by which sites tell each other what they hold, and get what they lack. Integers are
 * big-endian; each begins with a version byte, 1 if nothing else is said, and ends with a CRC-32C of all before it.
 *
 *   ask    u8 version, 3 | u64 present origin of the asker | u64 incarnation under which its store was begun |
 *          u8 its state | u64 origin after which to begin, 0: from the first | crc
 *   have   u8 version, 6 | u16 id of the site | u64 its present origin | u64 incarnation under which its store was
 *          begun | u64 number of its newest change | u64 clock | u8 state | u8 class | u64 low | u64 floor |
 *          u64 highest incarnation of the asker's site that was heard of |
 *          u8 number of members and of sites that were taken out | (u16 id, u64 incarnation that is out, 0: none,
 *          u64 incarnation since which this store has known it, u64 highest one that was heard of, fence.h) each |
 *          u8 more | u16 count | count x (u64 origin | u64 prefix | u64 hlc | u64 high |
 *          u64 trunc below | u8 sealed | u64 last) | crc
 *          clock: every later change of the site is above it. low: every change up to it is applied at
 *          the site, and stays so; 0 says nothing. floor: the group's stability floor as the site knows
 *          it. A site that was taken out: all its incarnations up to the one given. Origins in their
 *          order; more: there are others after the last one. The rest is v/ (state.h) of each; origins
 *          without a change are left out. The rows are read after everything before them
 *   pull   u8 version | u64 origin | u64 after | u64 upto | crc
 *          changes of one origin wanted: numbers above after, up to upto
 *   log    u8 version | u8 what | u64 number | u8 more | u32 length | changes (parcel.h) | crc
 *          what 0: those of them that are here, the last of which is `number` (0: none), and whether
 *          there are more. what 1: some are no longer here, the first that still is is `number`
 *
 * Stateless, one arena a call. Must not know: the store. */
#ifndef DKV_HAVE_H
#define DKV_HAVE_H

#include "actors/kv/core/format/state.h"

/* Origins in one answer. */
#define DKV_HAVE_MAX 4096u
#define DKV_REMOVED_MAX DKV_MEMBERS_MAX

struct dkv_ask {
    dkv_origin origin;
    uint64_t begun; /* the incarnation under which the store was begun */
    enum dkv_site_state state;
    dkv_origin after;
};

struct dkv_have_row {
    dkv_origin origin;
    uint64_t prefix;
    dkv_hlc hlc; /* of change prefix; 0 if there is none */
    uint64_t high;
    uint64_t trunc_below;
    bool sealed;
    uint64_t last; /* 0 unless sealed */
};

/* All incarnations of a site up to @inc are out of the group. */
struct dkv_removed {
    uint16_t site;
    uint64_t inc;
    uint64_t since; /* of fence.h */
    uint64_t heard; /* the highest that was heard of; above @inc: the site is back */
};

struct dkv_have {
    uint16_t site;
    dkv_origin origin;
    uint64_t begun; /* the incarnation under which the store was begun */
    uint64_t seq;
    dkv_hlc clock;
    enum dkv_site_state state;
    enum dkv_boot_class boot_class;
    dkv_hlc low;
    dkv_hlc floor;
    uint64_t
        fence; /* the highest incarnation of the asker's site that was heard of; 0: nobody asked */
    struct dkv_removed removed[DKV_REMOVED_MAX];
    size_t removed_count;
    bool more;
    struct dkv_have_row *rows;
    size_t count;
};

struct dkv_pull {
    dkv_origin origin;
    uint64_t after;
    uint64_t upto;
};

struct dkv_log {
    bool truncated;
    uint64_t number;
    bool more;
    struct hr_str changes; /* a parcel, encoded; borrowed */
};

/* Decoders: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. Encoders: HR_NO_MEMORY. What they make lives in
 * @arena. */
HR_MUST_CHECK enum hr_err dkv_ask_decode(struct hr_str bytes, struct dkv_ask *ret_ask,
                                         struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_ask_encode(const struct dkv_ask *ask, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_have_decode(struct hr_str bytes, struct hr_arena *arena,
                                          struct dkv_have *ret_have, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_have_encode(const struct dkv_have *have, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_pull_decode(struct hr_str bytes, struct dkv_pull *ret_pull,
                                          struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_pull_encode(const struct dkv_pull *pull, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_log_decode(struct hr_str bytes, struct dkv_log *ret_log,
                                         struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_log_encode(const struct dkv_log *log, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);
/* What @have says of the group's site @site; all 0: nothing. */
struct dkv_removed dkv_have_removed(const struct dkv_have *have, uint16_t site);
/* Whether the rows are what was asked for: those after @after. Who asks for more after the last of them gets
 * further then. */
bool dkv_have_follows(const struct dkv_have *have, dkv_origin after);

#endif
