/* links: core_kv */
/* Messages between sites, made of the input, to a site of a group whose store is in memory, with one fault
 * somewhere: whatever comes in whatever order, the store obeys the rules of the protocol, and what is
 * acknowledged is there. Four bytes make a change: its origin, its number, what it does, to which key and
 * field. A number has one clock and one content, as with sites that are not mad; and every 16th input
 * takes the bytes as they are, as messages of each kind, of which it is only wanted that the site survives
 * them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/parcel.h"
#include "base/assert.h"
#include "tests/unit/test_dkv_check.h"

#define CHANGES_MAX 200u
#define CHANGE_BYTES 4u
#define PER_MESSAGE 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hr_str make_change(struct hr_arena *arena, const uint8_t *bytes)
{
    static const enum dkv_change_op ops[] = {DKV_CHANGE_SET,  DKV_CHANGE_SET, DKV_CHANGE_SET,
                                             DKV_CHANGE_DEL,  DKV_CHANGE_DEL, DKV_CHANGE_CLEAR,
                                             DKV_CHANGE_NOOP, DKV_CHANGE_SET};
    uint64_t origin = 2 + bytes[0] % 3;
    uint64_t seq = 1 + bytes[1] % 24;
    /* What the change is follows from its place. */
    uint64_t draw = (origin * 31 + seq) * 0x9E3779B97F4A7C15u;
    enum dkv_change_op op = ops[(draw >> 40) % 8];
    char key[2] = {'k', (char)('0' + (char)((draw >> 32) % 4))};
    char value[2] = {(char)('1' + (char)((draw >> 50) % 9)), '\0'};
    struct dkv_field fields[2] = {{.type = DKV_FIELD_BYTES}, {.name = HR_STR("f")}};
    bool deletes = (draw >> 20) % 4 == 0;
    fields[1].type = deletes ? DKV_FIELD_DELETED : DKV_FIELD_BYTES;
    fields[1].value = deletes ? (struct hr_str){0} : hr_str_of(value, 1);
    bool keyed = op == DKV_CHANGE_SET || op == DKV_CHANGE_DEL;
    struct dkv_change change = {
        .op = op,
        .stamp = {((uint64_t)FAKE_WALL << 16) + seq * 40 + (draw >> 24) % 40,
                  dkv_origin_of((uint16_t)origin, 9)},
        .seq = seq,
        .identified = op != DKV_CHANGE_NOOP && (draw >> 10) % 2 == 0,
        .key = keyed ? hr_str_of(key, 2) : (struct hr_str){0},
        .fields = fields,
        .count = op == DKV_CHANGE_SET ? 2 : 0};
    struct hr_str out = {0};
    struct hr_diag diag;
    memcpy(change.opid.bytes, &draw, sizeof draw);
    HR_ASSERT(dkv_change_encode(&change, arena, &out, &diag) == HR_OK);
    return out;
}

static void send_one(struct fake *fake, const char *subject, struct hr_str body)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    const struct dkv_message message = {hr_str_c(subject), body, HR_STR("_INBOX.1")};
    dkv_batch_handle(&env, &message, 1, &handled);
}

/* What the newest answer acknowledges is in the store. */
static void check_ack(const struct fake *fake, const struct dkv_parcel *parcel)
{
    struct dkv_ack ack;
    struct hr_diag diag;
    const struct fake_reply *reply = fake_sent(fake, "_INBOX.1");
    if (!reply) {
        return;
    }
    HR_ASSERT(!dkv_ack_decode(hr_str_of(reply->body, reply->body_len), &ack, &diag));
    HR_ASSERT(ack.count == parcel->count);
    for (size_t i = 0; i < ack.count; i++) {
        char name[48];
        snprintf(name, sizeof name, "f/%016llx/%016llx",
                 (unsigned long long)check_be(parcel->changes[i], 2, 8),
                 (unsigned long long)check_be(parcel->changes[i], 10, 8));
        HR_ASSERT(!ack.held[i] || hr_str_eq(fake_get(fake, name), parcel->changes[i]));
    }
}

static void replicate(struct fake *fake, struct hr_arena *arena, const uint8_t *data, size_t size)
{
    struct hr_str changes[PER_MESSAGE];
    struct dkv_parcel parcel = {.changes = changes};
    for (size_t i = 0; i < size / CHANGE_BYTES && i < CHANGES_MAX; i++) {
        const uint8_t *bytes = data + i * CHANGE_BYTES;
        if (bytes[2] % 8 == 7) {
            static const char *bodies[] = {"{\"f\":1}", "{\"f\":null}", "{\"g\":2}", "{}"};
            static const char *keys[] = {"wasmkv.set.k0", "wasmkv.set.k1", "wasmkv.del.k1",
                                         "wasmkv.del"};
            const char *subject = keys[bytes[3] % 4];
            send_one(fake, subject, hr_str_c(subject[7] == 's' ? bodies[bytes[3] / 4 % 4] : ""));
            continue;
        }
        changes[parcel.count++] = make_change(arena, bytes);
        if (parcel.count == PER_MESSAGE || bytes[3] % 4 == 0) {
            struct hr_str body;
            HR_ASSERT(dkv_parcel_encode(&parcel, arena, &body) == HR_OK);
            fake_forget_replies(fake);
            send_one(fake, "wasmkv.peer.default.w", body);
            check_ack(fake, &parcel);
            parcel.count = 0;
        }
    }
}

static void survive(struct fake *fake, struct hr_arena *arena, struct hr_str bytes)
{
    static const char *subjects[] = {
        "wasmkv.peer.default.w",      "_LOCAL.wasmkv.default.apply",  "_LOCAL.wasmkv.default.ship",
        "wasmkv.peer.default.have",   "wasmkv.peer.default.log.here", "wasmkv.peer.default.st.here",
        "_LOCAL.wasmkv.default.fill", "wasmkv.peer.default.dig.here", "_LOCAL.wasmkv.default.mend"};
    struct hr_str changes[1] = {bytes};
    const struct dkv_parcel parcel = {changes, 1};
    struct hr_str body;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        send_one(fake, subjects[i], bytes);
    }
    HR_ASSERT(dkv_parcel_encode(&parcel, arena, &body) == HR_OK);
    send_one(fake, subjects[0], body);
    const struct dkv_pulled pulled = {check_be(fake_get(fake, "m/ctr"), 1, 8),
                                      bytes.len % 2 ? DKV_INC_MAX : 0, body};
    HR_ASSERT(dkv_pulled_encode(&pulled, arena, &body) == HR_OK);
    send_one(fake, subjects[1], body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake fake = fake_new(1);
    struct hr_arena arena;
    if (size < 3) {
        return 0;
    }
    hr_arena_init(&arena, 0);
    fake.sites = "4";
    fake.page_max = 3;
    if (data[2] % 8 > 0) {
        fake_serve(
            &fake); /* else it takes nothing as it happens of sites that it has never heard */
    }
    fake.fault_at = data[0] + 1u;
    fake.fault = (enum fake_fault)(data[1] % FAKE_FAULTS);
    if (data[2] % 16 == 15) {
        survive(&fake, &arena, hr_str_of(data + 3, size - 3));
    } else {
        replicate(&fake, &arena, data + 3, size - 3);
        /* Once more, undisturbed. */
        fake.dead = false;
        fake.fault_at = 0;
        fake_late_do(&fake);
        replicate(&fake, &arena, data + 3, size - 3);
        HR_ASSERT(check_failures(&fake, true) == 0);
    }
    fake_release(&fake);
    hr_arena_release(&arena);
    return 0;
}
