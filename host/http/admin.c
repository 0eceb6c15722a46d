/* Small documents over libmicrohttpd. */
#include "host/http/admin.h"

#include <string.h>

#include "base/alloc.h"
#include "host/http/admin_kv.h"
#include "host/obs/metrics.h"
#include "host/http/mhd.h"

#define DOCUMENT_BYTES_MAX (4u << 20)

struct hr_admin {
    struct hr_mhd mhd;
    struct hr_admin_source source;
    struct hr_admin_kv kv;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *content_type, struct hr_str body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* What @render writes. */
static enum MHD_Result answer_document(const struct hr_admin *admin,
                                       struct MHD_Connection *connection,
                                       enum hr_err (*render)(void *arg, struct hr_buf *buf),
                                       const char *content_type)
{
    struct hr_buf buf = {.max = DOCUMENT_BYTES_MAX};
    enum hr_err err = render(admin->source.arg, &buf);
    enum MHD_Result result = err ? answer(connection, 500, "text/plain", hr_str_c(hr_err_text(err)))
                                 : answer(connection, 200, content_type, hr_buf_str(&buf));
    hr_buf_release(&buf);
    return result;
}

static enum MHD_Result answer_ready(const struct hr_admin *admin, struct MHD_Connection *connection)
{
    const struct hr_admin_source *source = &admin->source;
    if (!source->ready(source->arg)) {
        return answer(connection, 503, "text/plain", HR_STR("not ready\n"));
    }
    return answer(connection, 200, "text/plain",
                  source->catching_up(source->arg)
                      ? HR_STR("ready\nthis site is catching up: other sites answer its clients\n")
                      : HR_STR("ready\n"));
}

static enum MHD_Result access_callback(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *data_len, void **state)
{
    (void)version;
    struct hr_admin *admin = arg;
    if (*state) {
        return hr_admin_kv_go_on(*state, data, data_len);
    }
    if (hr_admin_kv_is(url) && *data_len == 0) {
        *state = hr_admin_kv_begin(&admin->kv, connection, url, method);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        *data_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return answer(connection, 405, "text/plain", HR_STR("only GET and HEAD\n"));
    }
    if (strcmp(url, "/healthz") == 0) {
        return answer(connection, 200, "text/plain", HR_STR("ok\n"));
    }
    if (strcmp(url, "/readyz") == 0) {
        return answer_ready(admin, connection);
    }
    if (strcmp(url, "/metrics") == 0) {
        return answer_document(admin, connection, admin->source.metrics, HR_METRICS_CONTENT_TYPE);
    }
    if (strcmp(url, "/lattice") == 0) {
        return answer_document(admin, connection, admin->source.lattice, "application/json");
    }
    return answer(connection, 404, "text/plain",
                  HR_STR("there are /healthz, /readyz, /metrics, /lattice, /kv\n"));
}

static void completed_callback(void *arg, struct MHD_Connection *connection, void **state,
                               enum MHD_RequestTerminationCode code)
{
    (void)arg, (void)connection, (void)code;
    hr_admin_kv_end(*state);
    *state = NULL;
}

static void *begun_callback(void *arg, const char *target, struct MHD_Connection *connection)
{
    (void)arg, (void)target, (void)connection;
    return NULL;
}

enum hr_err hr_admin_start(struct hr_loop *loop, int fd, const struct hr_admin_source *source,
                           struct hr_admin **ret_admin, struct hr_diag *diag)
{
    struct hr_admin *admin = hr_alloc(sizeof *admin);
    if (!admin) {
        return hr_diag_set(diag, HR_NO_MEMORY, "admin address");
    }
    admin->source = *source;
    hr_admin_kv_init(&admin->kv, &admin->mhd, source->bus);
    const struct hr_mhd_callbacks callbacks = {
        .access = access_callback,
        .completed = completed_callback,
        .begun = begun_callback,
        .arg = admin,
    };
    enum hr_err err = hr_mhd_start(&admin->mhd, loop, fd, &callbacks, diag);
    if (err) {
        hr_free(admin);
        return err;
    }
    *ret_admin = admin;
    return HR_OK;
}

void hr_admin_stop(struct hr_admin *admin)
{
    if (admin) {
        hr_admin_kv_stop(&admin->kv);
        hr_mhd_stop(&admin->mhd);
    }
}

void hr_admin_free(struct hr_admin *admin)
{
    hr_free(admin);
}
