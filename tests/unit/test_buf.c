/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

static void assert_holds(const struct hr_buf *buf, struct hr_str want)
{
    assert_int_equal(buf->len, want.len);
    assert_true(hr_str_eq(hr_buf_str(buf), want));
}

/* Appends add up, whatever they are made of; integers come big-endian. */
static void buf_appends_add_up(void **state)
{
    (void)state;
    struct hr_buf buf = {0};
    assert_int_equal(hr_buf_append(&buf, HR_STR("ab")), HR_OK);
    assert_int_equal(hr_buf_append(&buf, (struct hr_str){0}), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '\0'), HR_OK);
    assert_int_equal(hr_buf_append_u16(&buf, 0x0102), HR_OK);
    assert_int_equal(hr_buf_append_u32(&buf, 0xa0b0c0d0u), HR_OK);
    assert_int_equal(hr_buf_append_u64(&buf, 0x1122334455667788u), HR_OK);
    assert_int_equal(hr_buf_printf(&buf, "%s=%d", "n", -5), HR_OK);
    assert_int_equal(hr_buf_printf(&buf, "%s", ""), HR_OK);
    assert_holds(&buf, HR_STR("ab\0\x01\x02\xa0\xb0\xc0\xd0\x11\x22\x33\x44\x55\x66\x77\x88n=-5"));
    hr_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_true(buf.cap > 0);
    hr_buf_release(&buf);
    hr_buf_release(&buf);
    hr_buf_release(NULL);
}

/* Many small appends keep every byte while the memory moves. */
static void buf_grows(void **state)
{
    (void)state;
    int64_t live = hr_alloc_live();
    struct hr_buf buf = {0};
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(hr_buf_printf(&buf, "%05d,", i), HR_OK);
    }
    assert_int_equal(buf.len, 120000);
    assert_memory_equal(buf.ptr + 6 * 12345, "12345,", 6);
    hr_buf_release(&buf);
    assert_int_equal(hr_alloc_live(), live);
}

/* At its limit a buffer takes the last byte and refuses the next, unchanged, by every door. */
static void buf_keeps_its_limit(void **state)
{
    (void)state;
    struct hr_buf buf = {.max = 100};
    char filler[101];
    memset(filler, 'f', sizeof filler);
    assert_int_equal(hr_buf_append(&buf, hr_str_of(filler, 101)), HR_TOO_BIG);
    assert_int_equal(hr_buf_append(&buf, hr_str_of(filler, 95)), HR_OK);
    assert_int_equal(hr_buf_printf(&buf, "%06d", 1), HR_TOO_BIG);
    assert_int_equal(buf.len, 95);
    assert_int_equal(hr_buf_printf(&buf, "%04d", 7), HR_OK);
    assert_int_equal(hr_buf_append_u16(&buf, 1), HR_TOO_BIG);
    assert_int_equal(hr_buf_append_byte(&buf, '!'), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '!'), HR_TOO_BIG);
    assert_int_equal(hr_buf_printf(&buf, "%s", "x"), HR_TOO_BIG);
    assert_int_equal(hr_buf_printf(&buf, "%s", ""), HR_OK);
    assert_int_equal(hr_buf_reserve(&buf, 0), HR_OK);
    assert_int_equal(hr_buf_reserve(&buf, 1), HR_TOO_BIG);
    assert_int_equal(hr_buf_reserve(&buf, SIZE_MAX), HR_TOO_BIG);
    assert_int_equal(buf.max, 100);
    assert_memory_equal(buf.ptr + 95, "0007!", 5);
    hr_buf_release(&buf);
}

/* When memory is out nothing is changed. */
static void buf_survives_failing_allocation(void **state)
{
    (void)state;
    struct hr_buf buf = {.max = 1 << 20};
    assert_int_equal(hr_buf_append(&buf, HR_STR("kept")), HR_OK);
    char filler[1000] = {0};
    hr_alloc_fail_after(0);
    assert_int_equal(hr_buf_append(&buf, hr_str_of(filler, 1000)), HR_NO_MEMORY);
    hr_alloc_fail_after(0);
    assert_int_equal(hr_buf_printf(&buf, "%01000d", 1), HR_NO_MEMORY);
    hr_alloc_fail_after(-1);
    assert_int_equal(buf.max, 1 << 20);
    assert_holds(&buf, HR_STR("kept"));
    hr_buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_appends_add_up),
        cmocka_unit_test(buf_grows),
        cmocka_unit_test(buf_keeps_its_limit),
        cmocka_unit_test(buf_survives_failing_allocation),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
