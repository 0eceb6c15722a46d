/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/diag.h"

/* A text is set, grows prefixes on its way up, and the error passes through. */
static void diag_grows_prefixes(void **state)
{
    (void)state;
    struct hr_diag diag;
    assert_int_equal(hr_diag_set(&diag, HR_NO_SPACE, "map %s", "full"), HR_NO_SPACE);
    assert_int_equal(hr_diag_prefix(&diag, HR_NO_SPACE, "lmdb"), HR_NO_SPACE);
    assert_int_equal(hr_diag_prefix(&diag, HR_IO, "put %s/%d", "todo", 7), HR_IO);
    assert_string_equal(diag.text, "put todo/7: lmdb: map full");
    hr_diag_set(&diag, HR_IO, "anew");
    assert_string_equal(diag.text, "anew");
}

/* Long texts are cut, never overrun, and always terminated. */
static void diag_cuts_long_texts(void **state)
{
    (void)state;
    struct {
        struct hr_diag diag;
        char after[16];
    } guarded;
    memset(&guarded, 'g', sizeof guarded);
    hr_diag_set(&guarded.diag, HR_IO, "%0600d", 1);
    assert_int_equal(strlen(guarded.diag.text), HR_DIAG_BYTES_MAX - 1);
    hr_diag_prefix(&guarded.diag, HR_IO, "prefix");
    assert_int_equal(strlen(guarded.diag.text), HR_DIAG_BYTES_MAX - 1);
    assert_memory_equal(guarded.diag.text, "prefix: 000", 11);
    for (size_t len = HR_DIAG_BYTES_MAX - 4; len < HR_DIAG_BYTES_MAX + 4; len++) {
        hr_diag_set(&guarded.diag, HR_IO, "old");
        hr_diag_prefix(&guarded.diag, HR_IO, "%0*d", (int)len, 1);
        assert_true(strlen(guarded.diag.text) < HR_DIAG_BYTES_MAX);
    }
    for (size_t i = 0; i < sizeof guarded.after; i++) {
        assert_int_equal(guarded.after[i], 'g');
    }
}

/* Whoever wants no text passes NULL and gets the error all the same. */
static void diag_accepts_null(void **state)
{
    (void)state;
    assert_int_equal(hr_diag_set(NULL, HR_BUSY, "%d", 1), HR_BUSY);
    assert_int_equal(hr_diag_prefix(NULL, HR_BUSY, "%d", 1), HR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diag_grows_prefixes),
        cmocka_unit_test(diag_cuts_long_texts),
        cmocka_unit_test(diag_accepts_null),
    };
    return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
