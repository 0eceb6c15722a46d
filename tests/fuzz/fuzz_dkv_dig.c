/* links: core_kv */
/* Any bytes as questions about records, answers to them, and repairs: they are refused, or have one encoding. The
 * checksum is made right first, so that the rest of the decoders is reached. The first byte chooses the
 * message. */
#include "actors/kv/core/compare/mend.h"
#include "actors/kv/core/format/dig.h"
#include "fuzz_dkv_turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads @in and writes it anew. */
static enum hr_err turn(unsigned kind, struct hr_str in, struct hr_arena *arena,
                        struct hr_str *ret_out)
{
    union {
        struct dkv_dig dig;
        struct dkv_dig_answer answer;
        struct dkv_mend mend;
    } u;
    struct hr_diag diag;
    enum hr_err err = HR_OK;
    switch (kind) {
    case 0:
        err = dkv_dig_decode(in, arena, &u.dig, &diag);
        return err ? err : dkv_dig_encode(&u.dig, arena, ret_out);
    case 1:
        err = dkv_dig_answer_decode(in, arena, &u.answer, &diag);
        return err ? err : dkv_dig_answer_encode(&u.answer, arena, ret_out);
    default:
        err = dkv_mend_decode(in, &u.mend, &diag);
        return err ? err : dkv_mend_encode(&u.mend, arena, ret_out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_turn_all(data, size, 3, 3, turn);
}
