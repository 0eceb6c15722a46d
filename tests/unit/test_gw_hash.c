/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/hash.h"

static void digest(struct hr_str bytes, size_t piece_bytes, char ret_hex[33])
{
    unsigned char key[16];
    unsigned char result[GW_HASH_BYTES];
    struct gw_hash hash;
    for (unsigned char i = 0; i < 16; i++) {
        key[i] = i;
    }
    gw_hash_init(&hash, key);
    for (size_t at = 0; at < bytes.len; at += piece_bytes) {
        size_t left = bytes.len - at;
        gw_hash_add(&hash, hr_str_of(bytes.ptr + at, left < piece_bytes ? left : piece_bytes));
    }
    gw_hash_end(&hash, result);
    for (size_t i = 0; i < GW_HASH_BYTES; i++) {
        snprintf(ret_hex + 2 * i, 3, "%02x", result[i]);
    }
}

/* The results of the reference code for the key 00..0f and the inputs 00, 00 01, ... */
static void hash_matches_the_reference_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *want;
    } rows[] = {
        {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
        {2, "8177228da4a45dc7fca38bdef60affe4"},  {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},
        {8, "3b62a9ba6258f5610f83e264f31497b4"},  {15, "5493e99933b0a8117e08ec0f97cfc3d9"},
        {16, "6ee2a4ca67b054bbfd3315bf85230577"}, {63, "5150d1772f50834a503e069a973fbd7c"},
    };
    char input[64];
    char got[33];
    for (size_t i = 0; i < sizeof input; i++) {
        input[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        digest(hr_str_of(input, rows[i].len), 64, got);
        assert_string_equal(got, rows[i].want);
    }
}

/* Where the input is cut into pieces makes no difference. */
static void hash_is_the_same_in_pieces(void **state)
{
    (void)state;
    char input[61];
    char whole[33];
    char pieces[33];
    for (size_t i = 0; i < sizeof input; i++) {
        input[i] = (char)(i * 37);
    }
    digest(hr_str_of(input, sizeof input), sizeof input, whole);
    for (size_t piece = 1; piece < sizeof input; piece++) {
        digest(hr_str_of(input, sizeof input), piece, pieces);
        assert_string_equal(pieces, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_matches_the_reference_vectors),
        cmocka_unit_test(hash_is_the_same_in_pieces),
    };
    return cmocka_run_group_tests_name("gw_hash", tests, NULL, NULL);
}
