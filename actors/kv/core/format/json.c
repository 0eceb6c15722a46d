/* Strings, numbers and values as JSON. */
#include "actors/kv/core/format/json.h"

#include "actors/kv/core/format/text.h"

static void escaped(struct dkv_out *out, char c)
{
    if (c == '"' || c == '\\') {
        dkv_out_bytes(out, hr_str_of((char[]){'\\', c}, 2));
        return;
    }
    char text[6] = {'\\', 'u', '0', '0'};
    dkv_text_hex(text + 4, (unsigned char)c, 2);
    dkv_out_bytes(out, hr_str_of(text, sizeof text));
}

void dkv_json_string(struct dkv_out *out, struct hr_str text)
{
    size_t plain = 0; /* where the bytes begin that need no escape and are not written yet */
    dkv_out_bytes(out, HR_STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((unsigned char)c < 0x20 || c == '"' || c == '\\') {
            dkv_out_bytes(out, hr_str_of(text.ptr + plain, i - plain));
            escaped(out, c);
            plain = i + 1;
        }
    }
    dkv_out_bytes(out, hr_str_from(text, plain));
    dkv_out_bytes(out, HR_STR("\""));
}

void dkv_json_number(struct dkv_out *out, uint64_t value)
{
    char digits[DKV_DEC_BYTES_MAX];
    dkv_out_bytes(out, dkv_text_dec(digits, value));
}

void dkv_json_version(struct dkv_out *out, struct dkv_stamp version)
{
    char text[DKV_STAMP_TEXT_BYTES];
    if (dkv_stamp_is_none(version)) {
        dkv_out_bytes(out, HR_STR("null"));
        return;
    }
    dkv_stamp_text(version, text);
    dkv_json_string(out, hr_str_of(text, sizeof text));
}

void dkv_json_value(struct dkv_out *out, const struct dkv_record *record, struct dkv_stamp clear)
{
    bool first = true;
    dkv_out_bytes(out, HR_STR("{"));
    for (size_t i = 0; i < record->count; i++) {
        const struct dkv_field *field = &record->fields[i];
        if (field->name.len == 0 || !dkv_field_visible(record, field, clear)) {
            continue;
        }
        if (!first) {
            dkv_out_bytes(out, HR_STR(","));
        }
        first = false;
        dkv_json_string(out, field->name);
        dkv_out_bytes(out, HR_STR(":"));
        dkv_out_bytes(out, field->value);
    }
    dkv_out_bytes(out, HR_STR("}"));
}
