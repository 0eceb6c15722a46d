/* Joins the core to hedgerow:ui/assets: get-asset answers out of the bundle that this build carries.
 * What it returns is the caller's: the post-return function of the bindings frees it, so each part
 * is a copy. An instance serves one call. */
#include "actors/ui/built_bundle.h"
#include "actors/ui/core/answer.h"
#include "base/assert.h"
#include "ui.h"

#include <stdlib.h>

static struct hr_str borrow(const ui_string_t *text)
{
    return hr_str_of(text->ptr, text->len);
}

static void copy(ui_string_t *ret, struct hr_str text)
{
    ui_string_dup_n(ret, text.ptr, text.len);
}

static void copy_headers(ui_list_tuple2_string_string_t *ret, const struct ui_answer *answer)
{
    ret->len = answer->header_count;
    ret->ptr = malloc(ret->len * sizeof *ret->ptr);
    HR_ASSERT(ret->ptr);
    for (size_t i = 0; i < ret->len; i++) {
        copy(&ret->ptr[i].f0, answer->headers[i].name);
        copy(&ret->ptr[i].f1, answer->headers[i].value);
    }
}

static void copy_answer(exports_hedgerow_ui_assets_asset_t *ret, const struct ui_answer *answer)
{
    ui_string_t bytes;
    copy(&ret->etag, answer->etag);
    copy_headers(&ret->headers, answer);
    copy(&bytes, answer->bytes);
    ret->bytes = (ui_list_u8_t){bytes.ptr, bytes.len};
}

/* True: asking went well, and @ret says what there is. All is in this instance, so that @err, why
 * nobody could be asked, is never needed. */
bool exports_hedgerow_ui_assets_get_asset(ui_string_t *path, ui_string_t *accept_encoding,
                                          exports_hedgerow_ui_assets_option_asset_t *ret,
                                          ui_string_t *err)
{
    (void)err;
    struct ui_answer answer;
    ret->is_some =
        ui_answer_find(&ui_built_bundle, borrow(path), borrow(accept_encoding), &answer) == HR_OK;
    if (ret->is_some) {
        copy_answer(&ret->val, &answer);
    }
    /* The arguments are this call's own, as the canonical ABI has it. */
    ui_string_free(path);
    ui_string_free(accept_encoding);
    return true;
}
