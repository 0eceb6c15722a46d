/* links: hr_host */
#include "guest_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/imports/exchange.h"
#include "host/http/httpd.h"
#include "host/http/listen.h"
#include "host/http/mhd.h"

#define TYPES "(import \"wasi:http/types@0.2.0\" "
#define STREAMS "(import \"wasi:io/streams@0.2.0\" "

/* A handler of HTTP requests. $reply answers with a status, a set of fields and a text. */
#define HTTP_GUEST(data, body)                                                                    \
    "(module " TYPES "\"[constructor]fields\" (func $fields (result i32))) " TYPES                \
    "\"[method]fields.append\" (func $append (param i32 i32 i32 i32 i32 i32))) " TYPES            \
    "\"[method]fields.clone\" (func $clone (param i32) (result i32))) " TYPES                     \
    "\"[method]incoming-request.headers\" (func $headers (param i32) (result i32))) " TYPES       \
    "\"[method]incoming-request.path-with-query\" (func $path (param i32 i32))) " TYPES           \
    "\"[method]incoming-request.authority\" (func $authority (param i32 i32))) " TYPES            \
    "\"[constructor]outgoing-response\" (func $response (param i32) (result i32))) " TYPES        \
    "\"[method]outgoing-response.set-status-code\" (func $status (param i32 i32) (result "        \
    "i32))) " TYPES "\"[method]outgoing-response.body\" (func $body (param i32 i32))) " TYPES     \
    "\"[resource-drop]outgoing-response\" (func $drop (param i32))) " TYPES                       \
    "\"[method]outgoing-body.write\" (func $write (param i32 i32))) " TYPES                       \
    "\"[static]outgoing-body.finish\" (func $finish (param i32 i32 i32 i32))) " TYPES             \
    "\"[static]response-outparam.set\" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 "        \
    "i32))) " STREAMS                                                                             \
    "\"[method]output-stream.blocking-write-and-flush\" (func $put (param i32 i32 i32 "           \
    "i32))) " RIG_ALLOCATOR data                                                                  \
    "(func $text (param $response i32) (param $at i32) (param $len i32) (result i32)"             \
    "  (local $b i32) (call $body (local.get $response) (i32.const 16))"                          \
    "  (local.set $b (i32.load (i32.const 20)))"                                                  \
    "  (call $write (local.get $b) (i32.const 16))"                                               \
    "  (call $put (i32.load (i32.const 20)) (local.get $at) (local.get $len) (i32.const 32))"     \
    "  (local.get $b))"                                                                           \
    "(func $reply (param $out i32) (param $code i32) (param $f i32) (param $at i32) (param $len " \
    "i32) (local $r i32) (local $b i32)"                                                          \
    "  (local.set $r (call $response (local.get $f)))"                                            \
    "  (drop (call $status (local.get $r) (local.get $code)))"                                    \
    "  (local.set $b (call $text (local.get $r) (local.get $at) (local.get $len)))"               \
    "  (call $finish (local.get $b) (i32.const 0) (i32.const 0) (i32.const 48))"                  \
    "  (call $set (local.get $out) (i32.const 0) (local.get $r) (i32.const 0) (i64.const 0) "     \
    "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"                                   \
    "(func (export \"wasi:http/incoming-handler@0.2.0#handle\") (param $req i32) (param $out "    \
    "i32)" body "))"

#define HELLO_GUEST                                                                             \
    HTTP_GUEST("(data (i32.const 1024) \"hello\")",                                             \
               "(call $reply (local.get $out) (i32.const 200) (call $fields) (i32.const 1024) " \
               "(i32.const 5))")

struct http_rig {
    struct guest_rig rig;
    uint16_t port;
};

static void http_open(struct http_rig *http, const struct guest_rig_options *options)
{
    struct hr_diag diag = {""};
    int fd;
    char bound[HR_LISTEN_ADDRESS_BYTES_MAX];
    rig_open(&http->rig, options);
    hr_loop_timer_stop(&http->rig.worker.loop, &http->rig.watchdog);
    assert_int_equal(hr_listen(HR_STR("127.0.0.1:0"), 1, &fd, bound, &diag), HR_OK);
    http->port = (uint16_t)atoi(strrchr(bound, ':') + 1);
    const struct hr_httpd_route route = {HR_STR("/"), http->rig.lane};
    assert_int_equal(hr_worker_serve(&http->rig.worker, fd, &route, 1, &diag), HR_OK);
    assert_int_equal(hr_worker_start(&http->rig.worker, &diag), HR_OK);
}

static void http_close(struct http_rig *http)
{
    hr_worker_drain(&http->rig.worker);
    hr_worker_close(&http->rig.worker);
    rig_close(&http->rig);
}

static int http_connect(const struct http_rig *http)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    const struct timeval patience = {.tv_sec = 30};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void http_send(int fd, struct hr_str bytes)
{
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

struct answer {
    char bytes[65536];
    size_t len;
    bool closed; /* by the daemon */
};

/* Reads until the daemon closes. */
static void http_read_all(int fd, struct answer *answer)
{
    answer->len = 0;
    ssize_t n;
    while ((n = recv(fd, answer->bytes + answer->len, sizeof answer->bytes - 1 - answer->len, 0)) >
           0) {
        answer->len += (size_t)n;
    }
    answer->closed = n == 0;
    answer->bytes[answer->len] = '\0';
}

/* Sends @request, which ends in one that asks for a close, and reads what there is to read. */
static void http_ask(const struct http_rig *http, struct hr_str request, struct answer *answer)
{
    int fd = http_connect(http);
    http_send(fd, request);
    http_read_all(fd, answer);
    close(fd);
}

static int status_of(const struct answer *answer)
{
    return answer->len > 12 && memcmp(answer->bytes, "HTTP/1.1 ", 9) == 0 ? atoi(answer->bytes + 9)
                                                                          : 0;
}

/* A request whose end two readers could see in different places is refused, and what comes after it on
 * that connection is not looked at (RFC 9112, sections 6.1 and 6.3, and 3.2 for Host). */
static void http_refuses_requests_of_doubtful_length(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX(y): 1\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
    };
    struct http_rig http;
    http_open(&http, &(const struct guest_rig_options){.text = HELLO_GUEST});
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        static struct answer answer;
        char text[1024];
        snprintf(text, sizeof text,
                 "%sGET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", requests[i]);
        http_ask(&http, hr_str_c(text), &answer);
        int status = status_of(&answer);
        if ((status != 400 && status != 413) || strstr(answer.bytes, "hello")) {
            print_message("%s--\n%s\n", text, answer.bytes);
            fail_msg("case %zu: status %d", i, status);
        }
    }
    http_close(&http);
}

/* What is well formed is served, whatever its form; connections are kept. */
static void http_serves_wellformed_requests(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET http://a:80/x HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET HTTP://[::1]:80?x=/y HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET http://a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /\xc3\xa4?q=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    };
    struct http_rig http;
    http_open(&http, &(const struct guest_rig_options){.text = HELLO_GUEST});
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        static struct answer answer;
        char text[1024];
        snprintf(text, sizeof text, "%sGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 requests[i]);
        http_ask(&http, hr_str_c(text), &answer);
        const char *second = strstr(answer.bytes, "helloHTTP/1.1 200 ");
        if (status_of(&answer) != 200 || !second || !strstr(second + 5, "hello")) {
            fail_msg("case %zu: %s", i, answer.bytes);
        }
    }
    http_close(&http);
}

/* Answers with what the host was told of path and authority, one after the other. */
#define TARGET_GUEST                                                                            \
    HTTP_GUEST("(data (i32.const 1024) \"hello\")",                                             \
               "(local $r i32) (local $b i32) (call $path (local.get $req) (i32.const 512))"    \
               "(call $authority (local.get $req) (i32.const 528))"                             \
               "(local.set $r (call $response (call $fields)))"                                 \
               "(local.set $b (call $text (local.get $r) (i32.load (i32.const 516)) (i32.load " \
               "(i32.const 520))))"                                                             \
               "(call $put (i32.load (i32.const 20)) (i32.load (i32.const 532)) (i32.load "     \
               "(i32.const 536)) (i32.const 32))"                                               \
               "(call $finish (local.get $b) (i32.const 0) (i32.const 0) (i32.const 48))"       \
               "(call $set (local.get $out) (i32.const 0) (local.get $r) (i32.const 0) "        \
               "(i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))")

/* An absolute target names its own authority, and its path begins with a slash. */
static void http_splits_absolute_targets(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"GET /a?b HTTP/1.1\r\nHost: h\r\n", "/a?bh"},
        {"GET http://x/a HTTP/1.1\r\nHost: h\r\n", "/ax"},
        {"GET http://x:1?b=/c HTTP/1.1\r\nHost: h\r\n", "/?b=/cx:1"},
        {"GET http://x HTTP/1.1\r\nHost: h\r\n", "/x"},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n", "*h"},
    };
    struct http_rig http;
    http_open(&http, &(const struct guest_rig_options){.text = TARGET_GUEST});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct answer answer;
        char text[1024];
        snprintf(text, sizeof text, "%sConnection: close\r\n\r\n", cases[i][0]);
        http_ask(&http, hr_str_c(text), &answer);
        const char *body = strstr(answer.bytes, "\r\n\r\n");
        assert_non_null(body);
        assert_string_equal(body + 4, cases[i][1]);
    }
    http_close(&http);
}

/* What a reader of C strings would see the half of is refused, and so are fields without a name. */
static void http_refuses_what_it_would_misread(void **state)
{
    (void)state;
#define REST "\r\nHost: a\r\nConnection: close\r\n\r\n"
    static const struct hr_str requests[] = {
        {"GET /a\0b HTTP/1.1" REST, sizeof("GET /a\0b HTTP/1.1" REST) - 1},
        {"GET /\0 HTTP/1.1" REST, sizeof("GET /\0 HTTP/1.1" REST) - 1},
        {"GET \0/ HTTP/1.1" REST, sizeof("GET \0/ HTTP/1.1" REST) - 1},
        {"GET /?a=b\0&c HTTP/1.1" REST, sizeof("GET /?a=b\0&c HTTP/1.1" REST) - 1},
        {"GET http://a/\0 HTTP/1.1" REST, sizeof("GET http://a/\0 HTTP/1.1" REST) - 1},
        {"GET * HTTP/1.1\r\n: x" REST, sizeof("GET * HTTP/1.1\r\n: x" REST) - 1},
        {"GET / HTTP/1.1\r\n: x" REST, sizeof("GET / HTTP/1.1\r\n: x" REST) - 1},
        {"GET / HTTP/1.1\r\n:" REST, sizeof("GET / HTTP/1.1\r\n:" REST) - 1},
        {"GET / HTTP/1.1\r\n : x" REST, sizeof("GET / HTTP/1.1\r\n : x" REST) - 1},
    };
#undef REST
    struct http_rig http;
    http_open(&http, &(const struct guest_rig_options){.text = HELLO_GUEST});
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        static struct answer answer;
        http_ask(&http, requests[i], &answer);
        if (status_of(&answer) != 400) {
            fail_msg("case %zu: %s", i, answer.bytes);
        }
    }
    http_close(&http);
}

/* Asks twice on one connection and gives what is left after the first answer's head. */
static void ask_twice(const struct http_rig *http, const char *method, struct answer *answer,
                      const char **ret_rest)
{
    char text[1024];
    snprintf(
        text, sizeof text,
        "%s /1 HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\r\nGET /2 HTTP/1.1\r\nHost: "
        "a\r\nConnection: close\r\n\r\n",
        method);
    http_ask(http, hr_str_c(text), answer);
    const char *end = strstr(answer->bytes, "\r\n\r\n");
    assert_non_null(end);
    *ret_rest = end + 4;
}

/* Appends a field and answers 200, or 500 if the field is refused. */
#define FIELD_GUEST(name, name_len, value, value_len)                                           \
    HTTP_GUEST("(data (i32.const 1024) \"hello\") (data (i32.const 2048) \"" name               \
               "\") (data (i32.const 3072) \"" value "\")",                                     \
               "(local $f i32) (local.set $f (call $fields)) (call $append (local.get $f) "     \
               "(i32.const 2048) (i32.const " #name_len                                         \
               ") (i32.const 3072) (i32.const " #value_len                                      \
               ") (i32.const 64)) (call $reply (local.get $out) (select (i32.const 500) "       \
               "(i32.const 200) (i32.load8_u (i32.const 64))) (local.get $f) (i32.const 1024) " \
               "(i32.const 5))")

/* No field of an actor's ends its line, or says how long the answer is or what becomes of the
 * connection: the second answer begins where the first one ends. */
static void http_keeps_an_actors_fields_in_their_lines(void **state)
{
    (void)state;
    static const char *const refused[] = {
        FIELD_GUEST("x", 1, "a\\0d\\0aSet-Cookie: b=c", 17),
        FIELD_GUEST("x", 1, "a\\0aSet-Cookie: b=c", 17),
        FIELD_GUEST("x", 1, "a\\0dSet-Cookie: b=c", 17),
        FIELD_GUEST("x", 1, "a\\00Set-Cookie: b=c", 17),
        FIELD_GUEST("x\\0d\\0aSet-Cookie", 13, "b=c", 3),
        FIELD_GUEST("x: y", 4, "b=c", 3),
        FIELD_GUEST("", 0, "b=c", 3),
        FIELD_GUEST("Transfer-Encoding", 17, "chunked", 7),
        FIELD_GUEST("Connection", 10, "upgrade", 7),
        FIELD_GUEST("uPGRADE", 7, "h2c", 3),
    };
    static const char *const harmless[] = {
        FIELD_GUEST("Content-Length", 14, "1", 1),
        FIELD_GUEST("Content-Length", 14, "999", 3),
        FIELD_GUEST("Content-Length", 14, "18446744073709551615", 20),
    };
    for (size_t i = 0; i < 13; i++) {
        bool bad = i < 10;
        struct http_rig http;
        http_open(&http,
                  &(const struct guest_rig_options){.text = bad ? refused[i] : harmless[i - 10]});
        static struct answer answer;
        const char *rest;
        ask_twice(&http, "GET", &answer, &rest);
        if (status_of(&answer) != (bad ? 500 : 200) || strncmp(rest, "helloHTTP/1.1 ", 14) != 0 ||
            strstr(answer.bytes, "Set-Cookie")) {
            fail_msg("case %zu: %s", i, answer.bytes);
        }
        ask_twice(&http, "HEAD", &answer, &rest);
        if (strncmp(rest, "HTTP/1.1 ", 9) != 0) {
            fail_msg("HEAD, case %zu: %s", i, answer.bytes);
        }
        http_close(&http);
    }
}

/* A body is never sent where there is none: not for HEAD, not with 204 and 304, and an answer without
 * one to HEAD may name any length. */
static void http_sends_no_body_where_there_is_none(void **state)
{
    (void)state;
#define STATUS_GUEST(code)                                                                      \
    HTTP_GUEST("(data (i32.const 1024) \"HTTP/1.1 200 OK\")",                                   \
               "(call $reply (local.get $out) (i32.const " #code ") (call $fields) (i32.const " \
               "1024) (i32.const 15))")
#define LENGTH_GUEST(value, value_len)                                                             \
    HTTP_GUEST("(data (i32.const 2048) \"content-length\") (data (i32.const 3072) \"" value "\")", \
               "(local $f i32) (local.set $f (call $fields)) (call $append (local.get $f) "        \
               "(i32.const 2048) (i32.const 14) (i32.const 3072) (i32.const " #value_len           \
               ") (i32.const 64)) (call $reply (local.get $out) (i32.const 200) (local.get $f) "   \
               "(i32.const 1024) (i32.const 0))")
    static const struct {
        const char *guest;
        const char *method;
        const char *has;
    } cases[] = {
        {STATUS_GUEST(204), "GET", "204 "},
        {STATUS_GUEST(304), "GET", "304 "},
        {STATUS_GUEST(200), "HEAD", "Content-Length: 15"},
        {STATUS_GUEST(204), "HEAD", "204 "},
        {LENGTH_GUEST("70", 2), "HEAD", "Content-Length: 70"},
        {LENGTH_GUEST("9223372036854775807", 19), "HEAD", "Content-Length: 9223372036854775807"},
        {LENGTH_GUEST("9223372036854775808", 19), "HEAD", "Content-Length: 0"},
        {LENGTH_GUEST("18446744073709551615", 20), "HEAD", "Content-Length: 0"},
        {LENGTH_GUEST("99999999999999999999", 20), "HEAD", "Content-Length: 0"},
        {LENGTH_GUEST("70", 2), "GET", "Content-Length: 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_rig http;
        static struct answer answer;
        const char *rest;
        http_open(&http, &(const struct guest_rig_options){.text = cases[i].guest});
        ask_twice(&http, cases[i].method, &answer, &rest);
        if (strncmp(rest, "HTTP/1.1 ", 9) != 0 || !strstr(answer.bytes, cases[i].has)) {
            fail_msg("case %zu: %s", i, answer.bytes);
        }
        http_close(&http);
    }
}

/* Answers with a copy of the request's fields. */
#define MIRROR_GUEST                                                                        \
    HTTP_GUEST("(data (i32.const 1024) \"hello\")",                                         \
               "(call $reply (local.get $out) (i32.const 200) (call $clone (call $headers " \
               "(local.get $req))) (i32.const 1024) (i32.const 5))")

/* What a client says about its connection does not reach the guest, so it cannot come back as the
 * answer's. */
static void http_keeps_the_connections_fields_to_itself(void **state)
{
    (void)state;
    struct http_rig http;
    static struct answer answer;
    http_open(&http, &(const struct guest_rig_options){.text = MIRROR_GUEST});
    http_ask(&http,
             HR_STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Mine: "
                    "1\r\nUpgrade: h2c\r\nKeep-Alive: timeout=5\r\nConnection: close, "
                    "upgrade\r\n\r\n0\r\n\r\n"),
             &answer);
    assert_int_equal(status_of(&answer), 200);
    assert_non_null(strstr(answer.bytes, "X-Mine: 1"));
    assert_non_null(strstr(answer.bytes, "Content-Length: 5"));
    assert_null(strcasestr(answer.bytes, "transfer-encoding"));
    assert_null(strcasestr(answer.bytes, "upgrade"));
    assert_null(strcasestr(answer.bytes, "keep-alive"));
    http_close(&http);
}

/* Begins an answer and gives it up for another; then the other way round. */
#define DRAFT_GUEST                                                                               \
    HTTP_GUEST("(data (i32.const 1024) \"hello\") (data (i32.const 2048) \"draft\")",             \
               "(local $d i32) (local.set $d (call $response (call $fields))) (drop (call $text " \
               "(local.get $d) (i32.const 2048) (i32.const 5))) (call $drop (local.get $d)) "     \
               "(call $reply (local.get $out) (i32.const 200) (call $fields) (i32.const 1024) "   \
               "(i32.const 5))")
#define STALE_GUEST                                                                            \
    HTTP_GUEST("(data (i32.const 1024) \"hello\") (data (i32.const 2048) \"draft\")",          \
               "(local $d i32) (local $b i32) (local.set $d (call $response (call $fields))) " \
               "(local.set $b (call $text (local.get $d) (i32.const 2048) (i32.const 5))) "    \
               "(call $finish (call $text (call $response (call $fields)) (i32.const 1024) "   \
               "(i32.const 5)) (i32.const 0) (i32.const 0) (i32.const 48)) (call $finish "     \
               "(local.get $b) (i32.const 0) (i32.const 0) (i32.const 48)) (call $set "        \
               "(local.get $out) (i32.const 0) (local.get $d) (i32.const 0) (i64.const 0) "    \
               "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))")

/* Bytes of an answer that a guest gave up do not get into the one that it gives. */
static void http_sends_the_answers_own_body(void **state)
{
    (void)state;
    struct hr_str get = HR_STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct http_rig http;
    static struct answer answer;
    http_open(&http, &(const struct guest_rig_options){.text = DRAFT_GUEST});
    http_ask(&http, get, &answer);
    assert_int_equal(status_of(&answer), 200);
    assert_string_equal(answer.bytes + answer.len - 9, "\r\n\r\nhello");
    http_close(&http);

    http_open(&http, &(const struct guest_rig_options){.text = STALE_GUEST});
    http_ask(&http, get, &answer);
    assert_int_equal(status_of(&answer), 500);
    http_close(&http);
}

#define HELD_BODY_BYTES (64u << 20)

/* Bodies of many requests together take no more than the worker's total: further requests are told to
 * come back, and are served when there is room again. */
static void http_bounds_the_bodies_that_it_holds(void **state)
{
    (void)state;
    struct http_rig http;
    static struct answer answer;
    int fds[4];
    http_open(&http, &(const struct guest_rig_options){.text = HELLO_GUEST,
                                                       .limits = {.body_bytes = HELD_BODY_BYTES}});
    char *zeroes = hr_alloc(HELD_BODY_BYTES - 1);
    assert_non_null(zeroes);
    for (size_t i = 0; i < 4; i++) {
        char head[128];
        int len =
            snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
                     HELD_BODY_BYTES);
        fds[i] = http_connect(&http);
        http_send(fds[i], hr_str_of(head, (size_t)len));
        http_send(fds[i], hr_str_of(zeroes, HELD_BODY_BYTES - 1));
    }
    hr_free(zeroes);
    struct hr_str post =
        HR_STR("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12345");
    int tries = 0;
    do {
        http_ask(&http, post, &answer);
    } while (status_of(&answer) == 200 && ++tries < 10000);
    assert_int_equal(status_of(&answer), 503);
    assert_non_null(strstr(answer.bytes, "Retry-After: 1"));
    for (size_t i = 0; i < 4; i++) {
        close(fds[i]);
    }
    tries = 0;
    do {
        http_ask(&http, post, &answer);
    } while (status_of(&answer) == 503 && ++tries < 10000);
    assert_int_equal(status_of(&answer), 200);
    http_close(&http);
}

/* A request that comes in while the daemon stops is answered, and does not become a call. */
static void http_begins_no_call_while_it_stops(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct http_rig http;
    int fd;
    char bound[HR_LISTEN_ADDRESS_BYTES_MAX];
    rig_open(&http.rig, &(const struct guest_rig_options){.text = HELLO_GUEST});
    assert_int_equal(hr_listen(HR_STR("127.0.0.1:0"), 1, &fd, bound, &diag), HR_OK);
    http.port = (uint16_t)atoi(strrchr(bound, ':') + 1);
    const struct hr_httpd_route route = {HR_STR("/"), http.rig.lane};
    assert_int_equal(hr_worker_serve(&http.rig.worker, fd, &route, 1, &diag), HR_OK);
    int client = http_connect(&http);
    http_send(client, HR_STR("GET / HTTP/1.1\r\n"));
    while (hr_httpd_active(http.rig.worker.httpd) == 0) {
        uv_run(&http.rig.worker.loop.uv, UV_RUN_ONCE);
    }
    http_send(client, HR_STR("Host: a\r\n\r\n"));
    hr_httpd_stop(http.rig.worker.httpd);
    assert_int_equal(http.rig.lane->running_count, 0);
    close(client);
    rig_close(&http.rig);
}

#define FEW 16 /* HR_MHD_CONNECTIONS_MIN */

/* Runs the loop until so many requests have begun, and a while longer. */
static void await_active(struct guest_rig *rig, uint32_t count)
{
    while (hr_httpd_active(rig->worker.httpd) != count) {
        uv_run(&rig->worker.loop.uv, UV_RUN_ONCE);
    }
    for (int i = 0; i < 50; i++) {
        uv_run(&rig->worker.loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(hr_httpd_active(rig->worker.httpd), count);
}

/* Connections take no more of the process's open files than leaves some for the rest; those beyond wait
 * for one to close. */
static void http_leaves_open_files_to_others(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct http_rig http;
    struct rlimit files;
    int clients[FEW + 1];
    int fd;
    char bound[HR_LISTEN_ADDRESS_BYTES_MAX];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    const struct rlimit few = {HR_MHD_FILES_KEPT + FEW, files.rlim_max};
    rig_open(&http.rig, &(const struct guest_rig_options){.text = HELLO_GUEST});
    assert_int_equal(hr_listen(HR_STR("127.0.0.1:0"), 1, &fd, bound, &diag), HR_OK);
    http.port = (uint16_t)atoi(strrchr(bound, ':') + 1);
    const struct hr_httpd_route route = {HR_STR("/"), http.rig.lane};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(hr_worker_serve(&http.rig.worker, fd, &route, 1, &diag), HR_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    for (size_t i = 0; i <= FEW; i++) {
        clients[i] = http_connect(&http);
        http_send(clients[i], HR_STR("GET / HTTP/1.1\r\n"));
    }
    await_active(&http.rig, FEW);
    for (size_t i = 0; i < FEW; i++) {
        close(clients[i]);
    }
    await_active(&http.rig, 1); /* the last one's */
    close(clients[FEW]);
    rig_close(&http.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_refuses_requests_of_doubtful_length),
        cmocka_unit_test(http_serves_wellformed_requests),
        cmocka_unit_test(http_splits_absolute_targets),
        cmocka_unit_test(http_refuses_what_it_would_misread),
        cmocka_unit_test(http_keeps_an_actors_fields_in_their_lines),
        cmocka_unit_test(http_sends_no_body_where_there_is_none),
        cmocka_unit_test(http_keeps_the_connections_fields_to_itself),
        cmocka_unit_test(http_sends_the_answers_own_body),
        cmocka_unit_test(http_bounds_the_bodies_that_it_holds),
        cmocka_unit_test(http_begins_no_call_while_it_stops),
        cmocka_unit_test(http_leaves_open_files_to_others),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
