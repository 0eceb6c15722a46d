/* Tokens of sessions. */
#include "actors/kv/core/format/session.h"

#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define BITS_PER_DIGIT 6u

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool digit_value(char c, uint32_t *ret_value)
{
    for (uint32_t i = 0; i < sizeof digits - 1; i++) {
        if (digits[i] == c) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

/* The bytes behind @text. False if it is no base64url without padding, or has more than there is room for; each
 * run of bytes has one text only. */
static bool from_base64(struct hr_str text, char ret_bytes[DKV_SESSION_BYTES_MAX], size_t *ret_len)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    if (text.len > DKV_SESSION_TEXT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value;
        if (!digit_value(text.ptr[i], &value)) {
            return false;
        }
        bits = bits << BITS_PER_DIGIT | value;
        have += BITS_PER_DIGIT;
        if (have >= 8) {
            have -= 8;
            ret_bytes[len++] = (char)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    *ret_len = len;
    return have < BITS_PER_DIGIT && bits == 0;
}

static enum hr_err to_base64(struct hr_str bytes, struct hr_arena *arena, struct hr_str *ret_text)
{
    size_t len = (bytes.len * 4 + 2) / 3;
    char *text = hr_arena_alloc(arena, len);
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    if (!text) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8 | (unsigned char)bytes.ptr[i]) & 0xffff;
        for (have += 8; have >= BITS_PER_DIGIT; have -= BITS_PER_DIGIT) {
            text[at++] = digits[bits >> (have - BITS_PER_DIGIT) & 63];
        }
    }
    if (have > 0) {
        text[at++] = digits[bits << (BITS_PER_DIGIT - have) & 63];
    }
    *ret_text = hr_str_of(text, at);
    return HR_OK;
}

static bool read_entries(struct dkv_in *in, struct dkv_session *session)
{
    session->count = dkv_in_u8(in);
    if (session->count > DKV_SESSION_ORIGINS_MAX) {
        return false;
    }
    for (size_t i = 0; i < session->count; i++) {
        struct dkv_stamp *stamp = &session->seen[i];
        stamp->origin = dkv_in_u64(in);
        stamp->hlc = dkv_in_u64(in);
        if (stamp->hlc == 0 || dkv_origin_site(stamp->origin) == 0 ||
            (i > 0 && stamp->origin <= session->seen[i - 1].origin)) {
            return false;
        }
    }
    return dkv_in_done(in);
}

enum hr_err dkv_session_decode(struct hr_str text, struct dkv_session *ret_session,
                               struct hr_diag *diag)
{
    char bytes[DKV_SESSION_BYTES_MAX];
    size_t len = 0;
    struct dkv_in in;
    struct dkv_session session = {0};
    bool sound = text.len == 0 || (from_base64(text, bytes, &len) &&
                                   dkv_in_frame(hr_str_of(bytes, len), VERSION, HR_STR("token"),
                                                &in, diag) == HR_OK &&
                                   read_entries(&in, &session));
    if (!sound) {
        return DKV_FAIL(diag, HR_BAD_INPUT,
                        HR_STR("$session must be a token that a reply gave, or empty"));
    }
    *ret_session = session;
    return HR_OK;
}

enum hr_err dkv_session_encode(const struct dkv_session *session, struct hr_arena *arena,
                               struct hr_str *ret_text)
{
    struct hr_str bytes;
    struct dkv_out out = dkv_out_in(arena, DKV_SESSION_BYTES_MAX);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, session->count, 1);
    for (size_t i = 0; i < session->count; i++) {
        dkv_out_uint(&out, session->seen[i].origin, 8);
        dkv_out_uint(&out, session->seen[i].hlc, 8);
    }
    dkv_out_seal(&out);
    enum hr_err err = dkv_out_take(&out, &bytes);
    return err ? err : to_base64(bytes, arena, ret_text);
}

static size_t lowest_of(const struct dkv_session *session)
{
    size_t lowest = 0;
    for (size_t i = 1; i < session->count; i++) {
        lowest = session->seen[i].hlc < session->seen[lowest].hlc ? i : lowest;
    }
    return lowest;
}

/* Makes room for one more, which has @stamp. False if it is that one for which there is none. */
static bool make_room(struct dkv_session *session, struct dkv_stamp stamp)
{
    if (session->count < DKV_SESSION_ORIGINS_MAX) {
        return true;
    }
    size_t lowest = lowest_of(session);
    if (stamp.hlc <= session->seen[lowest].hlc) {
        return false;
    }
    session->count--;
    memmove(&session->seen[lowest], &session->seen[lowest + 1],
            (session->count - lowest) * sizeof session->seen[0]);
    return true;
}

void dkv_session_see(struct dkv_session *session, struct dkv_stamp stamp)
{
    if (!session || dkv_stamp_is_none(stamp)) {
        return;
    }
    for (size_t i = 0; i < session->count; i++) {
        struct dkv_stamp *seen = &session->seen[i];
        if (seen->origin == stamp.origin) {
            seen->hlc = stamp.hlc > seen->hlc ? stamp.hlc : seen->hlc;
            return;
        }
    }
    if (!make_room(session, stamp)) {
        return;
    }
    size_t at = session->count++;
    for (; at > 0 && session->seen[at - 1].origin > stamp.origin; at--) {
        session->seen[at] = session->seen[at - 1];
    }
    session->seen[at] = stamp;
}

void dkv_session_merge(struct dkv_session *session, const struct dkv_session *other)
{
    for (size_t i = 0; other && i < other->count; i++) {
        dkv_session_see(session, other->seen[i]);
    }
}

void dkv_session_see_record(struct dkv_session *session, const struct dkv_record *record)
{
    dkv_session_see(session, record->dead);
    for (size_t i = 0; session && i < record->count; i++) {
        dkv_session_see(session, record->fields[i].stamp);
    }
}

dkv_hlc dkv_session_newest(const struct dkv_session *session)
{
    dkv_hlc newest = 0;
    for (size_t i = 0; session && i < session->count; i++) {
        newest = session->seen[i].hlc > newest ? session->seen[i].hlc : newest;
    }
    return newest;
}
