/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "tests/unit/dice.h"

/* Every piece is zeroed, aligned to 16 and apart from all others, over sizes from nothing to several
 * chunks; release frees everything. */
static void arena_pieces_are_apart(void **state)
{
    (void)state;
    struct dice dice = dice_from("arena_pieces_are_apart");
    int64_t live = hr_alloc_live();
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    for (int round = 0; round < 2; round++) {
        enum { COUNT = 500 };
        unsigned char *pieces[COUNT];
        size_t sizes[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            sizes[i] = dice_roll(&dice, dice_roll(&dice, 10) == 0 ? 200000 : 300);
            pieces[i] = hr_arena_alloc(&arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            for (size_t j = 0; j < sizes[i]; j++) {
                assert_int_equal(pieces[i][j], 0);
            }
            memset(pieces[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            for (size_t j = 0; j < sizes[i]; j++) {
                assert_int_equal(pieces[i][j], (unsigned char)i);
            }
        }
        hr_arena_release(&arena);
        assert_int_equal(hr_alloc_live(), live);
        assert_int_equal(arena.used_bytes, 0);
    }
}

/* The limit holds in total, to the byte (in steps of 16), and a refusal takes nothing. */
static void arena_keeps_its_limit(void **state)
{
    (void)state;
    struct hr_arena arena;
    hr_arena_init(&arena, 1600);
    for (int i = 0; i < 99; i++) {
        assert_non_null(hr_arena_alloc(&arena, 1));
    }
    assert_null(hr_arena_alloc(&arena, 17));
    assert_non_null(hr_arena_alloc(&arena, 16));
    assert_null(hr_arena_alloc(&arena, 1));
    assert_int_equal(arena.used_bytes, 1600);
    hr_arena_release(&arena);
    assert_non_null(hr_arena_alloc(&arena, 1600));
    assert_null(hr_arena_alloc(&arena, 1));
    hr_arena_release(&arena);
}

/* Sizes that overflow are refused. */
static void arena_refuses_impossible_sizes(void **state)
{
    (void)state;
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    for (size_t i = 0; i < 32; i++) { /* with its chunk's header each is too large for a size_t */
        assert_null(hr_arena_alloc(&arena, SIZE_MAX - i));
    }
    assert_null(hr_arena_copy(&arena, (struct hr_str){"", SIZE_MAX}).ptr);
    hr_arena_release(&arena);
}

/* A copy is terminated, and an empty one is not NULL: NULL means that there is no memory. */
static void arena_copies_strings(void **state)
{
    (void)state;
    struct hr_arena arena;
    hr_arena_init(&arena, 64);
    struct hr_str copy = hr_arena_copy(&arena, HR_STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b\0", 4);
    copy = hr_arena_copy(&arena, (struct hr_str){0});
    assert_int_equal(copy.len, 0);
    assert_string_equal(copy.ptr, "");
    copy = hr_arena_copy(&arena, HR_STR("0123456789abcdef0123456789abcdef"));
    assert_null(copy.ptr);
    assert_int_equal(copy.len, 0);
    hr_arena_release(&arena);
}

/* When memory is out the arena says so and stays usable; a zeroed one can be released. */
static void arena_survives_failing_allocation(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    hr_arena_release(&arena);
    char *before = hr_arena_alloc(&arena, 100);
    memset(before, 'x', 100);
    hr_alloc_fail_after(0);
    assert_null(hr_arena_alloc(&arena, 100000));
    assert_int_equal(arena.used_bytes, 112);
    assert_non_null(hr_arena_alloc(&arena, 100000));
    assert_int_equal(before[99], 'x');
    hr_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_pieces_are_apart),
        cmocka_unit_test(arena_keeps_its_limit),
        cmocka_unit_test(arena_refuses_impossible_sizes),
        cmocka_unit_test(arena_copies_strings),
        cmocka_unit_test(arena_survives_failing_allocation),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
