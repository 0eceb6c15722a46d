/* Other hosts' calls of get-asset: a message comes in, the actor is called, its answer goes back as one
 * message, or the host's refusal. */
#include "base/alloc.h"
#include "host/calls/asset.h"
#include "host/calls/message.h"
#include "host/run/worker.h"

#define QUEUE HR_STR("call")

struct service {
    struct hr_list node; /* in the worker */
    struct hr_worker *worker;
    struct hr_lane *lane;
    struct hr_bus_sub *sub;
};

/* One call from elsewhere. */
struct visit {
    struct hr_bus_port *bus;
    size_t reply_len;
    char reply_to[];
};

static void answer(const struct visit *visit, const struct hr_asset *asset)
{
    struct hr_str reply_to = hr_str_of(visit->reply_to, visit->reply_len);
    struct hr_buf body = {.max = HR_BUS_LARGE_BYTES_MAX};
    enum hr_err err = hr_asset_encode(asset, &body);
    const struct hr_bus_msg msg = {.subject = reply_to, .body = hr_buf_str(&body)};
    err = err ? err : hr_bus_publish(visit->bus, &msg);
    if (err) {
        hr_message_refuse(visit->bus, reply_to, err, "the asset cannot be sent");
    }
    hr_buf_release(&body);
}

static void on_called(void *arg, struct hr_asset_call *call)
{
    struct visit *visit = arg;
    const struct hr_asset *asset;
    const char *cause;
    enum hr_err err = hr_asset_call_outcome(call, &asset, &cause);
    if (err) {
        hr_message_refuse(visit->bus, hr_str_of(visit->reply_to, visit->reply_len), err, cause);
    } else {
        answer(visit, asset);
    }
    hr_asset_call_free(call);
    hr_free(visit);
}

static enum hr_err begin(struct service *service, const struct hr_bus_msg *msg)
{
    struct hr_asset_request request;
    struct hr_asset_call *call; /* frees itself by on_called */
    uint64_t left_ms = 0;
    enum hr_err err = hr_asset_request_decode(msg->body, &request);
    if (err) {
        return err;
    }
    struct visit *visit = hr_alloc(sizeof *visit + msg->reply_to.len);
    if (!visit) {
        return HR_NO_MEMORY;
    }
    visit->bus = service->worker->bus;
    visit->reply_len = msg->reply_to.len;
    memcpy(visit->reply_to, msg->reply_to.ptr, msg->reply_to.len);
    bool limited = hr_str_to_u64(hr_bus_header(msg, HR_STR(HR_BUS_HEADER_TIMEOUT)), &left_ms) &&
                   left_ms > 0 && left_ms <= UINT32_MAX;
    err =
        hr_asset_call_new(service->lane, &request, hr_bus_header(msg, HR_STR(HR_BUS_HEADER_TRACE)),
                          limited ? (uint32_t)left_ms : 0, on_called, visit, &call);
    if (err) {
        hr_free(visit);
    }
    return err;
}

static void on_message(void *arg, const struct hr_bus_msg *msg)
{
    struct service *service = arg;
    if (msg->reply_to.len == 0) {
        return; /* nobody wants the asset */
    }
    enum hr_err err = begin(service, msg);
    if (err) {
        hr_message_refuse(service->worker->bus, msg->reply_to, err, service->lane->actor->name);
    }
}

enum hr_err hr_asset_service_open(struct hr_worker *worker, struct hr_lane *lane,
                                  struct hr_str lattice)
{
    char subject[HR_ASSET_SUBJECT_BYTES_MAX];
    struct service *service = hr_alloc(sizeof *service);
    if (!service) {
        return HR_NO_MEMORY;
    }
    service->worker = worker;
    service->lane = lane;
    hr_list_init(&service->node);
    const struct hr_bus_sub_options options = {
        .subject = hr_asset_subject(lattice, hr_str_c(lane->actor->name), subject), .queue = QUEUE};
    enum hr_err err = hr_bus_subscribe(worker->bus, &options, on_message, service, &service->sub);
    if (err) {
        hr_free(service);
        return err;
    }
    hr_list_push_back(&worker->asset_services, &service->node);
    return HR_OK;
}

void hr_asset_service_free_all(struct hr_worker *worker)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&worker->asset_services))) {
        hr_free(HR_LIST_OWNER(node, struct service, node));
    }
}
