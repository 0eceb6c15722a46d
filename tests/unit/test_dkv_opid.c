/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actors/kv/core/format/opid.h"
#include "actors/kv/core/format/siphash.h"

static struct dkv_opid hash_of(const char *id)
{
    struct dkv_opid opid;
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", hr_str_c(id), opid.bytes);
    return opid;
}

/* The example of RFC 9562, appendix A.6: its first six bytes are the milliseconds. */
static void opid_of_a_uuid_of_version_7_begins_with_its_time(void **state)
{
    (void)state;
    static const char id[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    static const unsigned char time[6] = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0};
    const struct dkv_opid opid = dkv_opid_of(hr_str_c(id));
    const struct dkv_opid hash = hash_of(id);
    assert_memory_equal(opid.bytes, time, sizeof time);
    assert_memory_equal(opid.bytes + 6, hash.bytes + 6, DKV_OPID_BYTES - 6);
    const struct dkv_opid other = dkv_opid_of(HR_STR("017f22e2-79b0-7cc3-98c4-dc0c0c073980"));
    assert_memory_equal(other.bytes, time, sizeof time);
    assert_memory_not_equal(opid.bytes + 6, other.bytes + 6, DKV_OPID_BYTES - 6);
}

/* Whatever else it is, it is hashed as it stands. */
static void opid_of_any_other_id_is_its_hash(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "",
        "r1",
        "919108f7-52d1-4320-9bac-f847db4148a8",  /* version 4: the example of appendix A.3 */
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",  /* not as a UUID is written */
        "017f22e2-79b0-7cc3-78c4-dc0c0c07398f",  /* another variant */
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",   /* too short */
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", /* too long */
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e279b0-7cc3-98c4-dc0c0c07398f0-",
        "017f22e2-79b0-7cc3-98c4_dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct dkv_opid opid = dkv_opid_of(hr_str_c(ids[i]));
        const struct dkv_opid hash = hash_of(ids[i]);
        assert_memory_equal(opid.bytes, hash.bytes, DKV_OPID_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opid_of_a_uuid_of_version_7_begins_with_its_time),
        cmocka_unit_test(opid_of_any_other_id_is_its_hash),
    };
    return cmocka_run_group_tests_name("dkv_opid", tests, NULL, NULL);
}
