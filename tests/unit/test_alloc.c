/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"

/* Memory comes zeroed, of size 0 too, and the live count follows. */
static void alloc_gives_zeroed_memory(void **state)
{
    (void)state;
    int64_t live = hr_alloc_live();
    unsigned char *bytes = hr_alloc(1000);
    void *nothing = hr_alloc(0);
    assert_non_null(bytes);
    assert_non_null(nothing);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_int_equal(hr_alloc_live(), live + 2);
    hr_free(bytes);
    hr_free(nothing);
    hr_free(NULL);
    assert_int_equal(hr_alloc_live(), live);
}

/* An array whose size overflows is refused, not made small. */
static void alloc_array_refuses_overflow(void **state)
{
    (void)state;
    assert_null(hr_alloc_array(SIZE_MAX / 2, 3));
    assert_null(hr_alloc_array(SIZE_MAX, SIZE_MAX));
    void *array = hr_alloc_array(10, 3);
    assert_non_null(array);
    hr_free(array);
}

/* Growing keeps the contents and the count; from NULL it is an allocation. */
static void alloc_realloc_keeps_contents(void **state)
{
    (void)state;
    int64_t live = hr_alloc_live();
    char *text = hr_realloc(NULL, 4);
    assert_non_null(text);
    memcpy(text, "abc", 4);
    text = hr_realloc(text, 100000);
    assert_string_equal(text, "abc");
    text = hr_realloc(text, 4);
    assert_string_equal(text, "abc");
    assert_int_equal(hr_alloc_live(), live + 1);
    hr_free(text);
    assert_int_equal(hr_alloc_live(), live);
}

/* A copy is terminated and has every byte; one that cannot be is refused. */
static void alloc_cstr_copies(void **state)
{
    (void)state;
    char *copy = hr_alloc_cstr(HR_STR("a\0b"));
    assert_memory_equal(copy, "a\0b\0", 4);
    hr_free(copy);
    copy = hr_alloc_cstr((struct hr_str){0});
    assert_string_equal(copy, "");
    hr_free(copy);
    assert_null(hr_alloc_cstr((struct hr_str){"", SIZE_MAX}));
}

/* The allocation after the countdown fails, that one only, by whichever door; the old memory of a
 * growth that fails stays. */
static void alloc_fails_after_countdown(void **state)
{
    (void)state;
    hr_alloc_fail_after(2);
    void *one = hr_alloc(1);
    void *two = hr_alloc_array(1, 1);
    assert_non_null(one);
    assert_non_null(two);
    assert_null(hr_alloc(1));
    void *three = hr_alloc(1);
    assert_non_null(three);
    char *text = hr_alloc_cstr(HR_STR("kept"));
    hr_alloc_fail_after(0);
    assert_null(hr_realloc(text, 1000));
    assert_string_equal(text, "kept");
    hr_alloc_fail_after(0);
    assert_null(hr_alloc_cstr(HR_STR("x")));
    hr_alloc_fail_after(1);
    hr_alloc_fail_after(-1);
    void *four = hr_alloc(1);
    void *five = hr_alloc(1);
    assert_non_null(four);
    assert_non_null(five);
    void *all[] = {one, two, three, four, five, text};
    for (size_t i = 0; i < 6; i++) {
        hr_free(all[i]);
    }
}

static void *alloc_many(void *arg)
{
    size_t *failed = arg;
    for (int i = 0; i < 10000; i++) {
        void *ptr = hr_alloc(16);
        *failed += ptr == NULL;
        hr_free(ptr);
    }
    return NULL;
}

/* Of several threads just one sees the failure, and the live count stays right. */
static void alloc_counts_across_threads(void **state)
{
    (void)state;
    int64_t live = hr_alloc_live();
    pthread_t threads[4];
    size_t failed[4] = {0};
    hr_alloc_fail_after(15000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, alloc_many, &failed[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(failed[0] + failed[1] + failed[2] + failed[3], 1);
    assert_int_equal(hr_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_gives_zeroed_memory),
        cmocka_unit_test(alloc_array_refuses_overflow),
        cmocka_unit_test(alloc_realloc_keeps_contents),
        cmocka_unit_test(alloc_cstr_copies),
        cmocka_unit_test(alloc_fails_after_countdown),
        cmocka_unit_test(alloc_counts_across_threads),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
