/* POST /kv on the operator's address: the body, one JSON object, goes as a request to the Distributed-KV actor of
 * this host (`_LOCAL.wasmkv.<bucket>.admin`), and its reply is the answer. /kv is the bucket `default`,
 * /kv/NAME another. Nobody else can send to that subject, because it does not leave the host.
 *
 * Not for browsers: a request with an Origin field, or whose type is not application/json, is refused, so that no
 * page that somebody looks at can do anything here. A connection is suspended while the actor works. Loop thread
 * only. Must not know: the actor's verbs. */
#ifndef HR_ADMIN_KV_H
#define HR_ADMIN_KV_H

#include "base/list.h"
#include "host/bus/bus.h"
#include "host/http/mhd.h"

#define HR_ADMIN_KV_PATH "/kv"
#define HR_ADMIN_KV_CALLS_MAX 16u
#define HR_ADMIN_KV_BODY_BYTES_MAX (8u << 20)
#define HR_ADMIN_KV_TIMEOUT_MS 60000u

struct hr_admin_kv_call;

struct hr_admin_kv {
    struct hr_mhd *mhd;
    struct hr_bus_port *bus; /* NULL: there is no such address */
    struct hr_list calls;
    size_t count;
};

/* Keeps @mhd and @bus. */
void hr_admin_kv_init(struct hr_admin_kv *kv, struct hr_mhd *mhd, struct hr_bus_port *bus);
/* Whether @url is one of these. */
bool hr_admin_kv_is(const char *url);
/* A request for @url has begun. NULL: memory is out. */
struct hr_admin_kv_call *hr_admin_kv_begin(struct hr_admin_kv *kv,
                                           struct MHD_Connection *connection, const char *url,
                                           const char *method);
/* As libmicrohttpd's access callback, from the second time on. */
enum MHD_Result hr_admin_kv_go_on(struct hr_admin_kv_call *call, const char *data,
                                  size_t *data_len);
/* The request is over. Accepts NULL. */
void hr_admin_kv_end(struct hr_admin_kv_call *call);
/* Ends what waits, so that no connection is suspended. */
void hr_admin_kv_stop(struct hr_admin_kv *kv);

#endif
