/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/wire.h"

/* Integers are big-endian and come back, and a reader knows its end. */
static void wire_integers_round_trip(void **state)
{
    (void)state;
    struct hr_arena arena;
    struct hr_str bytes;
    hr_arena_init(&arena, 0);
    struct dkv_out out = dkv_out_in(&arena, 1);
    dkv_out_uint(&out, 0x01, 1);
    dkv_out_uint(&out, 0x0203, 2);
    dkv_out_uint(&out, 0x04050607, 4);
    dkv_out_uint(&out, 0x08090a0b0c0d0e0f, 8);
    dkv_out_bytes(&out, HR_STR("end"));
    assert_int_equal(dkv_out_take(&out, &bytes), HR_OK);
    assert_memory_equal(bytes.ptr,
                        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                        "end",
                        18);
    struct dkv_in in = dkv_in_of(bytes);
    assert_int_equal(dkv_in_u8(&in), 0x01);
    assert_int_equal(dkv_in_u16(&in), 0x0203);
    assert_int_equal(dkv_in_u32(&in), 0x04050607);
    assert_int_equal(dkv_in_u64(&in), 0x08090a0b0c0d0e0f);
    assert_false(dkv_in_done(&in));
    assert_true(hr_str_eq(dkv_in_bytes(&in, 3), HR_STR("end")));
    assert_true(dkv_in_done(&in));
    hr_arena_release(&arena);
}

/* Reading beyond the end gives zeros from then on, and is never forgotten. */
static void wire_reader_stays_failed(void **state)
{
    (void)state;
    struct dkv_in in = dkv_in_of(HR_STR("abc"));
    assert_int_equal(dkv_in_u32(&in), 0);
    assert_true(in.failed);
    assert_int_equal(dkv_in_u8(&in), 0);
    assert_int_equal(dkv_in_bytes(&in, SIZE_MAX).len, 0);
    assert_false(dkv_in_done(&in));
}

/* A writer keeps its first error. */
static void wire_writer_keeps_its_error(void **state)
{
    (void)state;
    struct hr_arena arena;
    struct hr_str bytes;
    hr_arena_init(&arena, 64);
    struct dkv_out out = dkv_out_in(&arena, 16);
    dkv_out_bytes(&out, HR_STR("more than the arena has room for, counting what was there before"));
    dkv_out_uint(&out, 1, 1);
    assert_int_equal(dkv_out_take(&out, &bytes), HR_NO_MEMORY);
    hr_arena_release(&arena);
}

/* A frame is taken only whole, with the right version, and every flipped bit is noticed. */
static void wire_frame_notices_every_bit(void **state)
{
    (void)state;
    struct hr_arena arena;
    struct hr_str bytes;
    struct dkv_in in;
    struct hr_diag diag;
    hr_arena_init(&arena, 0);
    struct dkv_out out = dkv_out_in(&arena, 0);
    dkv_out_uint(&out, 1, 1);
    dkv_out_bytes(&out, HR_STR("body"));
    dkv_out_seal(&out);
    assert_int_equal(dkv_out_take(&out, &bytes), HR_OK);
    assert_int_equal(dkv_in_frame(bytes, 1, HR_STR("thing"), &in, &diag), HR_OK);
    assert_true(hr_str_eq(dkv_in_bytes(&in, 4), HR_STR("body")));
    assert_true(dkv_in_done(&in));
    assert_int_equal(dkv_in_frame(bytes, 2, HR_STR("thing"), &in, &diag), HR_UNSUPPORTED);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(dkv_in_frame(hr_str_of(bytes.ptr, len), 1, HR_STR("thing"), &in, &diag),
                         HR_CORRUPT);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        out.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(dkv_in_frame(bytes, 1, HR_STR("thing"), &in, &diag), HR_CORRUPT);
        out.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    hr_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_integers_round_trip),
        cmocka_unit_test(wire_reader_stays_failed),
        cmocka_unit_test(wire_writer_keeps_its_error),
        cmocka_unit_test(wire_frame_notices_every_bit),
    };
    return cmocka_run_group_tests_name("dkv_wire", tests, NULL, NULL);
}
