/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "host/calls/asset.h"

static void append(struct hr_buf *buf, const void *bytes, size_t len)
{
    assert_int_equal(hr_buf_append(buf, hr_str_of(bytes, len)), HR_OK);
}

/* What is asked, and what is answered, comes out as it went in. */
static void asset_wire_keeps_what_it_carries(void **state)
{
    (void)state;
    static char bytes[100000];
    struct hr_asset_header headers[] = {{HR_STR("content-type"), HR_STR("text/html")},
                                        {HR_STR("cache-control"), HR_STR("")}};
    const struct hr_asset asset = {.found = true,
                                   .etag = HR_STR("\"abc\""),
                                   .headers = headers,
                                   .header_count = 2,
                                   .bytes = hr_str_of(bytes, sizeof bytes)};
    const struct hr_asset_request asked = {HR_STR("/index.html"), HR_STR("br, gzip")};
    struct hr_asset_request request;
    struct hr_asset read;
    struct hr_buf buf = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    assert_int_equal(hr_asset_request_encode(&asked, &buf), HR_OK);
    assert_int_equal(hr_asset_request_decode(hr_buf_str(&buf), &request), HR_OK);
    assert_true(hr_str_eq(request.path, asked.path));
    assert_true(hr_str_eq(request.accept_encoding, asked.accept_encoding));
    hr_buf_clear(&buf);
    assert_int_equal(hr_asset_encode(&asset, &buf), HR_OK);
    assert_int_equal(hr_asset_decode(hr_buf_str(&buf), &arena, &read), HR_OK);
    assert_true(read.found);
    assert_int_equal(read.header_count, 2);
    assert_true(hr_str_eq(read.headers[0].value, HR_STR("text/html")));
    assert_true(hr_str_eq(read.bytes, asset.bytes));
    hr_buf_clear(&buf);
    assert_int_equal(hr_asset_encode(&(const struct hr_asset){0}, &buf), HR_OK);
    assert_int_equal(hr_asset_decode(hr_buf_str(&buf), &arena, &read), HR_OK);
    assert_false(read.found);
    hr_buf_release(&buf);
    hr_arena_release(&arena);
    assert_int_equal(hr_alloc_live(), 0);
}

/* Every cut, another version, bytes behind the end, texts that are no UTF-8 and too many headers are refused. */
static void asset_wire_refuses_anything_else(void **state)
{
    (void)state;
    struct hr_asset_header header = {HR_STR("a"), HR_STR("b")};
    const struct hr_asset asset = {.found = true,
                                   .etag = HR_STR("e"),
                                   .headers = &header,
                                   .header_count = 1,
                                   .bytes = HR_STR("x")};
    struct hr_asset read;
    struct hr_buf buf = {0};
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    assert_int_equal(hr_asset_encode(&asset, &buf), HR_OK);
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(hr_asset_decode(hr_str_of(buf.ptr, len), &arena, &read), HR_BAD_INPUT);
    }
    append(&buf, "y", 1);
    assert_int_equal(hr_asset_decode(hr_buf_str(&buf), &arena, &read), HR_BAD_INPUT);
    buf.ptr[0] = 2;
    assert_int_equal(hr_asset_decode(hr_buf_str(&buf), &arena, &read), HR_UNSUPPORTED);
    assert_int_equal(hr_asset_decode(HR_STR("\1\2"), &arena, &read), HR_BAD_INPUT);
    assert_int_equal(hr_asset_decode(HR_STR("\1\1\0\0\0\1\xff\0\0\0\0\0\0"), &arena, &read),
                     HR_BAD_INPUT);
    assert_int_equal(hr_asset_decode(HR_STR("\1\1\0\0\0\1e\0\x41"), &arena, &read), HR_BAD_INPUT);
    hr_buf_release(&buf);
    hr_arena_release(&arena);
}

/* A subject names lattice and actor. */
static void asset_subject_names_lattice_and_actor(void **state)
{
    (void)state;
    char text[HR_ASSET_SUBJECT_BYTES_MAX];
    struct hr_str subject = hr_asset_subject(HR_STR("default"), HR_STR("ui"), text);
    assert_true(hr_str_eq(subject, HR_STR("hedgerow.default.call.ui.get-asset")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asset_wire_keeps_what_it_carries),
        cmocka_unit_test(asset_wire_refuses_anything_else),
        cmocka_unit_test(asset_subject_names_lattice_and_actor),
    };
    return cmocka_run_group_tests_name("asset_wire", tests, NULL, NULL);
}
