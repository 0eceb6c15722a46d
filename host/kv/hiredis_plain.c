/* hiredis before 1.0, which has no TLS. */
#include "host/kv/hiredis.h"

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

static void *make_array(const redisReadTask *task, int count)
{
    const struct hr_hiredis_guard *guard = task->privdata;
    bool good =
        !task->parent && count >= 0 && (uint32_t)count <= guard->items_max && guard->expected > 0;
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

void hr_hiredis_guard(struct hr_hiredis_guard *guard, redisReader *reader, uint32_t items_max)
{
    guard->own = reader->fn;
    guard->functions = (redisReplyObjectFunctions){
        .createString = make_string,
        .createArray = make_array,
        .createInteger = make_integer,
        .createNil = make_nil,
        .freeObject = guard->own->freeObject,
    };
    guard->items_max = items_max;
    reader->fn = &guard->functions;
    reader->privdata = guard;
}

bool hr_hiredis_has_tls(void)
{
    return false;
}

enum hr_err hr_hiredis_secure(redisContext *context, const char *host, struct hr_diag *diag)
{
    (void)context;
    return hr_diag_set(diag, HR_UNSUPPORTED, "%s: this build has no TLS", host);
}
