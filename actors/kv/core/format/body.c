/* JSON in. yyjson reads without recursion, so nesting costs memory only, which the arena bounds. */
#include "actors/kv/core/format/body.h"

#include "actors/kv/core/format/json_in.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"

#define SESSION HR_STR("$session")

/* The object that @body is; NULL for an empty body. */
static enum hr_err read_object(struct hr_str body, struct hr_arena *arena, yyjson_val **ret_object,
                               struct hr_diag *diag)
{
    if (body.len > DKV_BODY_BYTES_MAX) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a body is at most 256 KiB"));
    }
    *ret_object = NULL;
    if (body.len == 0) {
        return HR_OK;
    }
    yyjson_read_err err;
    yyjson_alc alc = dkv_json_in(arena);
    /* Without the flag for it, yyjson does not write to what it reads. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)body.ptr, body.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &alc, &err);
    if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return HR_NO_MEMORY;
    }
    if (!doc) {
        char digits[DKV_DEC_BYTES_MAX];
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("the body is not JSON: "), hr_str_c(err.msg),
                        HR_STR(" at byte "), dkv_text_dec(digits, err.pos));
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root)) {
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("the body must be one JSON object"));
    }
    *ret_object = root;
    return HR_OK;
}

static bool is_option(yyjson_val *name)
{
    return yyjson_get_len(name) > 0 && yyjson_get_str(name)[0] == '$';
}

static enum hr_err must_be(struct hr_str name, const char *what, struct hr_diag *diag)
{
    return DKV_FAIL(diag, HR_BAD_INPUT, name, HR_STR(" must be "), hr_str_c(what));
}

static enum hr_err read_true(struct hr_str name, yyjson_val *value, bool *ret_flag,
                             struct hr_diag *diag)
{
    if (!yyjson_is_true(value)) {
        return must_be(name, "true, or left out", diag);
    }
    *ret_flag = true;
    return HR_OK;
}

static size_t utf8_chars(struct hr_str text)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++) {
        chars += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return chars;
}

static enum hr_err read_request_id(struct hr_str name, yyjson_val *value,
                                   struct dkv_options *options, struct hr_diag *diag)
{
    struct hr_str id = dkv_json_in_text(value);
    size_t chars = yyjson_is_str(value) ? utf8_chars(id) : 0;
    if (chars < 1 || chars > DKV_REQUEST_ID_CHARS_MAX) {
        return must_be(name, "a string of 1 to 64 characters", diag);
    }
    options->has_request_id = true;
    options->request_id = id;
    return HR_OK;
}

static enum hr_err read_session(struct hr_str name, yyjson_val *value, struct hr_arena *arena,
                                struct dkv_session **ret_session, struct hr_diag *diag)
{
    if (!yyjson_is_str(value)) {
        return must_be(name, "a string", diag);
    }
    *ret_session = hr_arena_alloc(arena, sizeof **ret_session);
    return *ret_session ? dkv_session_decode(dkv_json_in_text(value), *ret_session, diag)
                        : HR_NO_MEMORY;
}

static enum hr_err read_option(struct hr_str name, yyjson_val *value, enum dkv_op op,
                               struct hr_arena *arena, struct dkv_options *options,
                               struct hr_diag *diag)
{
    if (hr_str_eq(name, SESSION)) {
        return read_session(name, value, arena, &options->session, diag);
    }
    if (hr_str_eq(name, HR_STR("$request-id"))) {
        return read_request_id(name, value, options, diag);
    }
    bool keyed = op != DKV_OP_CLEAR;
    if (keyed && hr_str_eq(name, HR_STR("$if-absent"))) {
        return read_true(name, value, &options->if_absent, diag);
    }
    if (keyed && hr_str_eq(name, HR_STR("$if-present"))) {
        return read_true(name, value, &options->if_present, diag);
    }
    if (keyed && hr_str_eq(name, HR_STR("$if-version"))) {
        options->if_version =
            yyjson_is_str(value) && dkv_stamp_from_text(dkv_json_in_text(value), &options->version);
        return options->if_version
                   ? HR_OK
                   : must_be(name, "a version: 32 lower-case hexadecimal digits", diag);
    }
    return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("unknown option "), name,
                    keyed ? HR_STR("") : HR_STR(" for deleting everything"));
}

/* One member as a field: its compact JSON text, or deleted. */
static enum hr_err read_field(struct hr_str name, yyjson_val *value, struct hr_arena *arena,
                              struct dkv_field *ret_field, struct hr_diag *diag)
{
    if (name.len < 1 || name.len > DKV_FIELD_NAME_BYTES_MAX) {
        return DKV_FAIL(diag, name.len < 1 ? HR_BAD_INPUT : HR_TOO_BIG,
                        HR_STR("a field's name is 1 to 64 bytes"));
    }
    *ret_field = (struct dkv_field){.name = name, .type = DKV_FIELD_DELETED};
    if (yyjson_is_null(value)) {
        return HR_OK;
    }
    size_t len;
    yyjson_write_err err;
    yyjson_alc alc = dkv_json_in(arena);
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &alc, &len, &err);
    if (!text) {
        return err.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION
                   ? HR_NO_MEMORY
                   : DKV_FAIL(diag, HR_INTERNAL, HR_STR("JSON: "), hr_str_c(err.msg));
    }
    if (len > DKV_FIELD_VALUE_BYTES_MAX) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("field "), name,
                        HR_STR(" is longer than 64 KiB of JSON"));
    }
    ret_field->type = DKV_FIELD_BYTES;
    ret_field->value = hr_str_of(text, len);
    return HR_OK;
}

/* Puts @field in its place among the sorted ones. */
static enum hr_err insert(struct dkv_patch *patch, struct dkv_field field, struct hr_diag *diag)
{
    size_t at = patch->count;
    while (at > 0 && hr_str_cmp(patch->fields[at - 1].name, field.name) > 0) {
        at--;
    }
    if (at > 0 && hr_str_eq(patch->fields[at - 1].name, field.name)) {
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("field "), field.name, HR_STR(" comes twice"));
    }
    memmove(&patch->fields[at + 1], &patch->fields[at],
            (patch->count - at) * sizeof *patch->fields);
    patch->fields[at] = field;
    patch->count++;
    return HR_OK;
}

static enum hr_err read_member(yyjson_val *key, yyjson_val *value, enum dkv_op op,
                               struct hr_arena *arena, struct dkv_patch *patch,
                               struct hr_diag *diag)
{
    struct hr_str name = dkv_json_in_text(key);
    if (is_option(key)) {
        return read_option(name, value, op, arena, &patch->options, diag);
    }
    if (op != DKV_OP_SET) {
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("a deletion takes options only, not "), name);
    }
    if (patch->count == DKV_PATCH_FIELDS_MAX) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a body names at most 128 fields"));
    }
    struct dkv_field field;
    enum hr_err err = read_field(name, value, arena, &field, diag);
    return err ? err : insert(patch, field, diag);
}

/* Whether the name of @value comes earlier in @object too. */
static bool repeated(yyjson_val *object, struct hr_str name, yyjson_val *value)
{
    return yyjson_obj_getn(object, name.ptr, name.len) != value;
}

enum hr_err dkv_body_patch(struct hr_str body, enum dkv_op op, struct hr_arena *arena,
                           struct dkv_patch *ret_patch, struct hr_diag *diag)
{
    struct dkv_patch patch = {0};
    yyjson_val *object;
    enum hr_err err = read_object(body, arena, &object, diag);
    if (err) {
        return err;
    }
    if (!object && op == DKV_OP_SET) {
        return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("the body must be one JSON object"));
    }
    size_t members = object ? yyjson_obj_size(object) : 0;
    size_t room = members < DKV_PATCH_FIELDS_MAX ? members : DKV_PATCH_FIELDS_MAX;
    patch.fields = hr_arena_alloc(arena, room * sizeof *patch.fields);
    if (!patch.fields) {
        return HR_NO_MEMORY;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; !err && (key = yyjson_obj_iter_next(&iter)) != NULL;) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        err = is_option(key) && repeated(object, dkv_json_in_text(key), value)
                  ? DKV_FAIL(diag, HR_BAD_INPUT, dkv_json_in_text(key), HR_STR(" comes twice"))
                  : read_member(key, value, op, arena, &patch, diag);
    }
    if (!err && patch.options.if_absent && (patch.options.if_present || patch.options.if_version)) {
        err = DKV_FAIL(diag, HR_BAD_INPUT,
                       HR_STR("$if-absent cannot be joined with $if-present or $if-version"));
    }
    if (!err) {
        *ret_patch = patch;
    }
    return err;
}

static enum hr_err read_listing(struct hr_str name, yyjson_val *value, struct hr_arena *arena,
                                struct dkv_listing *listing, struct hr_diag *diag)
{
    struct hr_str text = dkv_json_in_text(value);
    if (hr_str_eq(name, SESSION)) {
        return read_session(name, value, arena, &listing->session, diag);
    }
    if (hr_str_eq(name, HR_STR("limit"))) {
        uint64_t limit;
        struct hr_str digits = hr_str_of(yyjson_get_raw(value), yyjson_get_len(value));
        if (!yyjson_is_raw(value) || !hr_str_to_u64(digits, &limit) || limit < 1 ||
            limit > DKV_LIST_LIMIT_MAX) {
            return must_be(name, "a whole number of 1 to 1000", diag);
        }
        listing->limit = (uint32_t)limit;
        return HR_OK;
    }
    if (hr_str_eq(name, HR_STR("after"))) {
        listing->after = text;
        return yyjson_is_str(value) && dkv_key_valid(text) ? HR_OK : must_be(name, "a key", diag);
    }
    if (hr_str_eq(name, HR_STR("prefix"))) {
        listing->prefix = text;
        return yyjson_is_str(value) && text.len <= DKV_KEY_BYTES_MAX && dkv_key_bytes_valid(text)
                   ? HR_OK
                   : must_be(name, "the beginning of a key", diag);
    }
    return DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("unknown member "), name,
                    HR_STR("; there are limit, after, prefix and $session"));
}

enum hr_err dkv_body_listing(struct hr_str body, struct hr_arena *arena,
                             struct dkv_listing *ret_listing, struct hr_diag *diag)
{
    struct dkv_listing listing = {.limit = DKV_LIST_LIMIT_MAX};
    yyjson_val *object;
    enum hr_err err = read_object(body, arena, &object, diag);
    if (err) {
        return err;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; !err && (key = yyjson_obj_iter_next(&iter)) != NULL;) {
        struct hr_str name = dkv_json_in_text(key);
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        err = repeated(object, name, value)
                  ? DKV_FAIL(diag, HR_BAD_INPUT, name, HR_STR(" comes twice"))
                  : read_listing(name, value, arena, &listing, diag);
    }
    if (!err) {
        *ret_listing = listing;
    }
    return err;
}

enum hr_err dkv_body_get(struct hr_str body, struct hr_arena *arena,
                         struct dkv_session **ret_session, struct hr_diag *diag)
{
    yyjson_val *object;
    struct dkv_session *session = NULL;
    enum hr_err err = read_object(body, arena, &object, diag);
    yyjson_obj_iter iter = yyjson_obj_iter_with(err ? NULL : object);
    for (yyjson_val *key; !err && (key = yyjson_obj_iter_next(&iter)) != NULL;) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        err =
            session || !hr_str_eq(dkv_json_in_text(key), SESSION)
                ? DKV_FAIL(diag, HR_BAD_INPUT, HR_STR("this request takes $session, once, at most"))
                : read_session(dkv_json_in_text(key), value, arena, &session, diag);
    }
    if (!err) {
        *ret_session = session;
    }
    return err;
}
