#include "actors/kv/core/site/scan.h"

#include "actors/kv/core/format/text.h"

enum hr_err dkv_scan_page(const struct dkv_env *env, struct hr_str prefix, struct hr_str after,
                          uint32_t limit, struct hr_arena *arena, struct dkv_page *ret_page,
                          struct hr_diag *diag)
{
    enum hr_err err = env->scan(env->arg, prefix, after, limit, arena, ret_page, diag);
    if (!err && ret_page->more && ret_page->count == 0) {
        err = DKV_FAIL(diag, HR_INTERNAL, HR_STR("the store gave an empty page"));
    }
    return err;
}
