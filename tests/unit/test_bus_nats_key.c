/* links: hr_bus
 * NKeys: the public key of a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "host/bus/nats_key.h"
#include "nats_jwt.h"

/* The pair of NATS' own documentation ("NKeys", docs.nats.io). */
static void nkey_gives_the_documented_public_key(void **state)
{
    char key[HR_NKEY_BYTES + 1];
    (void)state;
    assert_int_equal(
        hr_nkey_public(HR_STR("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"), key),
        HR_OK);
    assert_string_equal(key, "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
}

/* Every user's seed gives the key that it was made with. */
static void nkey_agrees_with_generated_pairs(void **state)
{
    char key[HR_NKEY_BYTES + 1];
    struct jwt_key made;
    (void)state;
    for (int i = 0; i < 100; i++) {
        jwt_make_key('U', &made);
        assert_int_equal(hr_nkey_public(hr_str_c(made.seed_text), key), HR_OK);
        assert_string_equal(key, made.public_text);
    }
}

/* A seed of somebody else's kind, a public key, a letter changed, a letter more or less: none is taken,
 * and nothing is written. */
static void nkey_refuses_what_is_no_users_seed(void **state)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567018=a \n";
    char key[HR_NKEY_BYTES + 1] = "untouched";
    struct jwt_key made;
    (void)state;
    jwt_make_key('A', &made);
    assert_int_equal(hr_nkey_public(hr_str_c(made.seed_text), key), HR_BAD_INPUT);
    jwt_make_key('U', &made);
    struct hr_str seed = hr_str_c(made.seed_text);
    assert_int_equal(hr_nkey_public(hr_str_c(made.public_text), key), HR_BAD_INPUT);
    assert_int_equal(hr_nkey_public(hr_str_of(seed.ptr, seed.len - 1), key), HR_BAD_INPUT);
    assert_int_equal(hr_nkey_public(hr_str_from(seed, 1), key), HR_BAD_INPUT);
    assert_int_equal(hr_nkey_public(HR_STR(""), key), HR_BAD_INPUT);
    for (size_t at = 0; at + 1 < seed.len;
         at++) { /* the last letter has bits that count for nothing */
        char before = made.seed_text[at];
        for (const char *letter = letters; *letter; letter++) {
            made.seed_text[at] = *letter;
            assert_int_equal(hr_nkey_public(seed, key) == HR_OK, *letter == before);
            if (*letter == before) {
                snprintf(key, sizeof key, "untouched");
            }
        }
        made.seed_text[at] = before;
    }
    assert_string_equal(key, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nkey_gives_the_documented_public_key),
        cmocka_unit_test(nkey_agrees_with_generated_pairs),
        cmocka_unit_test(nkey_refuses_what_is_no_users_seed),
    };
    return cmocka_run_group_tests_name("bus_nats_key", tests, NULL, NULL);
}
