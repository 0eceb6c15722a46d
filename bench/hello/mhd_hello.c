/* The same 14 bytes from libmicrohttpd alone: what HTTP itself costs in the library that Hedgerow uses.
 * Usage: mhd_hello THREADS; prints the address that it listens on and ends at the end of its standard input. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[] = "Hello, world!\n";

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **state)
{
    (void)arg, (void)url, (void)method, (void)version, (void)data, (void)data_len;
    if (!*state) { /* the head alone: the body, if any, is still to come */
        *state = text;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "content-type", "text/plain");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

int main(int argc, char **argv)
{
    unsigned threads = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (threads == 0) {
        fputs("usage: mhd_hello THREADS\n", stderr);
        return 2;
    }
    /* A pool of one thread is refused. */
    struct MHD_Daemon *daemon =
        threads == 1 ? MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                                        MHD_OPTION_END)
                     : MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                                        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        fputs("mhd_hello: the daemon did not start\n", stderr);
        return 1;
    }
    printf("http://127.0.0.1:%u\n", info->port);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    MHD_stop_daemon(daemon);
    return 0;
}
