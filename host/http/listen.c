/* Sockets for the HTTP daemons. A first socket without SO_REUSEPORT finds out whether somebody else has
 * the port: with it, a second process of the same user would silently get half of our connections. */
#include "host/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

static void set_port(struct address *address, uint16_t port)
{
    if (address->storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    }
}

static uint16_t get_port(const struct address *address)
{
    return ntohs(address->storage.ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)&address->storage)->sin6_port
                     : ((const struct sockaddr_in *)&address->storage)->sin_port);
}

/* The host part: an IPv4 address, an IPv6 address in brackets, "localhost", or nothing for all. */
static bool parse_host(struct hr_str host, struct address *ret)
{
    char text[64];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->storage;
    memset(&ret->storage, 0, sizeof ret->storage);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        snprintf(text, sizeof text, "%.*s", (int)(host.len - 2), host.ptr + 1);
        v6->sin6_family = AF_INET6;
        ret->len = sizeof *v6;
        return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
    }
    if (host.len == 0) {
        host = HR_STR("0.0.0.0");
    } else if (hr_str_eq(host, HR_STR("localhost"))) {
        host = HR_STR("127.0.0.1");
    }
    snprintf(text, sizeof text, "%.*s", HR_STR_ARG(host));
    v4->sin_family = AF_INET;
    ret->len = sizeof *v4;
    return inet_pton(AF_INET, text, &v4->sin_addr) == 1;
}

static bool parse(struct hr_str text, struct address *ret)
{
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < text.len; i++) {
        colon = text.ptr[i] == ':' ? i : colon;
    }
    uint64_t port;
    if (colon == SIZE_MAX || !hr_str_to_u64(hr_str_from(text, colon + 1), &port) ||
        port > UINT16_MAX || !parse_host(hr_str_of(text.ptr, colon), ret)) {
        return false;
    }
    set_port(ret, (uint16_t)port);
    return true;
}

/* SO_REUSEADDR on every socket: connections inherit it, and one in TIME_WAIT without it would keep the next
 * start from binding. */
static int open_bound(struct address *address, bool share)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&address->storage, address->len) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static enum hr_err refused(struct hr_str address, struct hr_diag *diag)
{
    switch (errno) {
    case EADDRINUSE:
        return hr_diag_set(diag, HR_EXISTS,
                           "listen on %.*s: the port is in use; stop the other program or choose "
                           "another address",
                           HR_STR_ARG(address));
    case EACCES:
        return hr_diag_set(diag, HR_DENIED,
                           "listen on %.*s: not permitted; ports below 1024 need "
                           "CAP_NET_BIND_SERVICE",
                           HR_STR_ARG(address));
    case EADDRNOTAVAIL:
        return hr_diag_set(diag, HR_BAD_INPUT, "listen on %.*s: no interface has this address",
                           HR_STR_ARG(address));
    default:
        return hr_diag_set(diag, HR_IO, "listen on %.*s: %s", HR_STR_ARG(address), strerror(errno));
    }
}

static void describe(const struct address *address, char *ret_bound)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = address->storage.ss_family == AF_INET6;
    const void *raw =
        v6 ? (const void *)&((const struct sockaddr_in6 *)&address->storage)->sin6_addr
           : (const void *)&((const struct sockaddr_in *)&address->storage)->sin_addr;
    inet_ntop(address->storage.ss_family, raw, host, sizeof host);
    snprintf(ret_bound, HR_LISTEN_ADDRESS_BYTES_MAX, v6 ? "[%s]:%u" : "%s:%u", host,
             get_port(address));
}

enum hr_err hr_listen(struct hr_str text, uint32_t count, int *ret_fds, char *ret_bound,
                      struct hr_diag *diag)
{
    struct address address;
    if (!parse(text, &address)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "%.*s is no address to listen on; write it as 127.0.0.1:8080, "
                           "[::1]:8080 or :8080",
                           HR_STR_ARG(text));
    }
    int probe = open_bound(&address, false);
    if (probe < 0) {
        return refused(text, diag);
    }
    address.len = sizeof address.storage;
    int rc = getsockname(probe, (struct sockaddr *)&address.storage, &address.len);
    close(probe);
    if (rc != 0) {
        return refused(text, diag);
    }
    for (uint32_t i = 0; i < count; i++) {
        ret_fds[i] = open_bound(&address, true);
        if (ret_fds[i] < 0 || listen(ret_fds[i], HR_LISTEN_BACKLOG) != 0) {
            enum hr_err err = refused(text, diag);
            for (uint32_t k = 0; k <= i && ret_fds[k] >= 0; k++) {
                close(ret_fds[k]);
            }
            return err;
        }
    }
    if (ret_bound) {
        describe(&address, ret_bound);
    }
    return HR_OK;
}
