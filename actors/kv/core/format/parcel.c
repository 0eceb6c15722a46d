/* Decoding and encoding of the messages in which changes travel. */
#include "actors/kv/core/format/parcel.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/format/wire.h"

#define VERSION 1u
#define CRC_BYTES 4u
#define PULLED_BYTES 16u

uint32_t dkv_parcel_crc(struct hr_str bytes)
{
    if (bytes.len < CRC_BYTES) {
        return 0;
    }
    struct dkv_in in = dkv_in_of(hr_str_from(bytes, bytes.len - CRC_BYTES));
    return dkv_in_u32(&in);
}

enum hr_err dkv_parcel_decode(struct hr_str bytes, struct hr_arena *arena,
                              struct dkv_parcel *ret_parcel, struct hr_diag *diag)
{
    struct dkv_in in;
    if (bytes.len > DKV_PARCEL_BYTES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("changes: too long"));
    }
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("changes"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_parcel parcel = {.count = dkv_in_u16(&in)};
    if (parcel.count > DKV_PARCEL_CHANGES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("changes: too many"));
    }
    parcel.changes = hr_arena_alloc(arena, parcel.count * sizeof *parcel.changes);
    if (!parcel.changes) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < parcel.count; i++) {
        parcel.changes[i] = dkv_in_bytes(&in, dkv_in_u32(&in));
    }
    if (!dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("changes: wrong length"));
    }
    *ret_parcel = parcel;
    return HR_OK;
}

enum hr_err dkv_parcel_encode(const struct dkv_parcel *parcel, struct hr_arena *arena,
                              struct hr_str *ret_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < parcel->count; i++) {
        bytes += parcel->changes[i].len;
    }
    struct dkv_out out = dkv_out_in(arena, DKV_PARCEL_BYTES(parcel->count, bytes));
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, parcel->count, 2);
    for (size_t i = 0; i < parcel->count; i++) {
        dkv_out_uint(&out, parcel->changes[i].len, 4);
        dkv_out_bytes(&out, parcel->changes[i]);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_pulled_decode(struct hr_str bytes, struct dkv_pulled *ret_pulled,
                              struct hr_diag *diag)
{
    struct dkv_in in = dkv_in_of(bytes);
    struct dkv_pulled pulled = {.asked_as = dkv_in_u64(&in)};
    pulled.heard_inc = dkv_in_u64(&in);
    if (in.failed) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("pulled changes: too short"));
    }
    pulled.changes = hr_str_from(bytes, PULLED_BYTES);
    *ret_pulled = pulled;
    return HR_OK;
}

enum hr_err dkv_pulled_encode(const struct dkv_pulled *pulled, struct hr_arena *arena,
                              struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, PULLED_BYTES + pulled->changes.len);
    dkv_out_uint(&out, pulled->asked_as, 8);
    dkv_out_uint(&out, pulled->heard_inc, 8);
    dkv_out_bytes(&out, pulled->changes);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_ack_decode(struct hr_str bytes, struct dkv_ack *ret_ack, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("ack"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_ack ack = {.site = dkv_in_u16(&in)};
    ack.crc = dkv_in_u32(&in);
    ack.count = dkv_in_u16(&in);
    if (ack.count > DKV_PARCEL_CHANGES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ack: too many changes"));
    }
    struct hr_str bits = dkv_in_bytes(&in, (ack.count + 7) / 8);
    if (!dkv_in_done(&in) || ack.site == 0) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ack: out of bounds"));
    }
    for (size_t i = 0; i < ack.count; i++) {
        ack.held[i] = (unsigned char)bits.ptr[i / 8] >> (7 - i % 8) & 1;
    }
    *ret_ack = ack;
    return HR_OK;
}

enum hr_err dkv_ack_encode(const struct dkv_ack *ack, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 16 + ack->count / 8);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, ack->site, 2);
    dkv_out_uint(&out, ack->crc, 4);
    dkv_out_uint(&out, ack->count, 2);
    for (size_t at = 0; at < ack->count; at += 8) {
        unsigned bits = 0;
        for (size_t i = at; i < ack->count && i < at + 8; i++) {
            bits |= (unsigned)ack->held[i] << (7 - i % 8);
        }
        dkv_out_uint(&out, bits, 1);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_ship_decode(struct hr_str bytes, struct hr_arena *arena, struct dkv_ship *ret_ship,
                            struct hr_diag *diag)
{
    struct dkv_in in;
    if (bytes.len > DKV_SHIP_BYTES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ship: too long"));
    }
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("ship"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_ship ship = {.changes = dkv_in_bytes(&in, dkv_in_u32(&in))};
    ship.count = dkv_in_u16(&in);
    if (ship.count > DKV_SHIP_REPLIES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ship: too many replies"));
    }
    ship.waiting = hr_arena_alloc(arena, ship.count * sizeof *ship.waiting);
    if (!ship.waiting) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < ship.count; i++) {
        ship.waiting[i].index = dkv_in_u16(&in);
        ship.waiting[i].reply_to = dkv_in_bytes(&in, dkv_in_u16(&in));
        ship.waiting[i].body = dkv_in_bytes(&in, dkv_in_u32(&in));
    }
    if (!dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ship: wrong length"));
    }
    *ret_ship = ship;
    return HR_OK;
}

enum hr_err dkv_ship_encode(const struct dkv_ship *ship, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 64 + ship->changes.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, ship->changes.len, 4);
    dkv_out_bytes(&out, ship->changes);
    dkv_out_uint(&out, ship->count, 2);
    for (size_t i = 0; i < ship->count; i++) {
        const struct dkv_waiting *waiting = &ship->waiting[i];
        dkv_out_uint(&out, waiting->index, 2);
        dkv_out_uint(&out, waiting->reply_to.len, 2);
        dkv_out_bytes(&out, waiting->reply_to);
        dkv_out_uint(&out, waiting->body.len, 4);
        dkv_out_bytes(&out, waiting->body);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
