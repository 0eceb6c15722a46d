/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/run/handles.h"

static int destroyed;

static void destroy(struct hr_resource *resource)
{
    destroyed++;
    hr_free(resource);
}

static const struct hr_resource_type apple = {"apple", destroy};
static const struct hr_resource_type pear = {"pear", destroy};

static struct hr_resource *new_fruit(const struct hr_resource_type *type)
{
    struct hr_resource *fruit = hr_alloc(sizeof *fruit);
    assert_non_null(fruit);
    hr_resource_init(fruit, type);
    return fruit;
}

static uint32_t add(struct hr_handles *handles, const struct hr_resource_type *type)
{
    uint32_t index = 0;
    assert_int_equal(hr_handles_add(handles, new_fruit(type), &index), HR_OK);
    return index;
}

/* Only an index that was given out, for that type, and not taken back finds something. */
static void handles_find_what_is_there_of_that_type(void **state)
{
    (void)state;
    struct hr_handles handles;
    struct hr_resource *found;
    hr_handles_init(&handles);
    assert_int_equal(hr_handles_get(&handles, 1, &apple, &found), HR_NOT_FOUND);
    uint32_t first = add(&handles, &apple);
    uint32_t second = add(&handles, &pear);
    assert_int_not_equal(first, 0);
    assert_int_not_equal(first, second);
    assert_int_equal(hr_handles_get(&handles, first, &apple, &found), HR_OK);
    assert_int_equal(hr_handles_get(&handles, first, &pear, &found), HR_NOT_FOUND);
    const uint32_t wrong[] = {0, second + 1, 31, 32, 33, 4095, 4096, INT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(hr_handles_get(&handles, wrong[i], &apple, &found), HR_NOT_FOUND);
        assert_int_equal(hr_handles_take(&handles, wrong[i], &apple, &found), HR_NOT_FOUND);
    }
    assert_int_equal(hr_handles_take(&handles, first, &apple, &found), HR_OK);
    hr_resource_unref(found);
    assert_int_equal(hr_handles_take(&handles, first, &apple, &found), HR_NOT_FOUND);
    assert_int_equal(hr_handles_get(&handles, first, &apple, &found), HR_NOT_FOUND);
    hr_handles_release(&handles);
}

/* A place that is free again is given out again, once. */
static void handles_give_free_places_again(void **state)
{
    (void)state;
    struct hr_handles handles;
    struct hr_resource *taken;
    hr_handles_init(&handles);
    uint32_t a = add(&handles, &apple);
    uint32_t b = add(&handles, &apple);
    assert_int_equal(hr_handles_take(&handles, a, &apple, &taken), HR_OK);
    hr_resource_unref(taken);
    assert_int_equal(hr_handles_take(&handles, b, &apple, &taken), HR_OK);
    hr_resource_unref(taken);
    uint32_t c = add(&handles, &pear);
    uint32_t d = add(&handles, &pear);
    uint32_t e = add(&handles, &pear);
    assert_true(c == b && d == a && e != a && e != b);
    hr_handles_release(&handles);
}

/* The table is bounded; the caller keeps what did not fit. Everything in it goes with it. */
static void handles_are_bounded_and_released(void **state)
{
    (void)state;
    struct hr_handles handles;
    struct hr_resource *taken;
    uint32_t index = 0;
    int64_t live = hr_alloc_live();
    hr_handles_init(&handles);
    destroyed = 0;
    for (uint32_t i = 1; i < HR_HANDLES_MAX; i++) {
        index = add(&handles, &apple);
    }
    struct hr_resource *left_over = new_fruit(&apple);
    assert_int_equal(hr_handles_add(&handles, left_over, &index), HR_BUSY);
    assert_int_equal(left_over->refs, 1);
    assert_int_equal(hr_handles_take(&handles, 7, &apple, &taken), HR_OK);
    hr_resource_unref(taken);
    assert_int_equal(hr_handles_add(&handles, left_over, &index), HR_OK);
    assert_int_equal(index, 7);
    hr_handles_release(&handles);
    assert_int_equal(destroyed, HR_HANDLES_MAX);
    hr_handles_release(&handles); /* an empty table may be released again */
    assert_int_equal(hr_alloc_live(), live);
}

/* Memory that runs out while the table grows is an error that loses nothing. */
static void handles_survive_a_failed_growth(void **state)
{
    (void)state;
    struct hr_handles handles;
    uint32_t index = 0;
    int64_t live = hr_alloc_live();
    hr_handles_init(&handles);
    for (uint32_t i = 1; i < 32; i++) {
        index = add(&handles, &apple);
    }
    struct hr_resource *fruit = new_fruit(&pear);
    hr_alloc_fail_after(0);
    assert_int_equal(hr_handles_add(&handles, fruit, &index), HR_NO_MEMORY);
    hr_alloc_fail_after(-1);
    assert_int_equal(hr_handles_add(&handles, fruit, &index), HR_OK);
    assert_int_equal(index, 32);
    hr_handles_release(&handles);
    assert_int_equal(hr_alloc_live(), live);
}

/* A resource lives as long as anybody refers to it. */
static void handles_keep_what_is_referred_to(void **state)
{
    (void)state;
    struct hr_handles handles;
    struct hr_resource *fruit = new_fruit(&apple);
    uint32_t index;
    hr_handles_init(&handles);
    destroyed = 0;
    hr_resource_ref(fruit);
    assert_int_equal(hr_handles_add(&handles, fruit, &index), HR_OK);
    hr_handles_release(&handles);
    assert_int_equal(destroyed, 0);
    hr_resource_unref(fruit);
    assert_int_equal(destroyed, 1);
    hr_resource_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_find_what_is_there_of_that_type),
        cmocka_unit_test(handles_give_free_places_again),
        cmocka_unit_test(handles_are_bounded_and_released),
        cmocka_unit_test(handles_survive_a_failed_growth),
        cmocka_unit_test(handles_keep_what_is_referred_to),
    };
    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
