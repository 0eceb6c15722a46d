/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "actors/kv/core/format/leaf.h"

/* A leaf's number has as many bits as it should, and keys spread over all leaves. */
static void leaf_spreads_keys(void **state)
{
    (void)state;
    unsigned counts[256] = {0};
    for (int i = 0; i < 256 * 64; i++) {
        char key[32];
        snprintf(key, sizeof key, "todo.%d", i);
        uint32_t leaf = dkv_leaf_of(hr_str_c(key), 8);
        assert_true(leaf < 256);
        assert_int_equal(dkv_leaf_of(hr_str_c(key), 16) >> 8, leaf);
        counts[leaf]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(counts[i], 24, 120);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_spreads_keys),
    };
    return cmocka_run_group_tests_name("dkv_leaf", tests, NULL, NULL);
}
