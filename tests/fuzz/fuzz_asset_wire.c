/* links: hr_host
 * Input: bytes that claim to be a request or a reply for a web asset. Whatever decodes must come out of
 * encoding as it went in. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "host/calls/asset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(struct hr_str input, enum hr_err err, struct hr_buf *buf)
{
    HR_ASSERT(!err);
    HR_ASSERT(hr_str_eq(input, hr_buf_str(buf)));
    hr_buf_release(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_str input = hr_str_of(data, size);
    struct hr_asset_request request;
    struct hr_asset asset;
    struct hr_buf buf = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    if (!hr_asset_request_decode(input, &request)) {
        check_same(input, hr_asset_request_encode(&request, &buf), &buf);
    }
    if (!hr_asset_decode(input, &arena, &asset)) {
        check_same(input, hr_asset_encode(&asset, &buf), &buf);
    }
    hr_arena_release(&arena);
    return 0;
}
