/* hiredis from 1.0 on, with TLS by OpenSSL. */
#include "host/kv/hiredis.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>

/* Whether a value may be made now: within an array always, else only as an answer. An error without a
 * question is hiredis' to handle: it is how a server says why it closes the connection. */
static bool is_welcome(const redisReadTask *task, const struct hr_hiredis_guard *guard)
{
    return task->parent || guard->expected > 0 || task->type == REDIS_REPLY_ERROR;
}

static void *make_string(const redisReadTask *task, char *text, size_t len)
{
    const struct hr_hiredis_guard *guard = task->privdata;
    return is_welcome(task, guard) ? guard->own->createString(task, text, len) : NULL;
}

static void *make_array(const redisReadTask *task, size_t count)
{
    const struct hr_hiredis_guard *guard = task->privdata;
    bool good = !task->parent && count <= guard->items_max && guard->expected > 0;
    return good ? guard->own->createArray(task, count) : NULL;
}

static void *make_integer(const redisReadTask *task, long long number)
{
    const struct hr_hiredis_guard *guard = task->privdata;
    return is_welcome(task, guard) ? guard->own->createInteger(task, number) : NULL;
}

static void *make_nil(const redisReadTask *task)
{
    const struct hr_hiredis_guard *guard = task->privdata;
    return is_welcome(task, guard) ? guard->own->createNil(task) : NULL;
}

/* Types of the protocol's version 3, which is never asked for. */
static void *make_double(const redisReadTask *task, double number, char *text, size_t len)
{
    (void)task;
    (void)number;
    (void)text;
    (void)len;
    return NULL;
}

static void *make_bool(const redisReadTask *task, int truth)
{
    (void)task;
    (void)truth;
    return NULL;
}

void hr_hiredis_guard(struct hr_hiredis_guard *guard, redisReader *reader, uint32_t items_max)
{
    guard->own = reader->fn;
    guard->functions = (redisReplyObjectFunctions){
        .createString = make_string,
        .createArray = make_array,
        .createInteger = make_integer,
        .createDouble = make_double,
        .createNil = make_nil,
        .createBool = make_bool,
        .freeObject = guard->own->freeObject,
    };
    guard->items_max = items_max;
    reader->fn = &guard->functions;
    reader->privdata = guard;
}

bool hr_hiredis_has_tls(void)
{
    return true;
}

enum hr_err hr_hiredis_secure(redisContext *context, const char *host, struct hr_diag *diag)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    SSL *tls = NULL;
    if (!settings || SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_default_verify_paths(settings) != 1) {
        goto no_memory;
    }
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
    tls = SSL_new(settings);
    if (!tls) {
        goto no_memory;
    }
    /* An address is checked as such, a name as a name, and only a name is sent to the server. */
    bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
    if (!is_address &&
        (SSL_set1_host(tls, host) != 1 || SSL_set_tlsext_host_name(tls, host) != 1)) {
        goto no_memory;
    }
    SSL_CTX_free(settings); /* counted: @tls has it too */
    if (redisInitiateSSL(context, tls) != REDIS_OK) {
        SSL_free(tls);
        return hr_diag_set(diag, HR_IO, "%s: TLS: %s", host,
                           context->errstr[0] ? context->errstr : "no connection");
    }
    return HR_OK;
no_memory:
    SSL_free(tls);
    SSL_CTX_free(settings);
    return hr_diag_set(diag, HR_NO_MEMORY, "%s: TLS could not be set up", host);
}
