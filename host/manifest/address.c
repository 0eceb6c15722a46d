/* What the manifest says about places: listening addresses, URLs of servers, files. All of it is checked
 * for its form only; nothing is connected to and no name is resolved. */
#include <arpa/inet.h>
#include <stdio.h>

#include "host/manifest/reader.h"
#include "host/manifest/file.h"

#define IP_BYTES_MAX 64u
#define HOST_BYTES_MAX 253u
#define PATH_BYTES_MAX 4000u

static bool fail(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                 const char *what)
{
    char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
    hr_manifest_item_problem(reader, item, "`%s` is not %s", hr_manifest_quote(item->text, quote),
                             what);
    return false;
}

/* Cuts "host:port" at its last colon outside of brackets; @ret_port is empty without one. */
static void split_port(struct hr_str text, struct hr_str *ret_host, struct hr_str *ret_port)
{
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ':') {
            colon = i;
        } else if (text.ptr[i] == ']') {
            colon = SIZE_MAX;
        }
    }
    *ret_host = colon == SIZE_MAX ? text : hr_str_of(text.ptr, colon);
    *ret_port = colon == SIZE_MAX ? HR_STR("") : hr_str_from(text, colon + 1);
}

static bool is_port(struct hr_str text, uint64_t min)
{
    uint64_t port;
    return hr_str_to_u64(text, &port) && port >= min && port <= UINT16_MAX;
}

static bool is_ip(int family, struct hr_str text)
{
    char copy[IP_BYTES_MAX];
    unsigned char address[16];
    if (text.len >= sizeof copy) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", HR_STR_ARG(text));
    return inet_pton(family, copy, address) == 1;
}

static bool is_bracketed_ip(struct hr_str host)
{
    return host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']' &&
           is_ip(AF_INET6, hr_str_of(host.ptr + 1, host.len - 2));
}

bool hr_manifest_read_address(struct hr_manifest_reader *reader,
                              const struct hr_manifest_item *item, struct hr_str *ret_address)
{
    struct hr_str host;
    struct hr_str port;
    split_port(item->text, &host, &port);
    bool good = host.len == 0 || hr_str_eq(host, HR_STR("localhost")) || is_ip(AF_INET, host) ||
                is_bracketed_ip(host);
    if (!good || !is_port(port, 0)) {
        return fail(reader, item,
                    "an address to listen on: 127.0.0.1:8080, [::1]:8080, or :8080 for every "
                    "interface");
    }
    *ret_address = hr_manifest_copy(reader, item->text);
    return true;
}

/* ---- URLs ---- */

static bool is_host_name(struct hr_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!good) {
            return false;
        }
    }
    return host.len > 0 && host.len <= HOST_BYTES_MAX;
}

static bool has_space_or_control(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* "[user[:password]@]host[:port]" */
static bool is_authority(struct hr_str text)
{
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < text.len; i++) {
        at = text.ptr[i] == '@' ? i : at;
    }
    struct hr_str host;
    struct hr_str port;
    struct hr_str place = at == SIZE_MAX ? text : hr_str_from(text, at + 1);
    split_port(place, &host, &port);
    bool colon = host.len < place.len;
    return !has_space_or_control(text) && (is_host_name(host) || is_bracketed_ip(host)) &&
           (!colon || is_port(port, 1));
}

/* Takes @scheme off the front of @rest. */
static bool take_scheme(struct hr_str *rest, struct hr_str scheme)
{
    if (!hr_str_starts(*rest, scheme)) {
        return false;
    }
    *rest = hr_str_from(*rest, scheme.len);
    return true;
}

/* Cuts @rest at its first slash; @ret_path begins after it. */
static struct hr_str take_authority(struct hr_str rest, struct hr_str *ret_path)
{
    size_t slash = hr_str_find(rest, '/', 0);
    *ret_path = slash == SIZE_MAX ? HR_STR("") : hr_str_from(rest, slash + 1);
    return slash == SIZE_MAX ? rest : hr_str_of(rest.ptr, slash);
}

bool hr_manifest_read_nats_url(struct hr_manifest_reader *reader,
                               const struct hr_manifest_item *item, struct hr_str *ret_url)
{
    struct hr_str rest = item->text;
    struct hr_str path;
    bool good = take_scheme(&rest, HR_STR("nats://")) || take_scheme(&rest, HR_STR("tls://"));
    if (!good || !is_authority(take_authority(rest, &path)) || path.len > 0) {
        return fail(reader, item, "a NATS server's URL, as in nats://10.0.0.1:4222");
    }
    *ret_url = hr_manifest_copy(reader, item->text);
    return true;
}

/* "[user[:password]@]host[:port][/number][?options]"; the store knows which options there are. */
static bool is_redis(struct hr_str rest)
{
    size_t options = hr_str_find(rest, '?', 0);
    if (options != SIZE_MAX) {
        if (has_space_or_control(hr_str_from(rest, options))) {
            return false;
        }
        rest.len = options;
    }
    struct hr_str database;
    uint64_t number;
    return is_authority(take_authority(rest, &database)) &&
           (database.len == 0 || (hr_str_to_u64(database, &number) && number <= UINT16_MAX));
}

/* ---- Paths ---- */

/* @prefix, then @path as it is found from the current folder, in the manifest's arena. */
static struct hr_str place(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           struct hr_str prefix, struct hr_str path)
{
    bool here = !item->node || reader->folder.len == 0 || path.ptr[0] == '/';
    struct hr_str folder = here ? HR_STR("") : reader->folder;
    size_t size = prefix.len + folder.len + path.len + 2;
    char *joined = hr_manifest_take(reader, size, 1);
    if (!joined) {
        return (struct hr_str){0};
    }
    int len = snprintf(joined, size, "%.*s%.*s%s%.*s", HR_STR_ARG(prefix), HR_STR_ARG(folder),
                       folder.len > 0 ? "/" : "", HR_STR_ARG(path));
    return hr_str_of(joined, (size_t)len);
}

static bool is_path(struct hr_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return path.len > 0 && path.len <= PATH_BYTES_MAX;
}

bool hr_manifest_read_store(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                            struct hr_str *ret_url)
{
    struct hr_str rest = item->text;
    if (take_scheme(&rest, HR_STR("lmdb:"))) {
        if (!is_path(rest)) {
            return fail(reader, item, "a store's URL: lmdb: needs a folder, as in lmdb:./data");
        }
        *ret_url = place(reader, item, HR_STR("lmdb:"), rest);
        return true;
    }
    if ((take_scheme(&rest, HR_STR("redis://")) || take_scheme(&rest, HR_STR("rediss://"))) &&
        is_redis(rest)) {
        *ret_url = hr_manifest_copy(reader, item->text);
        return true;
    }
    return fail(reader, item, "a store's URL: lmdb:<folder> or redis://<host>:<port>/<database>");
}

bool hr_manifest_read_file(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           struct hr_str *ret_path)
{
    if (!is_path(item->text)) {
        return fail(reader, item, "a file's path");
    }
    struct hr_str path = place(reader, item, HR_STR(""), item->text);
    struct hr_diag why;
    if (!path.ptr) {
        return false;
    }
    if (hr_manifest_file_check(path.ptr, &why)) {
        char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
        hr_manifest_item_problem(reader, item, "`%s`: %s", hr_manifest_quote(path, quote),
                                 why.text);
        return false;
    }
    *ret_path = path;
    return true;
}
