/* One pass over the block; every line is checked as host/bus/bus.c checks what is published. */
#include "host/bus/nats_headers.h"

#include "base/assert.h"
#include "host/bus/pieces.h"

#define FIRST_LINE HR_STR("NATS/1.0")
#define FRAME_BYTES 12u /* "NATS/1.0\r\n" and the empty line */
#define LINE_BYTES 4u   /* ": " and the line's end */

/* Takes the first line off @rest; false if it does not end, or holds a byte that no line may hold. */
static bool take_line(struct hr_str *rest, struct hr_str *ret_line)
{
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c == '\r') {
            if (i + 1 >= rest->len || rest->ptr[i + 1] != '\n') {
                return false;
            }
            *ret_line = hr_str_of(rest->ptr, i);
            *rest = hr_str_from(*rest, i + 2);
            return true;
        }
        if (c == '\n' || c == '\0') {
            return false;
        }
    }
    return false;
}

static bool parse_line(struct hr_str line, struct hr_bus_header *ret_header)
{
    size_t colon = hr_str_find(line, ':', 0);
    if (colon == 0 || colon == SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        if (line.ptr[i] <= ' ' || line.ptr[i] > '~') {
            return false;
        }
    }
    ret_header->name = hr_str_of(line.ptr, colon);
    ret_header->value = hr_str_trim(hr_str_from(line, colon + 1));
    return true;
}

/* Puts @header where it belongs; false when a limit is passed. */
static bool add(struct hr_bus_nats_headers *headers, struct hr_bus_header header, size_t *bytes)
{
    if (hr_str_eq(header.name, HR_STR(HR_BUS_HEADER_PIECE))) {
        if (headers->piece.len > 0 || header.value.len == 0) {
            return false;
        }
        headers->piece = header.value;
        return true;
    }
    *bytes += header.name.len + header.value.len;
    if (headers->count >= HR_BUS_HEADERS_MAX || *bytes > HR_BUS_HEADER_BYTES_MAX) {
        return false;
    }
    headers->items[headers->count++] = header;
    return true;
}

bool hr_bus_nats_headers_parse(struct hr_str block, struct hr_bus_nats_headers *ret_headers)
{
    struct hr_str line;
    struct hr_bus_header header;
    size_t bytes = 0;
    ret_headers->count = 0;
    ret_headers->piece = (struct hr_str){0};
    if (!take_line(&block, &line) || !hr_str_starts(line, FIRST_LINE)) {
        return false;
    }
    struct hr_str status = hr_str_trim(hr_str_from(line, FIRST_LINE.len));
    size_t end = hr_str_find(status, ' ', 0);
    ret_headers->status = end == SIZE_MAX ? status : hr_str_of(status.ptr, end);
    while (take_line(&block, &line)) {
        if (line.len == 0) {
            return block.len == 0;
        }
        if (!parse_line(line, &header) || !add(ret_headers, header, &bytes)) {
            return false;
        }
    }
    return false;
}

size_t hr_bus_nats_headers_bytes(const struct hr_bus_header *headers, size_t count)
{
    size_t bytes = count > 0 ? FRAME_BYTES : 0;
    for (size_t i = 0; i < count; i++) {
        bytes += headers[i].name.len + headers[i].value.len + LINE_BYTES;
    }
    return bytes;
}

static char *put(char *at, struct hr_str s)
{
    if (s.len > 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

void hr_bus_nats_headers_write(const struct hr_bus_header *headers, size_t count,
                               char ret_lines[HR_BUS_NATS_LINES_BYTES_MAX])
{
    HR_ASSERT(hr_bus_nats_headers_bytes(headers, count) <= HR_BUS_NATS_LINES_BYTES_MAX);
    char *at = ret_lines;
    for (size_t i = 0; i < count; i++) {
        at = put(at, headers[i].name);
        if (i + 1 < count) {
            at = put(at, HR_STR(": "));
            at = put(at, headers[i].value);
            at = put(at, HR_STR("\r\n"));
        }
    }
    *at = '\0';
}
