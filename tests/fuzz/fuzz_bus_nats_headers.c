/* links: hr_bus
 * Input: a block of headers as a server brings it. What is read stays within the block and the limits of
 * host/bus/bus.h, and reads back the same when it is written. */
#include <stdio.h>
#include <stdlib.h>

#include "host/bus/nats_headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_inside(struct hr_str s, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    need(s.len == 0 || (s.ptr >= begin && s.ptr + s.len <= begin + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char lines[HR_BUS_NATS_LINES_BYTES_MAX];
    static char block[2 * HR_BUS_NATS_LINES_BYTES_MAX];
    struct hr_bus_nats_headers read;
    struct hr_bus_nats_headers again;
    if (!hr_bus_nats_headers_parse(hr_str_of(data, size), &read)) {
        return 0;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < read.count; i++) {
        check_inside(read.items[i].name, data, size);
        check_inside(read.items[i].value, data, size);
        bytes += read.items[i].name.len + read.items[i].value.len;
    }
    check_inside(read.status, data, size);
    check_inside(read.piece, data, size);
    need(read.count <= HR_BUS_HEADERS_MAX && bytes <= HR_BUS_HEADER_BYTES_MAX);
    if (read.count == 0) {
        return 0;
    }
    hr_bus_nats_headers_write(read.items, read.count, lines);
    int len = snprintf(block, sizeof block, "NATS/1.0\r\n%s: %.*s\r\n\r\n", lines,
                       HR_STR_ARG(read.items[read.count - 1].value));
    need(len > 0 && (size_t)len == hr_bus_nats_headers_bytes(read.items, read.count));
    need(hr_bus_nats_headers_parse(hr_str_of(block, (size_t)len), &again));
    need(again.count == read.count);
    for (size_t i = 0; i < read.count; i++) {
        need(hr_str_eq(again.items[i].name, read.items[i].name) &&
             hr_str_eq(again.items[i].value, read.items[i].value));
    }
    return 0;
}
