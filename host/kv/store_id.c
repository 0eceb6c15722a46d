/* Reading or making a store's identity: get; if absent, commit a new one on the condition that it still is
 * absent; if that fails because another host was first, get again. */
#include "host/kv/store_id.h"

#include <string.h>

#include <sodium.h>

#include "base/assert.h"

#define BUCKET HR_STR("hedgerow host") /* buckets of links hold no space */
#define KEY HR_STR("store-id")

struct reading {
    struct hr_loop loop;
    struct hr_kv_port *port;
    unsigned char id[HR_STORE_ID_BYTES];
    bool retried;
    enum hr_err err;
    struct hr_diag *diag;
};

static void start(struct reading *reading);

static void on_closed(void *arg)
{
    struct reading *reading = arg;
    hr_loop_stop(&reading->loop);
}

static void end(struct reading *reading, enum hr_err err, const char *what)
{
    reading->err = err;
    if (err) {
        hr_diag_set(reading->diag, err, "the store's identity: %s", what);
    }
    hr_kv_port_close(reading->port, on_closed, reading);
}

static void on_made(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    struct reading *reading = arg;
    (void)conflict;
    bool look_again = (err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME) && !reading->retried;
    if (look_again) {
        reading->retried = true;
        start(reading);
        return;
    }
    end(reading, err, err ? detail : "");
}

static void make(struct reading *reading)
{
    randombytes_buf(reading->id, sizeof reading->id);
    const struct hr_kv_check check = {.key = KEY, .absent = true};
    const struct hr_kv_entry put = {
        .key = KEY, .value = hr_str_of((const char *)reading->id, sizeof reading->id)};
    const struct hr_kv_commit commit = {
        .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = &put, .put_count = 1};
    enum hr_err err = hr_kv_commit(reading->port, &commit, on_made, reading);
    if (err) {
        end(reading, err, hr_err_text(err));
    }
}

static void on_read(void *arg, enum hr_err err, struct hr_str value)
{
    struct reading *reading = arg;
    if (err == HR_NOT_FOUND) {
        make(reading);
        return;
    }
    if (!err && value.len != sizeof reading->id) {
        err = HR_CORRUPT;
    }
    if (!err) {
        memcpy(reading->id, value.ptr, sizeof reading->id);
    }
    end(reading, err, hr_err_text(err));
}

static void start(struct reading *reading)
{
    enum hr_err err = hr_kv_get(reading->port, BUCKET, KEY, on_read, reading);
    if (err) {
        end(reading, err, hr_err_text(err));
    }
}

enum hr_err hr_store_id_read(struct hr_kv *kv, unsigned char ret_id[HR_STORE_ID_BYTES],
                             struct hr_diag *diag)
{
    struct reading reading = {.diag = diag};
    enum hr_err err = hr_loop_init(&reading.loop, diag);
    if (err) {
        return err;
    }
    err = hr_kv_port_open(kv, &reading.loop, &reading.port, diag);
    if (!err) {
        start(&reading);
        hr_loop_run(&reading.loop);
        err = reading.err;
    }
    hr_loop_release(&reading.loop);
    if (!err) {
        memcpy(ret_id, reading.id, sizeof reading.id);
    }
    return err;
}
