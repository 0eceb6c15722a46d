/* The guest that tests aim at a host: one path for each good or bad thing that an actor can do,
 * "/<what>/<argument>". What is not a fault answers 200 with text. A message is answered with its own
 * body, unless that, or the configuration's value of "message", says otherwise: "trap", "silent",
 * "fail", "body", "wait <ms>", "reply <text>".
 *
 * The faults are on purpose; nothing here is an example of how to write an actor. */
#include <probe.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define PAGE_BYTES 65536u

typedef exports_wasi_http_incoming_handler_own_incoming_request_t own_request;
typedef exports_wasi_http_incoming_handler_own_response_outparam_t own_outparam;

struct call {
    wasi_http_types_borrow_incoming_request_t request;
    own_outparam outparam;
    char *argument; /* after the second slash, terminated */
};

/* Would be 2 on the second call of one instance. */
static int calls;
/* Set by a constructor: 0 if nobody runs them. (Volatile, or the compiler runs it.) */
static volatile int constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed = constructed + 1;
}

static unsigned long long number_of(const struct call *call)
{
    return strtoull(call->argument, NULL, 10);
}

static void wait_ms(unsigned long long ms)
{
    wasi_io_poll_own_pollable_t pollable =
        wasi_clocks_monotonic_clock_subscribe_duration(ms * NS_PER_MS);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pollable));
    wasi_io_poll_pollable_drop_own(pollable);
}

/* --- answers ------------------------------------------------------------------------------------- */

static void write_all(wasi_http_types_own_outgoing_body_t body, const char *bytes, size_t len)
{
    wasi_http_types_own_output_stream_t stream;
    wasi_io_streams_stream_error_t error;
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body),
                                                    &stream)) {
        abort();
    }
    wasi_io_streams_borrow_output_stream_t out = wasi_io_streams_borrow_output_stream(stream);
    while (len > 0) {
        size_t part = len < 4096 ? len : 4096;
        probe_list_u8_t chunk = {(uint8_t *)bytes, part};
        if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(out, &chunk, &error)) {
            abort();
        }
        bytes += part;
        len -= part;
    }
    wasi_io_streams_output_stream_drop_own(stream);
}

static wasi_http_types_own_outgoing_body_t begin(own_outparam outparam,
                                                 wasi_http_types_own_fields_t fields)
{
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(fields);
    wasi_http_types_own_outgoing_body_t body;
    if (!wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &body)) {
        abort();
    }
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false,
                                                                        .val.ok = response};
    wasi_http_types_static_response_outparam_set(outparam, &result);
    return body;
}

static void end(wasi_http_types_own_outgoing_body_t body)
{
    wasi_http_types_error_code_t error;
    if (!wasi_http_types_static_outgoing_body_finish(body, NULL, &error)) {
        abort();
    }
}

static void answer_bytes(struct call *call, const char *bytes, size_t len)
{
    wasi_http_types_own_outgoing_body_t body =
        begin(call->outparam, wasi_http_types_constructor_fields());
    write_all(body, bytes, len);
    end(body);
}

static void answer(struct call *call, const char *text)
{
    answer_bytes(call, text, strlen(text));
}

static void answer_string(struct call *call, probe_string_t text)
{
    answer_bytes(call, (const char *)text.ptr, text.len);
}

static void answer_number(struct call *call, unsigned long long number)
{
    char text[24];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    answer_bytes(call, text + at, sizeof text - at);
}

/* --- what is good -------------------------------------------------------------------------------- */

static void do_count(struct call *call)
{
    answer_number(call, (unsigned long long)++calls);
}

static void do_constructed(struct call *call)
{
    answer_number(call, (unsigned long long)constructed);
}

static void do_echo(struct call *call)
{
    wasi_http_types_own_incoming_body_t body;
    wasi_http_types_own_input_stream_t stream;
    wasi_io_streams_stream_error_t error;
    probe_list_u8_t chunk;
    wasi_http_types_own_outgoing_body_t out =
        begin(call->outparam, wasi_http_types_constructor_fields());
    if (!wasi_http_types_method_incoming_request_consume(call->request, &body) ||
        !wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body),
                                                     &stream)) {
        abort();
    }
    char *bytes = NULL;
    size_t len = 0;
    while (wasi_io_streams_method_input_stream_blocking_read(
        wasi_io_streams_borrow_input_stream(stream), PAGE_BYTES, &chunk, &error)) {
        bytes = realloc(bytes, len + chunk.len);
        if (!bytes && len + chunk.len > 0) {
            abort();
        }
        memcpy(bytes + len, chunk.ptr, chunk.len);
        len += chunk.len;
        probe_list_u8_free(&chunk);
    }
    write_all(out, bytes, len);
    end(out);
}

/* "name: value" for each header field of the request. */
static void do_headers(struct call *call)
{
    wasi_http_types_own_headers_t headers =
        wasi_http_types_method_incoming_request_headers(call->request);
    wasi_http_types_list_tuple2_field_name_field_value_t entries;
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(headers), &entries);
    wasi_http_types_own_outgoing_body_t body =
        begin(call->outparam, wasi_http_types_constructor_fields());
    size_t len = 0;
    for (size_t i = 0; i < entries.len; i++) {
        len += entries.ptr[i].f0.len + entries.ptr[i].f1.len + 3;
    }
    char *text = malloc(len + 1);
    char *at = text;
    for (size_t i = 0; i < entries.len; i++) {
        memcpy(at, entries.ptr[i].f0.ptr, entries.ptr[i].f0.len);
        at += entries.ptr[i].f0.len;
        *at++ = ':';
        *at++ = ' ';
        memcpy(at, entries.ptr[i].f1.ptr, entries.ptr[i].f1.len);
        at += entries.ptr[i].f1.len;
        *at++ = '\n';
    }
    write_all(body, text, len);
    end(body);
}

static void do_slow(struct call *call)
{
    wait_ms(number_of(call));
    answer(call, "slow");
}

static void do_big(struct call *call)
{
    size_t len = (size_t)number_of(call);
    char *bytes = malloc(len + 1);
    if (!bytes) {
        abort();
    }
    memset(bytes, 'b', len);
    answer_bytes(call, bytes, len);
}

/* The answer is sent on its way before the time, the body after it. */
static void do_trickle(struct call *call)
{
    wasi_http_types_own_outgoing_body_t body =
        begin(call->outparam, wasi_http_types_constructor_fields());
    write_all(body, "before ", 7);
    wait_ms(number_of(call));
    end(body);
}

static void do_config(struct call *call)
{
    probe_string_t key = {(uint8_t *)call->argument, strlen(call->argument)};
    probe_option_string_t value;
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&key, &value, &error)) {
        abort();
    }
    if (value.is_some) {
        answer_string(call, value.val);
    } else {
        answer(call, "(none)");
    }
}

/* Tries to forge a line of the host's log. */
static void do_log(struct call *call)
{
    static const char forged[] =
        "first\nts=2000-01-01T00:00:00.000Z level=info event=forged x=\"y\"";
    probe_string_t context = {(uint8_t *)"probe", 5};
    probe_string_t message = {(uint8_t *)forged, sizeof forged - 1};
    wasi_logging_logging_log(WASI_LOGGING_LOGGING_LEVEL_WARN, &context, &message);
    answer(call, "logged");
}

static void do_request(struct call *call)
{
    probe_string_t subject = {(uint8_t *)call->argument, strlen(call->argument)};
    probe_list_u8_t body = {(uint8_t *)"ping", 4};
    wasmcloud_messaging_consumer_broker_message_t reply;
    probe_string_t error;
    if (wasmcloud_messaging_consumer_request(&subject, &body, 5000, &reply, &error)) {
        answer_bytes(call, (const char *)reply.body.ptr, reply.body.len);
    } else {
        answer_string(call, error);
    }
}

static void do_publish(struct call *call)
{
    wasmcloud_messaging_consumer_broker_message_t message = {
        .subject = {(uint8_t *)call->argument, strlen(call->argument)}};
    probe_string_t error;
    if (wasmcloud_messaging_consumer_publish(&message, &error)) {
        answer(call, "published");
    } else {
        answer_string(call, error);
    }
}

static void do_bucket(struct call *call)
{
    probe_string_t name = {(uint8_t *)call->argument, strlen(call->argument)};
    wasi_keyvalue_store_own_bucket_t bucket;
    wasi_keyvalue_store_error_t error;
    if (wasi_keyvalue_store_open(&name, &bucket, &error)) {
        answer(call, "opened");
    } else if (error.tag == WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED) {
        answer(call, "denied");
    } else {
        answer(call, "no such store");
    }
}

/* --- what is bad --------------------------------------------------------------------------------- */

static void do_spin(struct call *call)
{
    (void)call;
    for (volatile unsigned i = 0;; i++) {
    }
}

static void do_trap(struct call *call)
{
    (void)call;
    __builtin_trap();
}

static void do_beyond(struct call *call)
{
    (void)call;
    volatile char *end_of_memory = (volatile char *)(__builtin_wasm_memory_size(0) * PAGE_BYTES);
    *end_of_memory = 1;
}

static int descend(int depth)
{
    volatile char frame[256];
    frame[0] = (char)depth;
    return descend(depth + 1) + frame[0];
}

static void do_recurse(struct call *call)
{
    answer_number(call, (unsigned long long)descend(0));
}

/* Takes memory until there is no more, and says how many pages that were. */
static void do_eat(struct call *call)
{
    unsigned long long pages = 0;
    while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
        pages++;
    }
    answer_number(call, pages);
}

/* The same through malloc, and falls over it. */
static void do_gorge(struct call *call)
{
    (void)call;
    for (;;) {
        char *bytes = malloc(PAGE_BYTES);
        if (!bytes) {
            abort();
        }
        *(volatile char *)bytes = 1;
    }
}

static void do_wait(struct call *call)
{
    (void)call;
    wait_ms(1000ull * 3600 * 24 * 365);
}

static void do_silent(struct call *call)
{
    (void)call;
}

static void do_unfinished(struct call *call)
{
    begin(call->outparam, wasi_http_types_constructor_fields());
}

static void do_refuse(struct call *call)
{
    wasi_http_types_result_own_outgoing_response_error_code_t result = {
        .is_err = true, .val.err.tag = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR};
    wasi_http_types_static_response_outparam_set(call->outparam, &result);
}

static void do_twice(struct call *call)
{
    own_outparam outparam = call->outparam;
    answer(call, "once");
    wasi_http_types_result_own_outgoing_response_error_code_t result = {
        .is_err = false,
        .val.ok =
            wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields())};
    wasi_http_types_static_response_outparam_set(outparam, &result);
}

/* A handle that it never got, and one of another kind. */
static void do_handle(struct call *call)
{
    wasi_io_poll_pollable_drop_own((wasi_io_poll_own_pollable_t){(int32_t)number_of(call)});
    answer(call, "dropped");
}

static void do_hoard(struct call *call)
{
    unsigned long long count = 0;
    for (;; count++) {
        wasi_http_types_constructor_fields();
    }
    answer_number(call, count);
}

static void do_fields(struct call *call)
{
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    probe_string_t name = {(uint8_t *)"x-field", 7};
    wasi_http_types_field_value_t value = {(uint8_t *)"value", 5};
    wasi_http_types_header_error_t error;
    for (unsigned long long i = number_of(call); i > 0; i--) {
        if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name,
                                                  &value, &error)) {
            abort();
        }
    }
    wasi_http_types_own_outgoing_body_t body = begin(call->outparam, fields);
    end(body);
}

/* A header that would split the response in two; the host has to say no. */
static void do_split(struct call *call)
{
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    probe_string_t name = {(uint8_t *)"x-field", 7};
    wasi_http_types_field_value_t value = {(uint8_t *)"a\r\nx-injected: b", 16};
    wasi_http_types_header_error_t error;
    bool taken = wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name,
                                                      &value, &error);
    wasi_http_types_own_outgoing_body_t body = begin(call->outparam, fields);
    write_all(body, taken ? "taken" : "refused", taken ? 5 : 7);
    end(body);
}

/* A status that a client may not expect, with a body where none belongs. */
static void do_status(struct call *call)
{
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
    wasi_http_types_own_outgoing_body_t body;
    if (!wasi_http_types_method_outgoing_response_set_status_code(
            wasi_http_types_borrow_outgoing_response(response),
            (wasi_http_types_status_code_t)number_of(call))) {
        answer(call, "refused");
        return;
    }
    if (!wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &body)) {
        abort();
    }
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false,
                                                                        .val.ok = response};
    wasi_http_types_static_response_outparam_set(call->outparam, &result);
    write_all(body, "body", 4);
    end(body);
}

/* Writes the body of a response that is thrown away before it answers with another. */
static void do_spare(struct call *call)
{
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(wasi_http_types_constructor_fields());
    wasi_http_types_own_outgoing_body_t body;
    if (!wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &body)) {
        abort();
    }
    write_all(body, "spare", 5);
    wasi_http_types_outgoing_body_drop_own(body);
    wasi_http_types_outgoing_response_drop_own(response);
    answer(call, "real");
}

static void do_random(struct call *call)
{
    probe_list_u8_t bytes;
    wasi_random_random_get_random_bytes(number_of(call), &bytes);
    answer_number(call, bytes.len);
}

/* --- dispatch ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(struct call *call);
} deeds[] = {
    {"count", do_count},
    {"constructed", do_constructed},
    {"echo", do_echo},
    {"headers", do_headers},
    {"slow", do_slow},
    {"big", do_big},
    {"trickle", do_trickle},
    {"config", do_config},
    {"log", do_log},
    {"request", do_request},
    {"publish", do_publish},
    {"bucket", do_bucket},
    {"spin", do_spin},
    {"trap", do_trap},
    {"beyond", do_beyond},
    {"recurse", do_recurse},
    {"eat", do_eat},
    {"gorge", do_gorge},
    {"wait", do_wait},
    {"silent", do_silent},
    {"unfinished", do_unfinished},
    {"refuse", do_refuse},
    {"twice", do_twice},
    {"handle", do_handle},
    {"hoard", do_hoard},
    {"fields", do_fields},
    {"split", do_split},
    {"status", do_status},
    {"spare", do_spare},
    {"random", do_random},
};

void exports_wasi_http_incoming_handler_handle(own_request request, own_outparam outparam)
{
    struct call call = {.request = wasi_http_types_borrow_incoming_request(request),
                        .outparam = outparam};
    probe_string_t target;
    if (!wasi_http_types_method_incoming_request_path_with_query(call.request, &target)) {
        abort();
    }
    char *path = malloc(target.len + 1);
    if (!path) {
        abort();
    }
    memcpy(path, target.ptr, target.len);
    path[target.len] = '\0';
    char *slash = strchr(path + 1, '/');
    call.argument = slash ? slash + 1 : path + target.len;
    if (slash) {
        *slash = '\0';
    }
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        if (strcmp(path + 1, deeds[i].name) == 0) {
            deeds[i].run(&call);
            return;
        }
    }
    answer(&call, "hello");
}

/* --- messages ------------------------------------------------------------------------------------ */

static bool starts(const probe_list_u8_t *body, const char *text)
{
    size_t len = strlen(text);
    return body->len >= len && memcmp(body->ptr, text, len) == 0;
}

static bool reply(const exports_wasmcloud_messaging_handler_broker_message_t *message, size_t skip,
                  probe_string_t *ret_error)
{
    if (!message->reply_to.is_some) {
        return true;
    }
    wasmcloud_messaging_consumer_broker_message_t answer_message = {
        .subject = message->reply_to.val,
        .body = {message->body.ptr + skip, message->body.len - skip}};
    return wasmcloud_messaging_consumer_publish(&answer_message, ret_error);
}

/* Whatever the message says, the configuration is what counts. */
static void configure(exports_wasmcloud_messaging_handler_broker_message_t *message)
{
    probe_string_t key = {(uint8_t *)"message", 7};
    probe_option_string_t value;
    wasi_config_store_error_t error;
    if (wasi_config_store_get(&key, &value, &error) && value.is_some) {
        message->body = (probe_list_u8_t){value.val.ptr, value.val.len};
    }
}

bool exports_wasmcloud_messaging_handler_handle_message(
    exports_wasmcloud_messaging_handler_broker_message_t *message, probe_string_t *ret_error)
{
    configure(message);
    if (starts(&message->body, "trap")) {
        __builtin_trap();
    }
    if (starts(&message->body, "silent")) {
        return true;
    }
    if (starts(&message->body, "body")) {
        /* Belongs to an HTTP request, and this is none. */
        struct call none = {.argument = NULL};
        answer(&none, "nobody asked");
    }
    if (starts(&message->body, "fail")) {
        probe_string_dup(ret_error, "failed as asked");
        return false;
    }
    if (starts(&message->body, "wait ")) {
        unsigned long long ms = 0;
        for (size_t i = 5; i < message->body.len; i++) {
            ms = ms * 10 + (message->body.ptr[i] - (unsigned)'0');
        }
        wait_ms(ms);
    }
    return reply(message, starts(&message->body, "reply ") ? 6 : 0, ret_error);
}
