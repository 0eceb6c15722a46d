/* A proxy before a server that can cut a connection at a moment of the test's choice. One connection
 * after the other, on a thread of its own. */
#ifndef REDIS_PROXY_H
#define REDIS_PROXY_H

#include "tests/unit/redis_rig.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum proxy_mode {
    PROXY_PASS,
    PROXY_CUT_AT_REPLY, /* the next reply is not passed on: both sides are closed instead */
    PROXY_CUT_AT_REQUEST /* of the next request a little is read and nothing passed on; then likewise */
};

struct proxy {
    int listener;
    uint16_t port;
    uint16_t server_port;
    _Atomic int mode;
    _Atomic int cuts;
    _Atomic bool ends;
    pthread_t thread;
};

static inline int proxy_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool proxy_write(int fd, const char *bytes, ssize_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, (size_t)len);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= n;
    }
    return true;
}

/* Passes what there is from one side to the other. False: the connection is over. */
static inline bool proxy_pass(struct proxy *proxy, int from, int to, enum proxy_mode cut)
{
    char bytes[65536];
    bool cuts = atomic_load(&proxy->mode) == (int)cut;
    ssize_t n = read(from, bytes, cuts && cut == PROXY_CUT_AT_REQUEST ? 1000 : sizeof bytes);
    if (n <= 0) {
        return false;
    }
    if (cuts) {
        atomic_store(&proxy->mode, PROXY_PASS);
        atomic_fetch_add(&proxy->cuts, 1);
        return false;
    }
    return proxy_write(to, bytes, n);
}

static inline void proxy_serve(struct proxy *proxy, int client)
{
    int server = proxy_connect(proxy->server_port);
    bool goes_on = server >= 0;
    while (goes_on && !atomic_load(&proxy->ends)) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(fds, 2, 20) <= 0) {
            continue;
        }
        if (fds[0].revents) {
            goes_on = proxy_pass(proxy, client, server, PROXY_CUT_AT_REQUEST);
        }
        if (goes_on && fds[1].revents) {
            goes_on = proxy_pass(proxy, server, client, PROXY_CUT_AT_REPLY);
        }
    }
    close(client);
    if (server >= 0) {
        close(server);
    }
}

static inline void *proxy_main(void *arg)
{
    struct proxy *proxy = arg;
    while (!atomic_load(&proxy->ends)) {
        struct pollfd fds = {.fd = proxy->listener, .events = POLLIN};
        if (poll(&fds, 1, 20) > 0) {
            int client = accept(proxy->listener, NULL, NULL);
            if (client >= 0) {
                proxy_serve(proxy, client);
            }
        }
    }
    return NULL;
}

/* A listening socket of the loopback; its port. */
static inline int listen_anywhere(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int small = 65536; /* what is accepted without being read is little */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(fd, 16), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline void proxy_start(struct proxy *proxy, const struct server *server)
{
    *proxy = (struct proxy){.server_port = server->port};
    proxy->listener = listen_anywhere(&proxy->port);
    assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_main, proxy), 0);
}

static inline void proxy_stop(struct proxy *proxy)
{
    atomic_store(&proxy->ends, true);
    assert_int_equal(pthread_join(proxy->thread, NULL), 0);
    close(proxy->listener);
}

#endif
