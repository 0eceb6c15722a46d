/* The URL of a Redis store. Comes from the operator, who may have got it from a provider: everything
 * is checked, and no message repeats what stands before the '@'. Any thread. */
#include <arpa/inet.h>
#include <stdio.h>

#include "host/kv/redis_impl.h"

static enum hr_err bad(struct hr_diag *diag, const char *why)
{
    return hr_diag_set(diag, HR_BAD_INPUT,
                       "a Redis store's url: %s; the form is "
                       "redis://[user:password@]host[:port][/number]",
                       why);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX. False: a bad one, a NUL byte, or too long. */
static bool decode(struct hr_str from, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        char c = from.ptr[i];
        if (c == '%') {
            int high = i + 2 < from.len ? hex_digit(from.ptr[i + 1]) : -1;
            int low = i + 2 < from.len ? hex_digit(from.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || len == HR_KV_REDIS_SECRET_BYTES_MAX) {
            return false;
        }
        to[len++] = c;
    }
    to[len] = '\0';
    return true;
}

/* Cuts @rest before the first @c; what follows @c is returned. */
static struct hr_str cut(struct hr_str *rest, char c)
{
    size_t at = hr_str_find(*rest, c, 0);
    struct hr_str tail = at == SIZE_MAX ? (struct hr_str){0} : hr_str_from(*rest, at + 1);
    rest->len = at == SIZE_MAX ? rest->len : at;
    return tail;
}

static bool is_host(struct hr_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '%' || c == '[' || c == ']') {
            return false;
        }
    }
    return host.len > 0 && host.len <= HR_KV_REDIS_HOST_BYTES_MAX;
}

/* "host[:port]", the host in brackets if it has colons. */
static bool read_place(struct hr_str place, struct hr_kv_redis_url *url)
{
    struct hr_str host = place;
    struct hr_str port = {0};
    bool bracketed = place.len > 0 && place.ptr[0] == '[';
    if (bracketed) {
        size_t end = hr_str_find(place, ']', 0);
        if (end == SIZE_MAX) {
            return false;
        }
        host = hr_str_of(place.ptr + 1, end - 1);
        port = hr_str_from(place, end + 1);
        if (port.len > 0 && port.ptr[0] != ':') {
            return false;
        }
    } else {
        size_t colon = hr_str_find(place, ':', 0);
        if (colon != SIZE_MAX) {
            host.len = colon;
            port = hr_str_from(place, colon);
        }
    }
    uint64_t number = HR_KV_REDIS_PORT;
    if (port.len > 0 &&
        (!hr_str_to_u64(hr_str_from(port, 1), &number) || number == 0 || number > UINT16_MAX)) {
        return false;
    }
    if (!is_host(host)) {
        return false;
    }
    memcpy(url->host, host.ptr, host.len);
    url->host[host.len] = '\0';
    url->port = (uint16_t)number;
    struct in6_addr address;
    return !bracketed || inet_pton(AF_INET6, url->host, &address) == 1;
}

static bool read_option(struct hr_str option, struct hr_kv_redis_url *url)
{
    struct hr_str value = cut(&option, '=');
    uint32_t *to = NULL;
    if (hr_str_eq(option, HR_STR("answer-ms"))) {
        to = &url->answer_ms;
    } else if (hr_str_eq(option, HR_STR("reconnect-ms"))) {
        to = &url->reconnect_ms;
    }
    uint64_t number;
    if (!to || !hr_str_to_u64(value, &number) || number == 0 || number > HR_KV_REDIS_WAIT_MS_MAX) {
        return false;
    }
    *to = (uint32_t)number;
    return true;
}

static bool read_options(struct hr_str options, struct hr_kv_redis_url *url)
{
    while (options.len > 0) {
        struct hr_str option = options;
        options = cut(&option, '&');
        if (!read_option(option, url)) {
            return false;
        }
    }
    return true;
}

static bool read_secret(struct hr_str secret, struct hr_kv_redis_url *url)
{
    struct hr_str user = secret;
    struct hr_str password = cut(&user, ':');
    return decode(user, url->user) && decode(password, url->password);
}

/* Where the last '@' is: one in a password that somebody did not encode is part of it. */
static size_t find_at(struct hr_str authority)
{
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < authority.len; i++) {
        at = authority.ptr[i] == '@' ? i : at;
    }
    return at;
}

enum hr_err hr_kv_redis_url_read(struct hr_str rest, bool tls, struct hr_kv_redis_url *ret_url,
                                 struct hr_diag *diag)
{
    if (!hr_str_starts(rest, HR_STR("//"))) {
        return bad(diag, "it has no // after the scheme");
    }
    struct hr_kv_redis_url url = {
        .tls = tls, .answer_ms = HR_KV_REDIS_ANSWER_MS, .reconnect_ms = HR_KV_REDIS_RECONNECT_MS};
    struct hr_str authority = hr_str_from(rest, 2);
    size_t at = find_at(authority);
    struct hr_str place = at == SIZE_MAX ? authority : hr_str_from(authority, at + 1);
    struct hr_str options = cut(&place, '?');
    struct hr_str database = cut(&place, '/');
    if (at != SIZE_MAX && !read_secret(hr_str_of(authority.ptr, at), &url)) {
        return bad(diag, "user or password has a bad %XX, or is too long");
    }
    if (!read_place(place, &url)) {
        return bad(diag, "host or port is wrong");
    }
    uint64_t number = 0;
    if (database.len > 0 && (!hr_str_to_u64(database, &number) || number > INT32_MAX)) {
        return bad(diag, "what follows the / is no database's number");
    }
    url.database = (uint32_t)number;
    if (!read_options(options, &url)) {
        return bad(diag, "an option after the ? is unknown or has a bad value (known: "
                         "answer-ms=<n>, reconnect-ms=<n>)");
    }
    bool brackets = strchr(url.host, ':') != NULL;
    snprintf(url.shown, sizeof url.shown, "redis%s://%s%s%s:%u/%u", tls ? "s" : "",
             brackets ? "[" : "", url.host, brackets ? "]" : "", url.port, url.database);
    *ret_url = url;
    return HR_OK;
}
