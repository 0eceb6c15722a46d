/* links: hr_host */
/* A set of header fields under any sequence of operations, against a plain list of the same; and the
 * checks of what a request says of itself, against what they promise.
 *
 * Input: a run of operations, each one byte for what to do, one for a length, then that many bytes of
 * text. Text with a ':' is a name and a value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/imports/exchange.h"

#define PLAIN_MAX (HR_HTTP_FIELDS_MAX + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plain {
    struct hr_http_field items[PLAIN_MAX];
    size_t count;
    size_t bytes;
};

static void plain_add(struct plain *plain, struct hr_str name, struct hr_str value)
{
    HR_ASSERT(plain->count < HR_HTTP_FIELDS_MAX);
    plain->items[plain->count++] = (struct hr_http_field){name, value};
    plain->bytes += name.len + value.len;
}

static void plain_remove(struct plain *plain, struct hr_str name)
{
    struct plain rest = {.count = 0};
    for (size_t i = 0; i < plain->count; i++) {
        if (!hr_str_eq_nocase(plain->items[i].name, name)) {
            plain_add(&rest, plain->items[i].name, plain->items[i].value);
        }
    }
    *plain = rest;
}

static void compare(const struct hr_http_fields *fields, const struct plain *plain)
{
    HR_ASSERT(fields->count == plain->count);
    HR_ASSERT(fields->bytes == plain->bytes);
    HR_ASSERT(fields->count <= fields->cap);
    HR_ASSERT(fields->bytes <= HR_HTTP_FIELD_BYTES_MAX);
    for (size_t i = 0; i < plain->count; i++) {
        HR_ASSERT(hr_str_eq(fields->items[i].name, plain->items[i].name));
        HR_ASSERT(hr_str_eq(fields->items[i].value, plain->items[i].value));
        HR_ASSERT(fields->items[i].value.ptr[fields->items[i].value.len] == '\0');
        HR_ASSERT(strlen(fields->items[i].name.ptr) == fields->items[i].name.len);
        HR_ASSERT(strlen(fields->items[i].value.ptr) == fields->items[i].value.len);
    }
}

static bool has_any(struct hr_str text, const char *bytes, size_t count)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(bytes, text.ptr[i], count)) {
            return true;
        }
    }
    return false;
}

/* What gets through can end no line, begin no field, and is a string. */
static void check_predicates(struct hr_str text)
{
    static const char ends[] = "\r\n\0 \t"; /* with the terminator: six bytes, NUL twice */
    if (hr_http_is_method(text)) {
        HR_ASSERT(!has_any(text, ends, 5));
        HR_ASSERT(hr_str_is_utf8(text));
    }
    if (hr_http_is_target(text)) {
        HR_ASSERT(!has_any(text, ends, 5));
        HR_ASSERT(hr_str_is_utf8(text));
        HR_ASSERT(text.len > 0);
    }
    if (hr_http_is_authority(text)) {
        HR_ASSERT(!has_any(text, ends, 5));
        HR_ASSERT(!has_any(text, "/?#@\\", 5));
        HR_ASSERT(hr_str_is_utf8(text));
    }
}

static void add(struct hr_http_fields *fields, struct hr_arena *arena, struct plain *plain,
                struct hr_str text)
{
    size_t colon = hr_str_find(text, ':', 0);
    struct hr_str name = hr_str_of(text.ptr, colon == SIZE_MAX ? text.len : colon);
    struct hr_str value = hr_str_from(text, name.len + 1);
    enum hr_err err = hr_http_fields_add(fields, arena, name, value);
    bool full = plain->count >= HR_HTTP_FIELDS_MAX ||
                name.len + value.len > HR_HTTP_FIELD_BYTES_MAX - plain->bytes;
    if (!err) {
        HR_ASSERT(!full);
        HR_ASSERT(hr_http_is_method(name)); /* both are tokens */
        HR_ASSERT(!has_any(value, "\r\n", 3));
        plain_add(plain, name, value);
    } else {
        HR_ASSERT(err == HR_BAD_INPUT || (err == HR_TOO_BIG && full));
    }
}

static void look_up(const struct hr_http_fields *fields, const struct plain *plain,
                    struct hr_str name)
{
    struct hr_str first = {0};
    uint32_t count = 0;
    for (size_t i = 0; i < plain->count; i++) {
        if (hr_str_eq_nocase(plain->items[i].name, name)) {
            first = count == 0 ? plain->items[i].value : first;
            count++;
        }
    }
    HR_ASSERT(hr_http_fields_count(fields, name) == count);
    HR_ASSERT(hr_str_eq(hr_http_fields_get(fields, name), first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_arena arena;
    struct hr_http_fields fields = {0};
    static struct plain plain;
    int64_t live = hr_alloc_live();
    plain.count = 0;
    plain.bytes = 0;
    hr_arena_init(&arena, 0);
    struct hr_str input = hr_str_of(data, size);
    while (input.len >= 2) {
        uint8_t what = (uint8_t)input.ptr[0];
        size_t len = (uint8_t)input.ptr[1] * (what & 0x80 ? 64u : 1u);
        input = hr_str_from(input, 2);
        struct hr_str text = hr_str_of(input.ptr, len < input.len ? len : input.len);
        input = hr_str_from(input, text.len);
        check_predicates(text);
        switch (what & 3) {
        case 0:
        case 1:
            add(&fields, &arena, &plain, text);
            break;
        case 2:
            hr_http_fields_remove(&fields, text);
            plain_remove(&plain, text);
            break;
        default:
            look_up(&fields, &plain, text);
            break;
        }
    }
    compare(&fields, &plain);
    hr_arena_release(&arena);
    HR_ASSERT(hr_alloc_live() == live);
    return 0;
}
