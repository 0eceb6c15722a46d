/* links: hr_bus
 * Input: a script of pieces, five bytes each: who gets it and which id, index, count, how long the body
 * is, and how the total is off. Checks the joiner against what a whole body has to look like: only a
 * body whose pieces came in order and added up comes out, with its bytes in their places, and the
 * joiner's own sums stay within their limits. The input's text is also read as a header's value. */
#include <stdlib.h>

#include "base/alloc.h"
#include "host/bus/pieces.h"

#define BODY_BYTES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* What parses writes and parses again as the same. */
static void check_value(struct hr_str value)
{
    struct hr_bus_piece piece;
    struct hr_bus_piece again;
    char text[HR_BUS_PIECE_VALUE_BYTES_MAX];
    if (!hr_bus_piece_parse(value, &piece)) {
        return;
    }
    size_t len = hr_bus_piece_format(&piece, text);
    need(hr_bus_piece_parse(hr_str_of(text, len), &again));
    need(hr_str_eq(piece.id, again.id) && piece.index == again.index &&
         piece.count == again.count && piece.total_bytes == again.total_bytes);
    need(piece.index < piece.count && piece.total_bytes <= HR_BUS_LARGE_BYTES_MAX);
}

/* Each byte of a body is its own piece's index. */
static void check_whole(const struct hr_bus_message *message, uint32_t count)
{
    struct hr_str body = message->view.body;
    need(body.len >= count && body.ptr[0] == 0 &&
         (unsigned char)body.ptr[body.len - 1] == (unsigned char)(count - 1));
    for (size_t i = 1; i < body.len; i++) {
        int step = body.ptr[i] - body.ptr[i - 1];
        need(step == 0 || step == 1);
    }
}

static void take(struct hr_bus_joiner *joiner, const uint8_t *step, uint64_t now_ns)
{
    char body[BODY_BYTES_MAX];
    char id = (char)('a' + (step[0] & 3));
    size_t len = step[3];
    struct hr_bus_piece piece = {.id = {&id, 1},
                                 .index = step[1] & 7u,
                                 .count = (step[2] & 7u) + 2,
                                 .total_bytes = ((step[2] & 7u) + 2) * 16u};
    if (step[4] & 0x80) {
        piece.total_bytes += step[4];
    } else if (!(step[4] & 0x40)) {
        len = 16;
    }
    memset(body, (int)piece.index, sizeof body);
    struct hr_bus_msg msg = {.subject = HR_STR("s"),
                             .reply_to = step[0] & 4 ? HR_STR("r") : HR_STR("q"),
                             .body = {body, len}};
    struct hr_bus_message *message;
    enum hr_bus_join_result result =
        hr_bus_joiner_add(joiner, step[0] >> 6, &piece, &msg, now_ns, &message);
    if (result == HR_BUS_JOIN_WHOLE) {
        check_whole(message, piece.count);
        hr_bus_message_unref(message);
    }
    need(joiner->count <= HR_BUS_JOINS_MAX && joiner->bytes <= HR_BUS_JOIN_BYTES_MAX);
    need((joiner->count == 0) == (joiner->bytes == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_bus_joiner joiner;
    uint64_t now_ns = 0;
    check_value(hr_str_of(data, size));
    hr_bus_joiner_init(&joiner);
    for (size_t at = 0; at + 5 <= size; at += 5) {
        now_ns += (uint64_t)(data[at + 4] & 0x1f) * 1000000000u;
        take(&joiner, data + at, now_ns);
        if ((data[at] & 0x38) == 0x38) {
            hr_bus_joiner_forget(&joiner, data[at] >> 6);
        }
    }
    hr_bus_joiner_release(&joiner);
    need(joiner.bytes == 0 && joiner.count == 0 && hr_alloc_live() == 0);
    return 0;
}
