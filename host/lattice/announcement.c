/* Announcements in and out of JSON; see announcement.h. Stateless. */
#include "host/lattice/announcement.h"

#include <yyjson.h>

#include "base/alloc.h"
#include "host/bus/subject.h"

#define VERSION 1u
#define U64_BYTES 8u

/* --- out -------------------------------------------------------------------------------------------- */

static enum hr_err append_escaped(struct hr_buf *buf, unsigned char byte)
{
    if (byte == '"' || byte == '\\') {
        return hr_buf_printf(buf, "\\%c", byte);
    }
    return byte < ' ' ? hr_buf_printf(buf, "\\u%04x", byte) : hr_buf_append_byte(buf, (char)byte);
}

enum hr_err hr_lattice_append_json(struct hr_buf *buf, struct hr_str text)
{
    enum hr_err err = hr_buf_append_byte(buf, '"');
    for (size_t i = 0; i < text.len && !err; i++) {
        err = append_escaped(buf, (unsigned char)text.ptr[i]);
    }
    return err ? err : hr_buf_append_byte(buf, '"');
}

enum hr_err hr_lattice_append_hex(struct hr_buf *buf, const unsigned char *bytes, size_t len)
{
    enum hr_err err = hr_buf_append_byte(buf, '"');
    for (size_t i = 0; i < len && !err; i++) {
        err = hr_buf_printf(buf, "%02x", bytes[i]);
    }
    return err ? err : hr_buf_append_byte(buf, '"');
}

static enum hr_err append_one_served(struct hr_buf *buf, const struct hr_lattice_served *served)
{
    enum hr_err err = hr_buf_append(buf, HR_STR("{\"subject\": "));
    if (!err) {
        err = hr_lattice_append_json(buf, served->subject);
    }
    if (!err && served->queue.len > 0) {
        err = hr_buf_append(buf, HR_STR(", \"queue\": "));
    }
    if (!err && served->queue.len > 0) {
        err = hr_lattice_append_json(buf, served->queue);
    }
    return err ? err : hr_buf_printf(buf, ", \"direct\": %s}", served->direct ? "true" : "false");
}

enum hr_err hr_lattice_append_served(struct hr_buf *buf, const struct hr_lattice_announcement *said)
{
    enum hr_err err = hr_buf_append_byte(buf, '[');
    for (uint32_t i = 0; i < said->served_count && !err; i++) {
        err = i > 0 ? hr_buf_append(buf, HR_STR(", ")) : HR_OK;
        if (!err) {
            err = append_one_served(buf, &said->served[i]);
        }
    }
    return err ? err : hr_buf_append_byte(buf, ']');
}

enum hr_err hr_lattice_announcement_encode(struct hr_buf *buf,
                                           const struct hr_lattice_announcement *said)
{
    /* Host, site and version have been checked: nothing in them needs an escape. */
    enum hr_err err = hr_buf_printf(
        buf,
        "{\"v\": %u, \"host\": \"%.*s\", \"boot\": \"%016llx\", \"started\": %llu, \"site\": "
        "\"%.*s\", \"site_id\": %u, \"version\": \"%.*s\", \"load\": %u, \"hosts\": %u, "
        "\"leaving\": %s, \"catching_up\": %s, \"store\": ",
        VERSION, HR_STR_ARG(said->host), (unsigned long long)said->boot,
        (unsigned long long)said->started_ms, HR_STR_ARG(said->site), said->site_id,
        HR_STR_ARG(said->version), said->load, said->hosts, said->leaving ? "true" : "false",
        said->catching_up ? "true" : "false");
    if (!err) {
        err = hr_lattice_append_hex(buf, said->store_id, sizeof said->store_id);
    }
    if (!err) {
        err = hr_buf_append(buf, HR_STR(", \"serves\": "));
    }
    if (!err) {
        err = hr_lattice_append_served(buf, said);
    }
    return err ? err : hr_buf_append_byte(buf, '}');
}

/* --- checks ----------------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_made_of(struct hr_str text, size_t len_max, const char *also)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_letter_or_digit(text.ptr[i]) && (!text.ptr[i] || !strchr(also, text.ptr[i]))) {
            return false;
        }
    }
    return text.len > 0 && text.len <= len_max;
}

bool hr_lattice_is_name(struct hr_str text)
{
    return is_made_of(text, HR_LATTICE_NAME_BYTES_MAX, "-_");
}

static bool is_version(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            return false;
        }
    }
    return text.len > 0 && text.len <= HR_LATTICE_VERSION_BYTES_MAX;
}

const char *hr_lattice_announcement_check(const struct hr_lattice_announcement *said)
{
    if (!is_made_of(said->host, HR_LATTICE_HOST_BYTES_MAX, "-")) {
        return "a host's id is 1 to 32 letters, digits and -";
    }
    if (!hr_lattice_is_name(said->site)) {
        return "a site's name is 1 to 32 letters, digits, - and _";
    }
    if (said->site_id == 0) {
        return "a site's number is 1 to 65535";
    }
    return is_version(said->version) ? NULL : "a version is 1 to 64 printable characters";
}

static bool is_served(const struct hr_lattice_served *served)
{
    if (served->subject.len > HR_BUS_SUBJECT_BYTES_MAX || !hr_subject_is_pattern(served->subject)) {
        return false;
    }
    return served->queue.len == 0 ||
           (served->queue.len <= HR_BUS_QUEUE_BYTES_MAX && hr_subject_is_queue(served->queue));
}

/* --- in --------------------------------------------------------------------------------------------- */

static void *json_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return hr_alloc(size);
}

static void *json_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return hr_realloc(ptr, size);
}

static void json_free(void *ctx, void *ptr)
{
    (void)ctx;
    hr_free(ptr);
}

static const yyjson_alc allocator = {json_alloc, json_realloc, json_free, NULL};

/* The string called @key of @object; empty if it is not there or no string. */
static struct hr_str text_of(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return hr_str_of(yyjson_get_str(value), yyjson_get_len(value) * yyjson_is_str(value));
}

/* The whole number called @key, at most @max; false if it is not there or is something else. */
static bool number_of(yyjson_val *object, const char *key, uint64_t max, uint64_t *ret_number)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > max) {
        return false;
    }
    *ret_number = yyjson_get_uint(value);
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_of(struct hr_str text, unsigned char *ret_bytes, size_t len)
{
    if (text.len != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = digit_of(text.ptr[2 * i]);
        int low = digit_of(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool boot_of(struct hr_str text, uint64_t *ret_boot)
{
    unsigned char bytes[U64_BYTES];
    if (!hex_of(text, bytes, sizeof bytes)) {
        return false;
    }
    *ret_boot = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        *ret_boot = *ret_boot << 8 | bytes[i];
    }
    return true;
}

/* All but the served subjects, with strings that point into @root's document. */
static bool read_head(yyjson_val *root, struct hr_lattice_announcement *ret_said)
{
    uint64_t version;
    uint64_t site_id;
    uint64_t load;
    uint64_t hosts;
    if (!number_of(root, "v", UINT32_MAX, &version) || version != VERSION ||
        !number_of(root, "site_id", UINT16_MAX, &site_id) ||
        !number_of(root, "load", UINT32_MAX, &load) ||
        !number_of(root, "hosts", UINT32_MAX, &hosts) ||
        !number_of(root, "started", UINT64_MAX, &ret_said->started_ms)) {
        return false;
    }
    ret_said->site_id = (uint16_t)site_id;
    ret_said->load = (uint32_t)load;
    ret_said->hosts = (uint32_t)hosts;
    ret_said->host = text_of(root, "host");
    ret_said->site = text_of(root, "site");
    ret_said->version = text_of(root, "version");
    ret_said->leaving = yyjson_is_true(yyjson_obj_get(root, "leaving"));
    ret_said->catching_up = yyjson_is_true(yyjson_obj_get(root, "catching_up"));
    return boot_of(text_of(root, "boot"), &ret_said->boot) &&
           hex_of(text_of(root, "store"), ret_said->store_id, sizeof ret_said->store_id) &&
           !hr_lattice_announcement_check(ret_said);
}

static bool read_served(yyjson_val *root, struct hr_lattice_served *ret_served, uint32_t *ret_count)
{
    yyjson_val *list = yyjson_obj_get(root, "serves");
    size_t count = yyjson_arr_size(list);
    size_t bytes = 0;
    if (!yyjson_is_arr(list) || count > HR_LATTICE_SERVED_MAX) {
        return false;
    }
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *item = yyjson_arr_iter_next(&iter);
        ret_served[i] =
            (struct hr_lattice_served){.subject = text_of(item, "subject"),
                                       .queue = text_of(item, "queue"),
                                       .direct = yyjson_is_true(yyjson_obj_get(item, "direct"))};
        bytes += ret_served[i].subject.len + ret_served[i].queue.len;
        if (!is_served(&ret_served[i]) || bytes > HR_LATTICE_SERVED_BYTES_MAX) {
            return false;
        }
    }
    *ret_count = (uint32_t)count;
    return true;
}

enum hr_err hr_lattice_announcement_decode(struct hr_str body,
                                           struct hr_lattice_announcement **ret_said)
{
    if (body.len > HR_LATTICE_ANNOUNCEMENT_BYTES_MAX) {
        return HR_TOO_BIG;
    }
    yyjson_read_err why;
    /* Without the in-situ flag the input is only read. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)body.ptr, body.len, 0, &allocator, &why);
    if (!doc) {
        return why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? HR_NO_MEMORY : HR_BAD_INPUT;
    }
    struct hr_lattice_announcement head = {0};
    struct hr_lattice_served served[HR_LATTICE_SERVED_MAX];
    uint32_t count = 0;
    enum hr_err err = HR_BAD_INPUT;
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (read_head(root, &head) && read_served(root, served, &count)) {
        struct hr_lattice_announcement *said = hr_lattice_announcement_new(&head, served, count);
        err = said ? HR_OK : HR_NO_MEMORY;
        if (said) {
            *ret_said = said;
        }
    }
    yyjson_doc_free(doc);
    return err;
}

/* --- copies ----------------------------------------------------------------------------------------- */

static struct hr_str put(char **at, struct hr_str text)
{
    struct hr_str copy = hr_str_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
        *at += text.len;
    }
    return copy;
}

struct hr_lattice_announcement *hr_lattice_announcement_new(
    const struct hr_lattice_announcement *said, const struct hr_lattice_served *served,
    uint32_t count)
{
    size_t head = sizeof *said + count * sizeof *served;
    size_t bytes = said->host.len + said->site.len + said->version.len;
    for (uint32_t i = 0; i < count; i++) {
        bytes += served[i].subject.len + served[i].queue.len;
    }
    struct hr_lattice_announcement *copy = hr_alloc(head + bytes);
    if (!copy) {
        return NULL;
    }
    char *at = (char *)copy + head;
    atomic_init(&copy->refs, 1);
    copy->host = put(&at, said->host);
    copy->boot = said->boot;
    copy->started_ms = said->started_ms;
    copy->site = put(&at, said->site);
    copy->site_id = said->site_id;
    memcpy(copy->store_id, said->store_id, sizeof copy->store_id);
    copy->version = put(&at, said->version);
    copy->load = said->load;
    copy->hosts = said->hosts;
    copy->leaving = said->leaving;
    copy->catching_up = said->catching_up;
    copy->served_count = count;
    for (uint32_t i = 0; i < count; i++) {
        copy->served[i].subject = put(&at, served[i].subject);
        copy->served[i].queue = put(&at, served[i].queue);
        copy->served[i].direct = served[i].direct;
    }
    return copy;
}

void hr_lattice_announcement_ref(struct hr_lattice_announcement *said)
{
    atomic_fetch_add_explicit(&said->refs, 1, memory_order_relaxed);
}

void hr_lattice_announcement_unref(struct hr_lattice_announcement *said)
{
    /* As hr_bus_message_unref: the one that frees sees what all others did. */
    if (said && atomic_fetch_sub_explicit(&said->refs, 1, memory_order_acq_rel) == 1) {
        hr_free(said);
    }
}

bool hr_lattice_announcement_same_served(const struct hr_lattice_announcement *a,
                                         const struct hr_lattice_announcement *b)
{
    if (a->served_count != b->served_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->served_count; i++) {
        if (!hr_str_eq(a->served[i].subject, b->served[i].subject) ||
            !hr_str_eq(a->served[i].queue, b->served[i].queue) ||
            a->served[i].direct != b->served[i].direct) {
            return false;
        }
    }
    return true;
}
