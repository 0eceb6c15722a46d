/* The guest that takes the ui actor's place where tests want files of a certain size: "/<number>" is that many
 * bytes, each its own place modulo 251; "/" is empty; there is nothing else. */
#include <numbers.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (16u << 20)
#define MODULUS 251u

/* "/123" as 123; BYTES_MAX + 1 for what is no such path. */
static unsigned long size_of(const numbers_string_t *path)
{
    unsigned long size = 0;
    for (size_t i = 1; i < path->len; i++) {
        if (path->ptr[i] < '0' || path->ptr[i] > '9' || size > BYTES_MAX) {
            return BYTES_MAX + 1;
        }
        size = size * 10 + (unsigned long)(path->ptr[i] - '0');
    }
    return size;
}

static void fill(exports_hedgerow_ui_assets_asset_t *asset, unsigned long size)
{
    numbers_string_dup(&asset->etag, "\"numbers\"");
    asset->headers.len = 1;
    asset->headers.ptr = malloc(sizeof *asset->headers.ptr);
    asset->bytes.len = size;
    asset->bytes.ptr = malloc(size + 1);
    if (!asset->headers.ptr || !asset->bytes.ptr) {
        abort();
    }
    numbers_string_dup(&asset->headers.ptr->f0, "content-type");
    numbers_string_dup(&asset->headers.ptr->f1, "application/octet-stream");
    for (unsigned long i = 0; i < size; i++) {
        asset->bytes.ptr[i] = (uint8_t)(i % MODULUS);
    }
}

bool exports_hedgerow_ui_assets_get_asset(numbers_string_t *path, numbers_string_t *accept_encoding,
                                          exports_hedgerow_ui_assets_option_asset_t *ret,
                                          numbers_string_t *err)
{
    (void)err;
    unsigned long size = size_of(path);
    ret->is_some = size <= BYTES_MAX;
    if (ret->is_some) {
        fill(&ret->val, size);
    }
    numbers_string_free(path);
    numbers_string_free(accept_encoding);
    return true;
}
