/* Opening, draining and closing a worker. */
#include "host/host_worker.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/calls/asset.h"
#include "host/http/httpd.h"
#include "host/calls/inbox.h"

#define CENSUS_MS 5

static const bool allowed[HR_WORKER_STATE_COUNT][HR_WORKER_STATE_COUNT] = {
    [HR_WORKER_OPEN] = {[HR_WORKER_RUNNING] = true, [HR_WORKER_CLOSING] = true},
    [HR_WORKER_RUNNING] = {[HR_WORKER_DRAINING] = true},
    [HR_WORKER_DRAINING] = {[HR_WORKER_CLOSING] = true},
    [HR_WORKER_CLOSING] = {[HR_WORKER_CLOSED] = true},
};

static void worker_move(struct hr_worker *worker, enum hr_worker_state to)
{
    HR_ASSERT(allowed[worker->state][to]);
    worker->state = to;
}

/* --- draining and closing, on the loop --------------------------------------------------------------------- */

static void take_census(void *arg)
{
    struct hr_worker *worker = arg;
    uint32_t count = worker->httpd ? hr_httpd_active(worker->httpd) : 0;
    for (size_t i = 0; i < worker->lane_count; i++) {
        count += worker->lanes[i].running_count + worker->lanes[i].queued_count;
    }
    atomic_store(&worker->in_flight, count);
    hr_loop_timer_start(&worker->loop, &worker->census, CENSUS_MS);
}

static void on_drain(void *arg)
{
    struct hr_worker *worker = arg;
    worker_move(worker, HR_WORKER_DRAINING);
    if (worker->httpd) {
        hr_httpd_drain(worker->httpd);
    }
    take_census(worker);
}

static void on_port_closed(void *arg)
{
    struct hr_worker *worker = arg;
    HR_ASSERT(worker->ports_open > 0);
    worker->ports_open--;
    if (worker->ports_open == 0) {
        worker_move(worker, HR_WORKER_CLOSED);
        hr_loop_stop(&worker->loop);
    }
}

static void on_close(void *arg)
{
    struct hr_worker *worker = arg;
    worker_move(worker, HR_WORKER_CLOSING);
    hr_loop_timer_stop(&worker->loop, &worker->census);
    hr_inbox_stop_all(worker);
    for (size_t i = 0; i < worker->lane_count; i++) {
        hr_lane_cancel_all(&worker->lanes[i]);
    }
    hr_httpd_stop(worker->httpd);
    hr_inbox_free_all(worker);
    size_t open = worker->ports_open;
    if (worker->bus) {
        hr_bus_port_close(worker->bus, on_port_closed, worker);
    }
    for (size_t i = 0; i < worker->store_count; i++) {
        if (worker->stores[i]) {
            hr_kv_port_close(worker->stores[i], on_port_closed, worker);
        }
    }
    if (open == 0) {
        worker_move(worker, HR_WORKER_CLOSED);
        hr_loop_stop(&worker->loop);
    }
}

/* --- opening ------------------------------------------------------------------------------------------------ */

static enum hr_err open_ports(struct hr_worker *worker, const struct hr_worker_options *options,
                              struct hr_diag *diag)
{
    enum hr_err err = hr_bus_port_open(options->bus, &worker->loop, &worker->bus, diag);
    if (err) {
        return err;
    }
    worker->ports_open++;
    worker->stores = hr_alloc_array(options->store_count, sizeof *worker->stores);
    if (!worker->stores) {
        return hr_diag_set(diag, HR_NO_MEMORY, "worker %u", worker->index);
    }
    worker->store_count = options->store_count;
    for (size_t i = 0; i < options->store_count && !err; i++) {
        err = hr_kv_port_open(options->stores[i], &worker->loop, &worker->stores[i], diag);
        worker->ports_open += err == HR_OK;
    }
    return err;
}

static enum hr_err open_lanes(struct hr_worker *worker, const struct hr_worker_options *options,
                              struct hr_diag *diag)
{
    worker->lanes = hr_alloc_array(options->actor_count, sizeof *worker->lanes);
    if (!worker->lanes) {
        return hr_diag_set(diag, HR_NO_MEMORY, "worker %u", worker->index);
    }
    worker->lane_count = options->actor_count;
    for (size_t i = 0; i < options->actor_count; i++) {
        hr_lane_init(&worker->lanes[i], worker, &worker->loop, options->fibers, options->actors[i],
                     options->worker_count);
    }
    return HR_OK;
}

enum hr_err hr_worker_init(struct hr_worker *worker, const struct hr_worker_options *options,
                           struct hr_diag *diag)
{
    memset(worker, 0, sizeof *worker);
    worker->index = options->index;
    worker->worker_count = options->worker_count;
    worker->lattice = options->lattice;
    worker->lattice_name = options->lattice_name;
    worker->here = options->here;
    hr_list_init(&worker->inboxes);
    hr_list_init(&worker->asset_services);
    hr_task_init(&worker->drain, on_drain, worker);
    hr_task_init(&worker->close, on_close, worker);
    hr_timer_init(&worker->census, take_census, worker);
    enum hr_err err = hr_loop_init(&worker->loop, diag);
    if (err) {
        return err;
    }
    err = open_ports(worker, options, diag);
    if (!err) {
        err = open_lanes(worker, options, diag);
    }
    if (err) {
        hr_worker_release(worker);
    }
    return err;
}

enum hr_err hr_worker_serve(struct hr_worker *worker, int fd, const struct hr_httpd_route *routes,
                            size_t count, struct hr_diag *diag)
{
    return hr_httpd_start(worker, fd, routes, count, &worker->httpd, diag);
}

static void run(void *arg)
{
    struct hr_worker *worker = arg;
    hr_loop_run(&worker->loop);
}

enum hr_err hr_worker_start(struct hr_worker *worker, struct hr_diag *diag)
{
    worker_move(worker, HR_WORKER_RUNNING);
    int rc = uv_thread_create(&worker->thread, run, worker);
    if (rc < 0) {
        worker->state = HR_WORKER_OPEN;
        return hr_diag_set(diag, HR_IO, "start worker %u: %s", worker->index, uv_strerror(rc));
    }
    return HR_OK;
}

void hr_worker_drain(struct hr_worker *worker)
{
    atomic_store(&worker->in_flight, UINT32_MAX); /* until the first census */
    hr_loop_post(&worker->loop, &worker->drain);
}

void hr_worker_close(struct hr_worker *worker)
{
    hr_loop_post(&worker->loop, &worker->close);
}

void hr_worker_release(struct hr_worker *worker)
{
    if (worker->state == HR_WORKER_OPEN) {
        hr_worker_close(worker);
        hr_loop_run(&worker->loop);
    } else {
        uv_thread_join(&worker->thread);
    }
    hr_loop_release(&worker->loop);
    hr_httpd_free(worker->httpd);
    hr_asset_service_free_all(worker);
    hr_free(worker->lanes);
    hr_free(worker->stores);
}
