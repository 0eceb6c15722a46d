/* NATS' block of headers (ADR-4): "NATS/1.0", a status in messages of the server itself, then lines as
 * in HTTP. Our own reader and writer, because nats.c keeps headers in a hash table (their order is lost),
 * takes the line after an empty value for that value, and looks for a colon beyond the block's end. Pure. */
#ifndef HR_BUS_NATS_HEADERS_H
#define HR_BUS_NATS_HEADERS_H

#include "host/bus/bus.h"

/* One more than a message may have: a piece's own. */
#define HR_BUS_NATS_HEADERS_MAX (HR_BUS_HEADERS_MAX + 1u)
/* All names, values and what is between them, and a piece's own. */
#define HR_BUS_NATS_LINES_BYTES_MAX (HR_BUS_HEADER_BYTES_MAX + HR_BUS_NATS_HEADERS_MAX * 4u + 128u)

struct hr_bus_nats_headers {
    struct hr_bus_header items[HR_BUS_NATS_HEADERS_MAX]; /* without the piece's own */
    size_t count;
    struct hr_str status; /* empty = a message of a client */
    struct hr_str piece;  /* the value of HR_BUS_HEADER_PIECE; empty = none */
};

/* Reads all of @block, into which @ret_headers then points. False if it is malformed, or passes a limit
 * of host/bus/bus.h. */
bool hr_bus_nats_headers_parse(struct hr_str block, struct hr_bus_nats_headers *ret_headers);
/* How many bytes the block of @count headers has on the wire; 0 for none. */
size_t hr_bus_nats_headers_bytes(const struct hr_bus_header *headers, size_t count);
/* Writes the lines of @count (1 or more) headers without the last one's value and line end, terminated:
 * "a: b\r\nc". */
void hr_bus_nats_headers_write(const struct hr_bus_header *headers, size_t count,
                               char ret_lines[HR_BUS_NATS_LINES_BYTES_MAX]);

#endif
