/* libmicrohttpd in a libuv loop. */
#include "host/http/mhd.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWEEP_MS 1000

/* The daemon's epoll reports edges, so what it has left for later does not make its descriptor ready again:
 * a timeout of 0 says that there is such work. */
static void run(struct hr_mhd *mhd)
{
    if (!mhd->daemon) {
        return;
    }
    MHD_run(mhd->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(mhd->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0) {
        hr_mhd_kick(mhd);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run(poll->data);
}

static void on_sweep(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_run(void *arg)
{
    struct hr_mhd *mhd = arg;
    mhd->run_posted = false;
    run(mhd);
}

/* libmicrohttpd's own messages speak of single connections; they are of no use to an operator. */
static void discard_log(void *arg, const char *fmt, va_list args)
{
    (void)arg, (void)fmt, (void)args;
}

/* Paths are the actor's to decode. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

/* A daemon that runs into the process's limit asks again and again, and what opens files elsewhere fails
 * with it; so it has a limit of its own below. */
static unsigned connections_max(uint32_t share)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return HR_MHD_CONNECTIONS_MIN;
    }
    rlim_t left = files.rlim_cur > HR_MHD_FILES_KEPT ? files.rlim_cur - HR_MHD_FILES_KEPT : 0;
    rlim_t own = left / (share > 0 ? share : 1);
    own = own < HR_MHD_CONNECTIONS_MIN ? HR_MHD_CONNECTIONS_MIN : own;
    return own < HR_MHD_CONNECTIONS_MAX ? (unsigned)own : HR_MHD_CONNECTIONS_MAX;
}

static struct MHD_Daemon *start(int fd, const struct hr_mhd_callbacks *callbacks)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        callbacks->access, callbacks->arg, MHD_OPTION_EXTERNAL_LOGGER, discard_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, callbacks->completed,
        callbacks->arg, MHD_OPTION_URI_LOG_CALLBACK, callbacks->begun, callbacks->arg,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT,
        connections_max(callbacks->share), MHD_OPTION_CONNECTION_TIMEOUT, HR_MHD_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HR_MHD_CONNECTION_BYTES, MHD_OPTION_END);
}

enum hr_err hr_mhd_start(struct hr_mhd *mhd, struct hr_loop *loop, int fd,
                         const struct hr_mhd_callbacks *callbacks, struct hr_diag *diag)
{
    *mhd = (struct hr_mhd){.loop = loop};
    mhd->daemon = start(fd, callbacks);
    if (!mhd->daemon) {
        return hr_diag_set(diag, HR_IO, "the HTTP daemon did not start (file descriptors?)");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(mhd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int rc = info ? uv_poll_init(&loop->uv, &mhd->poll, info->epoll_fd) : UV_EINVAL;
    if (rc < 0) {
        MHD_quiesce_daemon(mhd->daemon); /* gives @fd back to the caller */
        MHD_stop_daemon(mhd->daemon);
        mhd->daemon = NULL;
        return hr_diag_set(diag, HR_IO, "watch the HTTP daemon: %s", uv_strerror(rc));
    }
    mhd->poll.data = mhd;
    mhd->sweep.data = mhd;
    mhd->polling = true;
    hr_task_init(&mhd->run, on_run, mhd);
    uv_timer_init(&loop->uv, &mhd->sweep);
    uv_timer_start(&mhd->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_poll_start(&mhd->poll, UV_READABLE, on_poll);
    return HR_OK;
}

void hr_mhd_kick(struct hr_mhd *mhd)
{
    if (!mhd->run_posted) {
        mhd->run_posted = true;
        hr_loop_post(mhd->loop, &mhd->run);
    }
}

void hr_mhd_quiesce(struct hr_mhd *mhd)
{
    int fd = mhd->daemon ? MHD_quiesce_daemon(mhd->daemon) : -1;
    if (fd >= 0) {
        close(fd);
    }
}

void hr_mhd_stop(struct hr_mhd *mhd)
{
    if (!mhd->daemon) {
        return;
    }
    hr_loop_unpost(&mhd->run);
    if (mhd->polling) {
        uv_poll_stop(&mhd->poll);
        uv_timer_stop(&mhd->sweep);
        mhd->polling = false;
    }
    MHD_run(mhd->daemon); /* connections that were resumed just now send their answers */
    MHD_stop_daemon(mhd->daemon);
    mhd->daemon = NULL;
}
