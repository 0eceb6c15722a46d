/* Answers other sites' questions: what this site holds (HAVE), and a piece of it (LOG). Reads only, but
 * for the boot of the site, and the fence that is put up before a HAVE is answered (fence.h). Must not know: what becomes of the answers. */
#ifndef DKV_SERVE_H
#define DKV_SERVE_H

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/site/config.h"

/* Changes in one answer, and about how long they are together. */
#define DKV_LOG_CHANGES_MAX 512u
#define DKV_LOG_BYTES_GOAL ((size_t)512 << 10)

/* What this site holds of the origins after @after, up to DKV_HAVE_MAX of them, for the site @asker (0: for this one).
 * Owns: it lives in @arena.
 * Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_serve_read(const struct dkv_env *env, const struct dkv_config *config,
                                         dkv_origin after, uint16_t asker, struct hr_arena *arena,
                                         struct dkv_have *ret_have, struct hr_diag *diag);
/* Answers @message, of the route HAVE or LOG. Errors: as above, and those of publishing. */
HR_MUST_CHECK enum hr_err dkv_serve_have(const struct dkv_env *env, const struct dkv_config *config,
                                         const struct dkv_message *message, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_serve_log(const struct dkv_env *env, const struct dkv_config *config,
                                        const struct dkv_message *message, struct hr_diag *diag);

#endif
