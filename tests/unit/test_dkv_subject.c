/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/subject.h"

/* Each public subject means what docs/protocol.md says. */
static void subject_understands_the_public_ones(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        enum dkv_op op;
        const char *key;
        bool writes;
    } rows[] = {
        {"wasmkv.get", DKV_OP_LIST, "", false},      {"wasmkv.get.a.b", DKV_OP_GET, "a.b", false},
        {"wasmkv.set.a", DKV_OP_SET, "a", true},     {"wasmkv.del", DKV_OP_CLEAR, "", true},
        {"wasmkv.del.get", DKV_OP_DEL, "get", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dkv_subject subject = {0};
        assert_int_equal(dkv_subject_parse(hr_str_c(rows[i].subject), &subject, NULL), HR_OK);
        assert_int_equal(subject.op, rows[i].op);
        assert_true(hr_str_eq(subject.key, hr_str_c(rows[i].key)));
        assert_int_equal(dkv_op_writes(subject.op), rows[i].writes);
    }
}

/* Anything else is refused with the reason. */
static void subject_refuses_others(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         "wasmkv",
                         "wasmkv.",
                         "wasmkv.put.a",
                         "wasmkv.set",
                         "wasmkv.getx",
                         "wasmkv.get.",
                         "wasmkv.get..a",
                         "wasmkv.get.a b",
                         "other.get.a",
                         "wasmkv.peer.default.w",
                         "wasmkv.ge"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dkv_subject subject;
        struct hr_diag diag = {{0}};
        assert_int_equal(dkv_subject_parse(hr_str_c(bad[i]), &subject, &diag), HR_BAD_INPUT);
        assert_true(strlen(diag.text) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subject_understands_the_public_ones),
        cmocka_unit_test(subject_refuses_others),
    };
    return cmocka_run_group_tests_name("dkv_subject", tests, NULL, NULL);
}
