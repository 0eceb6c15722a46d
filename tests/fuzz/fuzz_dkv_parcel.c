/* links: core_kv */
/* Any bytes as messages between sites: they are refused, or have one encoding. The checksum is made right
 * first, so that the rest of the decoders is reached. The first byte chooses the message. */
#include "actors/kv/core/format/have.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/transfer/state_wire.h"
#include "fuzz_dkv_turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads @in and writes it anew. */
static enum hr_err turn(unsigned kind, struct hr_str in, struct hr_arena *arena,
                        struct hr_str *ret_out)
{
    union {
        struct dkv_parcel parcel;
        struct dkv_ack ack;
        struct dkv_ship ship;
        struct dkv_have have;
        struct dkv_pull pull;
        struct dkv_log log;
        struct dkv_ask ask;
        struct dkv_state_ask state_ask;
        struct dkv_state state;
        struct dkv_fill fill;
        struct dkv_filled filled;
        struct dkv_sync sync;
        struct dkv_cover_row row;
    } u;
    struct hr_diag diag;
    enum hr_err err = HR_OK;
    switch (kind) {
    case 0:
        err = dkv_parcel_decode(in, arena, &u.parcel, &diag);
        return err ? err : dkv_parcel_encode(&u.parcel, arena, ret_out);
    case 1:
        err = dkv_ack_decode(in, &u.ack, &diag);
        return err ? err : dkv_ack_encode(&u.ack, arena, ret_out);
    case 2:
        err = dkv_ship_decode(in, arena, &u.ship, &diag);
        return err ? err : dkv_ship_encode(&u.ship, arena, ret_out);
    case 3:
        err = dkv_have_decode(in, arena, &u.have, &diag);
        return err ? err : dkv_have_encode(&u.have, arena, ret_out);
    case 4:
        err = dkv_pull_decode(in, &u.pull, &diag);
        return err ? err : dkv_pull_encode(&u.pull, arena, ret_out);
    case 5:
        err = dkv_log_decode(in, &u.log, &diag);
        return err ? err : dkv_log_encode(&u.log, arena, ret_out);
    case 6:
        err = dkv_state_ask_decode(in, &u.state_ask, &diag);
        return err ? err : dkv_state_ask_encode(&u.state_ask, arena, ret_out);
    case 7:
        err = dkv_state_decode(in, arena, &u.state, &diag);
        return err ? err : dkv_state_encode(&u.state, arena, ret_out);
    case 8:
        err = dkv_fill_decode(in, arena, &u.fill, &diag);
        return err ? err : dkv_fill_encode(&u.fill, arena, ret_out);
    case 9:
        err = dkv_filled_decode(in, &u.filled, &diag);
        return err ? err : dkv_filled_encode(&u.filled, arena, ret_out);
    case 10:
        err = dkv_sync_decode((struct dkv_value){in, true}, &u.sync, &diag);
        return err ? err : dkv_sync_encode(&u.sync, arena, ret_out);
    case 11:
        err = dkv_cover_row_decode(in, &u.row, &diag);
        return err ? err : dkv_cover_row_encode(&u.row, arena, ret_out);
    default:
        err = dkv_ask_decode(in, &u.ask, &diag);
        return err ? err : dkv_ask_encode(&u.ask, arena, ret_out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The unused bits of an acknowledgement's last byte are nobody's. */
    return fuzz_turn_all(data, size, 13, 1, turn);
}
