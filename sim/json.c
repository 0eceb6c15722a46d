/* A scanner of values. */
#include "sim/json.h"

static struct hr_str skip(struct hr_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\n' || text.ptr[0] == '\t')) {
        text = hr_str_from(text, 1);
    }
    return text;
}

static size_t string_bytes(struct hr_str text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            i++;
        } else if (text.ptr[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

/* Bytes of the array or object at the front. */
static size_t nested_bytes(struct hr_str text)
{
    char closers[SIM_JSON_DEPTH_MAX];
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"') {
            size_t bytes = string_bytes(hr_str_from(text, i));
            if (bytes == 0) {
                return 0;
            }
            i += bytes - 1;
        } else if (c == '{' || c == '[') {
            if (depth == SIM_JSON_DEPTH_MAX) {
                return 0;
            }
            closers[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closers[--depth] != c) {
                return 0;
            }
            if (depth == 0) {
                return i + 1;
            }
        }
    }
    return 0;
}

bool sim_json_value(struct hr_str text, struct hr_str *ret_value, struct hr_str *ret_rest)
{
    text = skip(text);
    size_t bytes = 0;
    if (text.len == 0) {
        return false;
    }
    if (text.ptr[0] == '"') {
        bytes = string_bytes(text);
    } else if (text.ptr[0] == '{' || text.ptr[0] == '[') {
        bytes = nested_bytes(text);
    } else {
        while (bytes < text.len && text.ptr[bytes] != ',' && text.ptr[bytes] != '}' &&
               text.ptr[bytes] != ']' && text.ptr[bytes] != ':') {
            bytes++;
        }
    }
    *ret_value = hr_str_of(text.ptr, bytes);
    *ret_rest = hr_str_from(text, bytes);
    return bytes > 0;
}

bool sim_json_next(struct hr_str *at, struct hr_str *ret_name, struct hr_str *ret_value)
{
    struct hr_str text = skip(*at);
    struct hr_str name = {0};
    struct hr_str value;
    if (text.len == 0 || text.ptr[0] == '}' || text.ptr[0] == ']') {
        return false;
    }
    text = skip(hr_str_from(text, 1)); /* the opening bracket, or a comma */
    if (text.len == 0 || text.ptr[0] == '}' || text.ptr[0] == ']') {
        return false;
    }
    if (!sim_json_value(text, &value, &text)) {
        return false;
    }
    text = skip(text);
    if (text.len > 0 && text.ptr[0] == ':') {
        name = value;
        if (!sim_json_value(hr_str_from(text, 1), &value, &text)) {
            return false;
        }
    }
    if (name.len >= 2) {
        name = hr_str_of(name.ptr + 1, name.len - 2);
    }
    *at = text;
    *ret_name = name;
    *ret_value = value;
    return true;
}

bool sim_json_member(struct hr_str object, struct hr_str name, struct hr_str *ret_value)
{
    struct hr_str found;
    struct hr_str value;
    if (object.len == 0 || object.ptr[0] != '{') {
        return false;
    }
    while (sim_json_next(&object, &found, &value)) {
        if (hr_str_eq(found, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool sim_json_string(struct hr_str value, struct hr_str *ret_text)
{
    if (value.len < 2 || value.ptr[0] != '"') {
        return false;
    }
    *ret_text = hr_str_of(value.ptr + 1, value.len - 2);
    return true;
}

bool sim_json_number(struct hr_str value, uint64_t *ret_number)
{
    return hr_str_to_u64(value, ret_number);
}
