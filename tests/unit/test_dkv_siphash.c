/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actors/kv/core/format/siphash.h"

static unsigned char key[16];
static char message[64];

static int fill(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof message; i++) {
        message[i] = (char)i;
    }
    memcpy(key, message, sizeof key);
    return 0;
}

/* The test value of the paper's appendix A: key 00..0f, message 00..0e. */
static void siphash_matches_the_paper(void **state)
{
    (void)state;
    assert_int_equal(dkv_siphash(key, hr_str_of(message, 15)), 0xa129ca6149be45e5u);
}

/* The first values of the authors' vectors, for messages of 0, 1 and 8 bytes. */
static void siphash_matches_the_reference_vectors(void **state)
{
    (void)state;
    const unsigned char wide0[] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                   0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
    const unsigned char wide1[] = {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
                                   0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45};
    unsigned char hash[16];
    assert_int_equal(dkv_siphash(key, hr_str_of(message, 0)), 0x726fdb47dd0e0e31u);
    assert_int_equal(dkv_siphash(key, hr_str_of(message, 8)), 0x93f5f5799a932462u);
    dkv_siphash128(key, hr_str_of(message, 0), hash);
    assert_memory_equal(hash, wide0, sizeof hash);
    dkv_siphash128(key, hr_str_of(message, 1), hash);
    assert_memory_equal(hash, wide1, sizeof hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_matches_the_paper),
        cmocka_unit_test(siphash_matches_the_reference_vectors),
    };
    return cmocka_run_group_tests_name("dkv_siphash", tests, fill, NULL);
}
