/* Drives a libmicrohttpd daemon from a loop: the daemon does its own epoll, and the loop watches that
 * one descriptor. This file , httpd and admin* are the only ones that know libmicrohttpd. One loop thread. */
#ifndef HR_MHD_H
#define HR_MHD_H

#include <microhttpd.h>

#include "base/diag.h"
#include "base/err.h"
#include "host/loop/loop.h"

#define HR_MHD_CONNECTIONS_MAX 8192u
#define HR_MHD_CONNECTIONS_MIN 16u
#define HR_MHD_FILES_KEPT 256u /* open files of the process that are not for connections */
#define HR_MHD_CONNECTION_BYTES (64u << 10) /* request line and header fields of one connection */
#define HR_MHD_IDLE_S 75u                   /* a silent connection is closed after this */

struct hr_mhd {
    struct MHD_Daemon *daemon;
    struct hr_loop *loop;
    uv_poll_t poll;
    uv_timer_t sweep; /* lets the daemon close what has idled too long */
    struct hr_task run;
    bool run_posted;
    bool polling;
};

struct hr_mhd_callbacks {
    MHD_AccessHandlerCallback access;
    MHD_RequestCompletedCallback completed;
    void *(*begun)(void *arg, const char *target, struct MHD_Connection *connection);
    void *arg;
    uint32_t
        share; /* of the open files that are left for connections, this daemon gets one in so many; 0: 1 */
};

/* Starts a daemon on the listening socket @fd, which it takes on success. */
HR_MUST_CHECK enum hr_err hr_mhd_start(struct hr_mhd *mhd, struct hr_loop *loop, int fd,
                                       const struct hr_mhd_callbacks *callbacks,
                                       struct hr_diag *diag);
/* Lets the daemon work in the loop's next round; after resuming a connection. */
void hr_mhd_kick(struct hr_mhd *mhd);
/* Stops accepting and closes the listening socket; connections go on. */
void hr_mhd_quiesce(struct hr_mhd *mhd);
/* Ends all connections. None is suspended. The loop's release closes the uv handles. */
void hr_mhd_stop(struct hr_mhd *mhd);

#endif
