/* Checks the options of a NATS connection. nats.c looks at most of them only when it connects, and then
 * says little; who starts a host should hear at once what is wrong, where, and what to do. */
#include "host/bus/nats_options.h"

#include <errno.h>
#include <stdio.h>
#include <sodium.h>

#include "base/alloc.h"
#include "host/bus/nats_key.h"

#define PING_MS 10000 /* a server that does not answer two of them is gone */
#define PINGS_MAX 2
#define PORT_MAX 65535u
#define PENDING_MESSAGES_MAX \
    (1 << 18) /* between nats.c's reading and ours; bytes: 1024 times that */

/* What is read of a credentials file. */
#define SEED_BEGIN "-----BEGIN USER NKEY SEED-----"
#define JWT_BEGIN "-----BEGIN NATS USER JWT-----"

void hr_bus_nats_options_public_url(struct hr_str url, char ret_text[HR_BUS_NATS_URL_BYTES_MAX])
{
    size_t scheme = 0;
    for (size_t i = 0; i + 3 <= url.len; i++) {
        if (memcmp(url.ptr + i, "://", 3) == 0) {
            scheme = i + 3;
            break;
        }
    }
    size_t host = scheme;
    for (size_t i = scheme; i < url.len; i++) {
        host = url.ptr[i] == '@' ? i + 1 : host;
    }
    snprintf(ret_text, HR_BUS_NATS_URL_BYTES_MAX, "%.*s%.*s", (int)scheme, url.ptr,
             HR_STR_ARG(hr_str_from(url, host)));
}

/* Whether @host is "name", "name:port", "[address]" or "[address]:port". */
static bool is_host(struct hr_str host)
{
    uint64_t port;
    size_t end = host.len > 0 && host.ptr[0] == '[' ? hr_str_find(host, ']', 0) : 0;
    if (end == SIZE_MAX) {
        return false;
    }
    size_t colon = hr_str_find(host, ':', end);
    if (colon != SIZE_MAX) {
        if (!hr_str_to_u64(hr_str_from(host, colon + 1), &port) || port == 0 || port > PORT_MAX) {
            return false;
        }
        host.len = colon;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] <= ' ' || host.ptr[i] > '~' || strchr("/?#@\\\"'<>", host.ptr[i])) {
            return false;
        }
    }
    return host.len > 0;
}

/* Checks one URL. */
static enum hr_err check_url(struct hr_str url, bool *ret_tls, struct hr_diag *diag)
{
    char text[HR_BUS_NATS_URL_BYTES_MAX];
    if (url.len >= HR_BUS_NATS_URL_BYTES_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "a URL is longer than %u bytes",
                           HR_BUS_NATS_URL_BYTES_MAX - 1);
    }
    hr_bus_nats_options_public_url(url, text);
    *ret_tls = hr_str_starts(url, HR_STR("tls://"));
    if (!*ret_tls && !hr_str_starts(url, HR_STR("nats://"))) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "`%s` is no NATS address: write nats://host:port or tls://host:port",
                           text);
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] == 0x7f) {
            return hr_diag_set(diag, HR_BAD_INPUT, "`%s`: a space or control byte in the address",
                               text);
        }
    }
    struct hr_str host = hr_str_from(hr_str_c(text), *ret_tls ? 6 : 7);
    if (hr_str_ends(host, HR_STR("/"))) {
        host.len--;
    }
    if (!is_host(host)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "`%s`: the host or port is malformed: write nats://host:port (IPv6: "
                           "nats://[::1]:4222)",
                           text);
    }
    return HR_OK;
}

static enum hr_err check_urls(const struct hr_bus_nats_options *options, bool *ret_tls,
                              struct hr_diag *diag)
{
    bool tls = false;
    if (options->url_count == 0 || options->url_count > HR_BUS_NATS_URLS_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "%zu addresses: give 1 to %u", options->url_count,
                           HR_BUS_NATS_URLS_MAX);
    }
    for (size_t i = 0; i < options->url_count; i++) {
        bool this_tls;
        enum hr_err err = check_url(options->urls[i], &this_tls, diag);
        if (err) {
            return err;
        }
        if (i > 0 && this_tls != tls) {
            return hr_diag_set(diag, HR_BAD_INPUT,
                               "addresses with tls:// and with nats:// cannot be mixed");
        }
        tls = this_tls;
    }
    if (!tls && (options->ca_file.len > 0 || options->cert_file.len > 0)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "certificates are given, but the addresses begin with nats://: write "
                           "tls://");
    }
    if ((options->cert_file.len > 0) != (options->key_file.len > 0)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "a certificate and its key go together: give both");
    }
    if (options->creds_file.len > 0 && options->nkey_file.len > 0) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "a credentials file and an NKey file are given: give one of them");
    }
    *ret_tls = tls;
    return HR_OK;
}

static enum hr_err open_error(struct hr_diag *diag, const char *what, const char *path, int error)
{
    enum hr_err err = error == ENOENT ? HR_NOT_FOUND : error == EACCES ? HR_DENIED : HR_IO;
    return hr_diag_set(diag, err, "%s `%s`: %s", what, path, strerror(error));
}

/* Reads a small file whole, terminated. */
static enum hr_err read_file(const char *what, const char *path, char *ret_text, size_t *ret_len,
                             struct hr_diag *diag)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return open_error(diag, what, path, errno);
    }
    size_t len = fread(ret_text, 1, HR_BUS_NATS_FILE_BYTES_MAX, file);
    int error = ferror(file) ? (errno ? errno : EIO) : 0;
    HR_IGNORE(fclose(file)); /* it was only read */
    if (error) {
        return open_error(diag, what, path, error);
    }
    if (len == HR_BUS_NATS_FILE_BYTES_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "%s `%s`: %u bytes or more: that is no such file",
                           what, path, HR_BUS_NATS_FILE_BYTES_MAX);
    }
    ret_text[len] = '\0';
    *ret_len = len;
    return HR_OK;
}

/* The first line that is not empty after the line @begin, or from the start with NULL; empty = none. */
static struct hr_str line_after(struct hr_str text, const char *begin)
{
    bool found = begin == NULL;
    while (text.len > 0) {
        size_t end = hr_str_find(text, '\n', 0);
        struct hr_str line = hr_str_of(text.ptr, end == SIZE_MAX ? text.len : end);
        text = hr_str_from(text, line.len + 1);
        if (hr_str_ends(line, HR_STR("\r"))) {
            line.len--;
        }
        line = hr_str_trim(line);
        if (found && line.len > 0) {
            return line;
        }
        found = found || hr_str_eq(line, hr_str_c(begin));
    }
    return (struct hr_str){0};
}

/* Three runs of base64url with dots between (RFC 7515, section 7.1). */
static bool is_jwt(struct hr_str text)
{
    size_t parts = 1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
        if (!letter && (c != '.' || i == 0 || text.ptr[i - 1] == '.')) {
            return false;
        }
        parts += c == '.';
    }
    return parts == 3 && text.ptr[text.len - 1] != '.';
}

static enum hr_err check_creds(const char *path, struct hr_str text, struct hr_diag *diag)
{
    char key[HR_NKEY_BYTES + 1];
    struct hr_str jwt = line_after(text, JWT_BEGIN);
    struct hr_str seed = line_after(text, SEED_BEGIN);
    if (jwt.len == 0 || !is_jwt(jwt)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "credentials file `%s`: no user JWT in it: make it with `nsc generate "
                           "creds`",
                           path);
    }
    if (hr_nkey_public(seed, key)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "credentials file `%s`: no valid user seed in it: make it with `nsc "
                           "generate creds`",
                           path);
    }
    return HR_OK;
}

static enum hr_err nats_error(struct hr_diag *diag, natsStatus s, const char *what,
                              const char *path)
{
    return hr_diag_set(diag, s == NATS_NO_MEMORY ? HR_NO_MEMORY : HR_BAD_INPUT, "%s%s%s%s: %s",
                       what, path ? " `" : "", path ? path : "", path ? "`" : "",
                       natsStatus_GetText(s));
}

/* The user's seed or JWT, in @text's buffer for the time being. */
static enum hr_err set_user(natsOptions *to, const char *path, bool is_nkey, char *text,
                            struct hr_diag *diag)
{
    char key[HR_NKEY_BYTES + 1];
    size_t len = 0;
    enum hr_err err = read_file(is_nkey ? "NKey file" : "credentials file", path, text, &len, diag);
    if (err) {
        return err;
    }
    natsStatus s;
    if (is_nkey) {
        if (hr_nkey_public(line_after(hr_str_of(text, len), NULL), key)) {
            return hr_diag_set(diag, HR_BAD_INPUT,
                               "NKey file `%s`: its first line is no user seed: make it with `nsc "
                               "generate nkey --user`",
                               path);
        }
        s = natsOptions_SetNKeyFromSeed(to, key, path);
    } else {
        err = check_creds(path, hr_str_of(text, len), diag);
        if (err) {
            return err;
        }
        s = natsOptions_SetUserCredentialsFromFiles(to, path, NULL);
    }
    return s ? nats_error(diag, s, "credentials", path) : HR_OK;
}

/* A certificate file that cannot be read is told as that, and not as OpenSSL tells it. */
static enum hr_err check_readable(const char *what, const char *path, struct hr_diag *diag)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return open_error(diag, what, path, errno);
    }
    HR_IGNORE(fclose(file)); /* nothing was written */
    return HR_OK;
}

struct paths {
    char *creds;
    char *nkey;
    char *ca;
    char *cert;
    char *key;
    char *name;
    char *urls[HR_BUS_NATS_URLS_MAX];
};

static void release_paths(struct paths *paths)
{
    for (size_t i = 0; i < HR_BUS_NATS_URLS_MAX; i++) {
        if (paths->urls[i]) {
            sodium_memzero(paths->urls[i], strlen(paths->urls[i]));
            hr_free(paths->urls[i]);
        }
    }
    hr_free(paths->creds);
    hr_free(paths->nkey);
    hr_free(paths->ca);
    hr_free(paths->cert);
    hr_free(paths->key);
    hr_free(paths->name);
}

static bool copy_paths(const struct hr_bus_nats_options *options, struct paths *ret_paths)
{
    *ret_paths = (struct paths){
        .creds = hr_alloc_cstr(options->creds_file),
        .nkey = hr_alloc_cstr(options->nkey_file),
        .ca = hr_alloc_cstr(options->ca_file),
        .cert = hr_alloc_cstr(options->cert_file),
        .key = hr_alloc_cstr(options->key_file),
        .name = hr_alloc_cstr(options->name),
    };
    bool all = ret_paths->creds && ret_paths->nkey && ret_paths->ca && ret_paths->cert &&
               ret_paths->key && ret_paths->name;
    for (size_t i = 0; i < options->url_count && all; i++) {
        ret_paths->urls[i] = hr_alloc_cstr(options->urls[i]);
        all = ret_paths->urls[i] != NULL;
    }
    return all;
}

static enum hr_err set_tls(natsOptions *to, const struct paths *paths, struct hr_diag *diag)
{
    natsStatus s = natsOptions_SetSecure(to, true);
    if (s) {
        return nats_error(diag, s, "TLS", NULL);
    }
    if (paths->ca[0]) {
        enum hr_err err = check_readable("CA file", paths->ca, diag);
        if (err) {
            return err;
        }
        s = natsOptions_LoadCATrustedCertificates(to, paths->ca);
        if (s) {
            return hr_diag_set(diag, HR_BAD_INPUT,
                               "CA file `%s`: no certificates in it: give a file in PEM format",
                               paths->ca);
        }
    }
    if (paths->cert[0]) {
        enum hr_err err = check_readable("certificate file", paths->cert, diag);
        err = err ? err : check_readable("key file", paths->key, diag);
        if (err) {
            return err;
        }
        s = natsOptions_LoadCertificatesChain(to, paths->cert, paths->key);
        if (s) {
            return hr_diag_set(diag, HR_BAD_INPUT,
                               "certificate `%s` with key `%s`: not a certificate and its key: "
                               "give both in PEM format",
                               paths->cert, paths->key);
        }
    }
    return HR_OK;
}

/* What both connections have in common. */
static natsStatus set_common(natsOptions *to, const struct paths *paths, size_t url_count,
                             const char *name)
{
    natsStatus s = natsOptions_SetServers(to, (const char **)paths->urls, (int)url_count);
    s = s ? s : natsOptions_SetName(to, name);
    s = s ? s : natsOptions_SetTimeout(to, HR_BUS_NATS_CONNECT_MS);
    s = s ? s : natsOptions_SetPingInterval(to, PING_MS);
    s = s ? s : natsOptions_SetMaxPingsOut(to, PINGS_MAX);
    /* The bus reconnects itself: nats.c keeps messages meanwhile, and gives up for good when a server
     * refuses it twice. */
    s = s ? s : natsOptions_SetAllowReconnect(to, false);
    s = s ? s : natsOptions_SetIgnoreDiscoveredServers(to, true);
    s = s ? s : natsOptions_SetSendAsap(to, true);
    s = s ? s : natsOptions_SetMaxPendingMsgs(to, PENDING_MESSAGES_MAX);
    /* One thread of nats.c's delivers everything, in the order of arrival. */
    return s ? s : natsOptions_UseGlobalMessageDelivery(to, true);
}

static enum hr_err make_one(const struct hr_bus_nats_options *options, const struct paths *paths,
                            bool tls, const char *name, natsOptions **ret_options,
                            struct hr_diag *diag)
{
    natsOptions *made = NULL;
    natsStatus s = natsOptions_Create(&made);
    s = s ? s : set_common(made, paths, options->url_count, name);
    enum hr_err err = s ? nats_error(diag, s, "options", NULL) : HR_OK;
    if (!err && tls) {
        err = set_tls(made, paths, diag);
    }
    if (!err && (paths->nkey[0] || paths->creds[0])) {
        char *text = hr_alloc(HR_BUS_NATS_FILE_BYTES_MAX + 1);
        bool is_nkey = paths->nkey[0] != '\0';
        err = text ? set_user(made, is_nkey ? paths->nkey : paths->creds, is_nkey, text, diag)
                   : hr_diag_set(diag, HR_NO_MEMORY, "out of memory");
        if (text) {
            sodium_memzero(text, HR_BUS_NATS_FILE_BYTES_MAX + 1);
        }
        hr_free(text);
    }
    if (err) {
        natsOptions_Destroy(made);
        return err;
    }
    *ret_options = made;
    return HR_OK;
}

enum hr_err hr_bus_nats_options_make(const struct hr_bus_nats_options *options,
                                     natsOptions **ret_main, natsOptions **ret_probe, bool *ret_tls,
                                     struct hr_diag *diag)
{
    struct paths paths = {0};
    natsOptions *main_options = NULL;
    natsOptions *probe_options = NULL;
    bool tls;
    enum hr_err err = check_urls(options, &tls, diag);
    if (err) {
        return err;
    }
    if (!copy_paths(options, &paths)) {
        err = hr_diag_set(diag, HR_NO_MEMORY, "out of memory");
        goto release;
    }
    err = make_one(options, &paths, tls, paths.name, &main_options, diag);
    if (err) {
        goto release;
    }
    err = make_one(options, &paths, tls, "probe", &probe_options, diag);
    if (err) {
        goto release;
    }
    natsStatus s = natsOptions_SetNoEcho(main_options, options->no_echo);
    if (s) {
        err = nats_error(diag, s, "options", NULL);
        goto release;
    }
    *ret_main = main_options;
    *ret_probe = probe_options;
    *ret_tls = tls;
    main_options = NULL;
    probe_options = NULL;

release:
    natsOptions_Destroy(main_options);
    natsOptions_Destroy(probe_options);
    release_paths(&paths);
    return err;
}
