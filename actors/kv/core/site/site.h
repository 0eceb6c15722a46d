/* The site as one invocation finds it. No invocation remembers anything, so each reads m/self, m/ctr
 * and m/cfg anew (one that only reads a value: m/self); the first one after a start of the host, which m/self's boot nonce tells, mints a
 * new incarnation: a higher one than any before, a clock that goes on from the stored one, and
 * changes numbered from 1. That is one commit; of several invocations that race for it one wins and
 * the others read again.
 *
 * That commit also seals the incarnation before it, which can make no change any more: every commit
 * checks m/ctr. If the store may have lost some of its changes, that is left to seal.h.
 *
 * A nonce that has been in force and was followed by another is that of a host beside which a second
 * one was started on the same store. It goes on with the incarnation that is in force, so that the
 * hosts of one site share it instead of taking it from each other: the store puts their commits in an
 * order. m/self remembers the last DKV_BOOTS_MAX nonces for this.
 *
 * A site of a group serves no clients after a boot until it has what the others have (join.h). Its class says
 * what the boot found; one that was not sound stays, over later boots too, until the site serves again. A
 * site that takes itself to be alone serves at once; if its store was new at this boot, or has lost something, it
 * stops doing so when it hears of another.
 *
 * Whether the site is alone is a matter of its whole life: m/cfg names all sites that it has ever heard
 * of, and the commit that adds one moves m/ctr, so that no commit of a site that took itself to be
 * alone comes after it.
 * Must not know: records, messages. */
#ifndef DKV_SITE_H
#define DKV_SITE_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/config.h"

#define DKV_BOOT_TRIES_MAX 64u

struct dkv_site {
    struct dkv_ctr ctr;
    struct hr_str ctr_bytes; /* as stored: what a commit checks */
    struct dkv_cfg cfg;
    enum dkv_site_state state;
    enum dkv_boot_class boot_class;
    uint64_t since; /* the incarnation under which the store was begun */
    bool grouped;   /* there are, or have been, other sites */
    dkv_wall_ms wall;
};

/* Reads the site's state, booting it if need be, and adds config->others to m/cfg. Owns: what it gives lives in @arena.
 * Errors: HR_DENIED (the store belongs to another site), HR_NOT_READY (nobody knows yet whether the site is
 * alone, and that matters), HR_CORRUPT, HR_UNSUPPORTED, HR_BUSY (the boot was raced too often), HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_site_open(const struct dkv_env *env, const struct dkv_config *config,
                                        struct hr_arena *arena, struct dkv_site *ret_site,
                                        struct hr_diag *diag);
/* Reads @keys for a client, in their order and after m/self, which all goes in one reading; only if m/self says that
 * the site is not open yet, it is opened, and they are read again. Owns: the values live in @arena. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_site_read(const struct dkv_env *env, const struct dkv_config *config,
                                        const struct hr_str *keys, size_t count,
                                        struct hr_arena *arena, struct dkv_value *ret_values,
                                        struct hr_diag *diag);
/* Gives the site a new incarnation, above @above, in place of @origin, if that is the one in force: its store has lost
 * what others know of it, and is LOSSY from now on. Errors: as above, HR_CONFLICT, HR_UNKNOWN_OUTCOME. */
HR_MUST_CHECK enum hr_err dkv_site_renew(const struct dkv_env *env, const struct dkv_config *config,
                                         dkv_origin origin, uint64_t above, struct hr_arena *arena,
                                         struct hr_diag *diag);
/* Commits that the site is in @state from now on, and lifts its clock above @lift, if @origin is still in
 * force. A site that is ACTIVE is INTACT. Errors: HR_CONFLICT: another commit came first, or @origin is in
 * force no more; HR_UNKNOWN_OUTCOME; HR_CORRUPT, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_site_enter(const struct dkv_env *env, const struct dkv_config *config,
                                         dkv_origin origin, enum dkv_site_state state, dkv_hlc lift,
                                         struct hr_arena *arena, struct hr_diag *diag);
/* Commits that the store has lost changes, whatever it seemed at the boot: LOSSY, and SYNC. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_site_doubt(const struct dkv_env *env, const struct dkv_config *config,
                                         dkv_origin origin, struct hr_arena *arena,
                                         struct hr_diag *diag);
/* Puts @pair, if it is what @before says and nothing was committed since @site was read; moves m/ctr, as every
 * commit does. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_site_put(const struct dkv_env *env, const struct dkv_site *site,
                                       struct dkv_value before, struct dkv_pair pair,
                                       struct hr_arena *arena, struct hr_diag *diag);
/* HR_NOT_READY if the site does not serve clients now; @diag says why, if that is known. */
HR_MUST_CHECK enum hr_err dkv_site_serves(const struct dkv_env *env, const struct dkv_site *site,
                                          struct hr_arena *arena, struct hr_diag *diag);
/* Whether m/cfg names the site. */
bool dkv_site_member(const struct dkv_cfg *cfg, uint16_t id);
/* Whether the store is new, or has lost something, and the site has not caught up with others since: what it has
 * promised them it may not know any more. */
bool dkv_site_forgetful(const struct dkv_site *site);
/* Logs a clock that is further ahead of the wall than DKV_DRIFT_MS_MAX. */
void dkv_site_watch_clock(const struct dkv_env *env, dkv_hlc hlc, dkv_wall_ms wall);

#endif
