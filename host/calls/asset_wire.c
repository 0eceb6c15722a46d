/* Asset requests and replies as bytes; the layouts are in asset.h. Whatever comes in is somebody else's. */
#include <stdio.h>

#include "host/calls/asset.h"

#define VERSION 1

/* What is left to read; @bad once something did not fit. */
struct reader {
    struct hr_str rest;
    bool bad;
};

static uint32_t take_uint(struct reader *in, size_t bytes)
{
    uint32_t value = 0;
    if (in->rest.len < bytes) {
        in->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | (unsigned char)in->rest.ptr[i];
    }
    in->rest = hr_str_from(in->rest, bytes);
    return value;
}

static struct hr_str take_bytes(struct reader *in)
{
    uint32_t len = take_uint(in, 4);
    if (in->bad || in->rest.len < len) {
        in->bad = true;
        return HR_STR("");
    }
    struct hr_str bytes = hr_str_of(in->rest.ptr, len);
    in->rest = hr_str_from(in->rest, len);
    return bytes;
}

/* A guest's strings are UTF-8. */
static struct hr_str take_text(struct reader *in)
{
    struct hr_str text = take_bytes(in);
    in->bad = in->bad || !hr_str_is_utf8(text);
    return text;
}

static bool take_version(struct reader *in)
{
    return take_uint(in, 1) == VERSION || in->bad; /* too short is bad, not of another version */
}

static enum hr_err outcome(const struct reader *in)
{
    return in->bad || in->rest.len > 0 ? HR_BAD_INPUT : HR_OK;
}

static enum hr_err put_bytes(struct hr_buf *buf, struct hr_str bytes)
{
    if (bytes.len > UINT32_MAX) {
        return HR_TOO_BIG;
    }
    enum hr_err err = hr_buf_append_u32(buf, (uint32_t)bytes.len);
    return err ? err : hr_buf_append(buf, bytes);
}

enum hr_err hr_asset_request_encode(const struct hr_asset_request *request, struct hr_buf *buf)
{
    enum hr_err err = hr_buf_append_byte(buf, VERSION);
    err = err ? err : put_bytes(buf, request->path);
    return err ? err : put_bytes(buf, request->accept_encoding);
}

enum hr_err hr_asset_request_decode(struct hr_str bytes, struct hr_asset_request *ret_request)
{
    struct reader in = {bytes, false};
    if (!take_version(&in)) {
        return HR_UNSUPPORTED;
    }
    struct hr_asset_request request = {.path = take_text(&in)};
    request.accept_encoding = take_text(&in);
    enum hr_err err = outcome(&in);
    if (!err) {
        *ret_request = request;
    }
    return err;
}

enum hr_err hr_asset_encode(const struct hr_asset *asset, struct hr_buf *buf)
{
    enum hr_err err = hr_buf_append_byte(buf, VERSION);
    err = err ? err : hr_buf_append_byte(buf, asset->found);
    if (err || !asset->found) {
        return err;
    }
    err = put_bytes(buf, asset->etag);
    err = err ? err : hr_buf_append_u16(buf, (uint16_t)asset->header_count);
    for (uint32_t i = 0; i < asset->header_count && !err; i++) {
        err = put_bytes(buf, asset->headers[i].name);
        err = err ? err : put_bytes(buf, asset->headers[i].value);
    }
    return err ? err : put_bytes(buf, asset->bytes);
}

static enum hr_err take_headers(struct reader *in, struct hr_arena *arena, struct hr_asset *asset)
{
    uint32_t count = take_uint(in, 2);
    if (count > HR_ASSET_HEADERS_MAX) {
        return HR_BAD_INPUT;
    }
    asset->headers = hr_arena_alloc(arena, (count + 1) * sizeof *asset->headers);
    if (!asset->headers) {
        return HR_NO_MEMORY;
    }
    for (; asset->header_count < count && !in->bad; asset->header_count++) {
        asset->headers[asset->header_count].name = take_text(in);
        asset->headers[asset->header_count].value = take_text(in);
    }
    return HR_OK;
}

enum hr_err hr_asset_decode(struct hr_str bytes, struct hr_arena *arena, struct hr_asset *ret_asset)
{
    struct reader in = {bytes, false};
    struct hr_asset asset = {0};
    enum hr_err err = HR_OK;
    if (!take_version(&in)) {
        return HR_UNSUPPORTED;
    }
    uint32_t found = take_uint(&in, 1);
    asset.found = found == 1;
    if (asset.found) {
        asset.etag = take_text(&in);
        err = take_headers(&in, arena, &asset);
        asset.bytes = err ? HR_STR("") : take_bytes(&in);
    }
    err = err ? err : outcome(&in);
    err = err ? err : (found > 1 ? HR_BAD_INPUT : HR_OK);
    if (!err) {
        *ret_asset = asset;
    }
    return err;
}

struct hr_str hr_asset_subject(struct hr_str lattice, struct hr_str actor,
                               char ret_text[HR_ASSET_SUBJECT_BYTES_MAX])
{
    int len = snprintf(ret_text, HR_ASSET_SUBJECT_BYTES_MAX, "hedgerow.%.*s.call.%.*s.get-asset",
                       HR_STR_ARG(lattice), HR_STR_ARG(actor));
    return hr_str_of(ret_text, len > 0 ? (size_t)len : 0);
}
