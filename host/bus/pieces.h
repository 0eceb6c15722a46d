/* Large messages in pieces: a body that is more than the NATS server takes at once goes out as
 * several messages to the same subject, each with the header
 *
 *     Hedgerow-Piece: <id> <index> <count> <total bytes>
 *
 * `id`: 1 to 32 letters and digits, which tells this body from others of the same sender. `index` from
 * 0, `count` 2 or more, `total bytes` those of the whole body; decimal. A piece's body is the next part
 * of the whole one, and not empty. The first piece carries the message's own headers; all carry its
 * subject and reply subject. Pieces come in order, because NATS keeps the order of a publisher; one that
 * is not the next ends its body, and so do sizes that do not add up. Whoever subscribes has to get all
 * of them: a queue group of several members would get some each, so what may be large goes to subjects
 * that one subscription has to itself (an inbox, a host's own subjects).
 *
 * A joiner puts bodies together again, for many subscriptions. It is bounded in bytes, in bodies under
 * way and in time, and whatever comes in from outside costs it no more than the body in question. Pure:
 * no threads, no clock; the owner's lock, and the owner's time. */
#ifndef HR_BUS_PIECES_H
#define HR_BUS_PIECES_H

#include "host/bus/message.h"

#define HR_BUS_HEADER_PIECE "Hedgerow-Piece"
#define HR_BUS_PIECE_ID_BYTES_MAX 32u
#define HR_BUS_PIECE_VALUE_BYTES_MAX 96u
#define HR_BUS_PIECE_COUNT_MAX 65536u
#define HR_BUS_JOIN_BYTES_MAX ((size_t)128 << 20) /* of all bodies under way */
#define HR_BUS_JOINS_MAX 256u
#define HR_BUS_JOIN_SILENCE_NS UINT64_C(10000000000) /* without a piece */

struct hr_bus_piece {
    struct hr_str id;
    uint32_t index;
    uint32_t count;
    size_t total_bytes;
};

struct hr_bus_joiner {
    struct hr_list joins; /* the one that waited longest for a piece first */
    size_t bytes;         /* of all bodies, as they will be when whole */
    uint32_t count;
    uint64_t dropped; /* bodies given up */
};

enum hr_bus_join_result {
    HR_BUS_JOIN_MORE,   /* kept: more pieces to come */
    HR_BUS_JOIN_WHOLE,  /* *ret_message is the whole */
    HR_BUS_JOIN_DROPPED /* it was no piece of anything, or its body was given up */
};

/* Reads the header's value; false if it is malformed or out of bounds. @ret_piece points into @value,
 * and is written only on success. */
bool hr_bus_piece_parse(struct hr_str value, struct hr_bus_piece *ret_piece);
/* Writes the header's value, terminated; returns its length. */
size_t hr_bus_piece_format(const struct hr_bus_piece *piece,
                           char ret_value[HR_BUS_PIECE_VALUE_BYTES_MAX]);

void hr_bus_joiner_init(struct hr_bus_joiner *joiner);
/* Forgets all bodies under way. */
void hr_bus_joiner_release(struct hr_bus_joiner *joiner);
/* Takes in @msg, which came at @now_ns to the subscription @owner (any number that tells them apart)
 * and whose headers without the piece's own are @msg's. Copies what it needs. With HR_BUS_JOIN_WHOLE
 * returns own: one reference. */
enum hr_bus_join_result hr_bus_joiner_add(struct hr_bus_joiner *joiner, uint64_t owner,
                                          const struct hr_bus_piece *piece,
                                          const struct hr_bus_msg *msg, uint64_t now_ns,
                                          struct hr_bus_message **ret_message);
/* Gives up what has been silent for too long. */
void hr_bus_joiner_expire(struct hr_bus_joiner *joiner, uint64_t now_ns);
/* Gives up what came for @owner, which is no more. */
void hr_bus_joiner_forget(struct hr_bus_joiner *joiner, uint64_t owner);

#endif
