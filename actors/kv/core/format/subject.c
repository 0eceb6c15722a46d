/* Takes a subject apart. */
#include "actors/kv/core/format/subject.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"

/* What stands between "wasmkv." and the key, and what it means without and with one. */
static const struct verb {
    struct hr_str name;
    enum dkv_op alone;
    enum dkv_op keyed;
    bool needs_key;
} verbs[] = {
    {{"get", 3}, DKV_OP_LIST, DKV_OP_GET, false},
    {{"set", 3}, DKV_OP_SET, DKV_OP_SET, true},
    {{"del", 3}, DKV_OP_CLEAR, DKV_OP_DEL, false},
};

static enum hr_err parse_verb(const struct verb *verb, struct hr_str rest,
                              struct dkv_subject *ret_subject, struct hr_diag *diag)
{
    if (rest.len == 0 && verb->needs_key) {
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("the subject needs a key: wasmkv."), verb->name,
                        HR_STR(".<key>"));
    }
    if (rest.len == 0) {
        *ret_subject = (struct dkv_subject){.op = verb->alone};
        return HR_OK;
    }
    struct hr_str key = hr_str_from(rest, 1);
    if (!dkv_key_valid(key)) {
        return DKV_FAIL(diag, HR_BAD_INPUT,
                        HR_STR("a key is 1 to 256 bytes: tokens of A-Z a-z 0-9 - _ = with single "
                               "dots between them"));
    }
    *ret_subject = (struct dkv_subject){.op = verb->keyed, .key = key};
    return HR_OK;
}

enum hr_err dkv_subject_parse(struct hr_str subject, struct dkv_subject *ret_subject,
                              struct hr_diag *diag)
{
    const struct hr_str prefix = HR_STR("wasmkv.");
    struct hr_str rest = hr_str_from(subject, prefix.len);
    for (size_t i = 0; hr_str_starts(subject, prefix) && i < sizeof verbs / sizeof verbs[0]; i++) {
        struct hr_str tail = hr_str_from(rest, verbs[i].name.len);
        if (hr_str_starts(rest, verbs[i].name) && (tail.len == 0 || tail.ptr[0] == '.')) {
            return parse_verb(&verbs[i], tail, ret_subject, diag);
        }
    }
    return DKV_FAIL(diag, HR_BAD_INPUT,
                    HR_STR("unknown subject; there are wasmkv.get, wasmkv.get.<key>, "
                           "wasmkv.set.<key>, wasmkv.del and wasmkv.del.<key>"));
}

bool dkv_op_writes(enum dkv_op op)
{
    return op == DKV_OP_SET || op == DKV_OP_DEL || op == DKV_OP_CLEAR;
}
