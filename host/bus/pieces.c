/* Joining pieces. A body's memory is taken with its first piece (the system gives the pages only as they
 * are written, so that a sender who lies about the size reserves, and does not use, what it claims). A
 * body is found by who gets it, its subject, its reply subject and its id. */
#include "host/bus/pieces.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

struct join {
    struct hr_list node;
    uint64_t owner;
    uint32_t next_index;
    uint32_t count;
    size_t filled_bytes;
    uint64_t heard_ns;
    struct hr_bus_message *message; /* whole but for the body's rest */
    char *body;
    size_t id_len;
    char id[HR_BUS_PIECE_ID_BYTES_MAX];
};

static bool is_id(struct hr_str id)
{
    if (id.len == 0 || id.len > HR_BUS_PIECE_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
            return false;
        }
    }
    return true;
}

bool hr_bus_piece_parse(struct hr_str value, struct hr_bus_piece *ret_piece)
{
    struct hr_str words[4];
    uint64_t numbers[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        size_t end = hr_str_find(value, ' ', 0);
        if ((end == SIZE_MAX) != (i == 3)) {
            return false;
        }
        words[i] = i == 3 ? value : hr_str_of(value.ptr, end);
        value = i == 3 ? (struct hr_str){0} : hr_str_from(value, end + 1);
        if (i > 0 && !hr_str_to_u64(words[i], &numbers[i])) {
            return false;
        }
    }
    if (!is_id(words[0]) || numbers[2] < 2 || numbers[2] > HR_BUS_PIECE_COUNT_MAX ||
        numbers[1] >= numbers[2] || numbers[3] > HR_BUS_LARGE_BYTES_MAX ||
        numbers[3] < numbers[2]) {
        return false;
    }
    *ret_piece = (struct hr_bus_piece){.id = words[0],
                                       .index = (uint32_t)numbers[1],
                                       .count = (uint32_t)numbers[2],
                                       .total_bytes = (size_t)numbers[3]};
    return true;
}

size_t hr_bus_piece_format(const struct hr_bus_piece *piece,
                           char ret_value[HR_BUS_PIECE_VALUE_BYTES_MAX])
{
    int len = snprintf(ret_value, HR_BUS_PIECE_VALUE_BYTES_MAX, "%.*s %u %u %zu",
                       HR_STR_ARG(piece->id), piece->index, piece->count, piece->total_bytes);
    HR_ASSERT(len > 0 && (size_t)len < HR_BUS_PIECE_VALUE_BYTES_MAX);
    return (size_t)len;
}

void hr_bus_joiner_init(struct hr_bus_joiner *joiner)
{
    *joiner = (struct hr_bus_joiner){0};
    hr_list_init(&joiner->joins);
}

/* Takes @join out; its message is the caller's. */
static struct hr_bus_message *end_join(struct hr_bus_joiner *joiner, struct join *join)
{
    struct hr_bus_message *message = join->message;
    hr_list_remove(&join->node);
    joiner->count--;
    joiner->bytes -= message->view.body.len;
    hr_free(join);
    return message;
}

static void give_up(struct hr_bus_joiner *joiner, struct join *join)
{
    joiner->dropped++;
    hr_bus_message_unref(end_join(joiner, join));
}

void hr_bus_joiner_release(struct hr_bus_joiner *joiner)
{
    while (!hr_list_empty(&joiner->joins)) {
        hr_bus_message_unref(
            end_join(joiner, HR_LIST_OWNER(joiner->joins.next, struct join, node)));
    }
}

static struct join *find(struct hr_bus_joiner *joiner, uint64_t owner,
                         const struct hr_bus_piece *piece, const struct hr_bus_msg *msg)
{
    for (struct hr_list *node = joiner->joins.next; node != &joiner->joins; node = node->next) {
        struct join *join = HR_LIST_OWNER(node, struct join, node);
        const struct hr_bus_msg *view = &join->message->view;
        if (join->owner == owner && hr_str_eq(hr_str_of(join->id, join->id_len), piece->id) &&
            hr_str_eq(view->subject, msg->subject) && hr_str_eq(view->reply_to, msg->reply_to)) {
            return join;
        }
    }
    return NULL;
}

/* Starts a body with its first piece; NULL when there is no room for it. */
static struct join *begin_join(struct hr_bus_joiner *joiner, uint64_t owner,
                               const struct hr_bus_piece *piece, const struct hr_bus_msg *msg)
{
    if (joiner->count >= HR_BUS_JOINS_MAX ||
        piece->total_bytes > HR_BUS_JOIN_BYTES_MAX - joiner->bytes) {
        return NULL;
    }
    struct join *join = hr_alloc(sizeof *join);
    if (!join) {
        return NULL;
    }
    struct hr_bus_msg whole = *msg;
    whole.body = (struct hr_str){NULL, piece->total_bytes};
    join->message = hr_bus_message_reserve(&whole, msg->reply_to, &join->body);
    if (!join->message) {
        hr_free(join);
        return NULL;
    }
    join->owner = owner;
    join->count = piece->count;
    join->id_len = piece->id.len;
    memcpy(join->id, piece->id.ptr, piece->id.len);
    hr_list_init(&join->node);
    hr_list_push_back(&joiner->joins, &join->node);
    joiner->count++;
    joiner->bytes += piece->total_bytes;
    return join;
}

/* Whether @piece, of @bytes, goes on where @join is. */
static bool is_next(const struct join *join, const struct hr_bus_piece *piece, size_t bytes)
{
    size_t total = join->message->view.body.len;
    if (piece->index != join->next_index || piece->count != join->count ||
        piece->total_bytes != total || bytes == 0 || bytes > total - join->filled_bytes) {
        return false;
    }
    bool is_last = piece->index + 1 == piece->count;
    return is_last == (join->filled_bytes + bytes == total);
}

enum hr_bus_join_result hr_bus_joiner_add(struct hr_bus_joiner *joiner, uint64_t owner,
                                          const struct hr_bus_piece *piece,
                                          const struct hr_bus_msg *msg, uint64_t now_ns,
                                          struct hr_bus_message **ret_message)
{
    hr_bus_joiner_expire(joiner, now_ns);
    struct join *join = find(joiner, owner, piece, msg);
    if (!join && piece->index == 0) {
        join = begin_join(joiner, owner, piece, msg);
    }
    if (!join) {
        /* The rest of a body that was given up is not counted again. */
        joiner->dropped += piece->index == 0;
        return HR_BUS_JOIN_DROPPED;
    }
    if (!is_next(join, piece, msg->body.len)) {
        give_up(joiner, join);
        return HR_BUS_JOIN_DROPPED;
    }
    memcpy(join->body + join->filled_bytes, msg->body.ptr, msg->body.len);
    join->filled_bytes += msg->body.len;
    join->next_index++;
    join->heard_ns = now_ns;
    hr_list_remove(&join->node);
    hr_list_push_back(&joiner->joins, &join->node);
    if (join->next_index < join->count) {
        return HR_BUS_JOIN_MORE;
    }
    *ret_message = end_join(joiner, join);
    return HR_BUS_JOIN_WHOLE;
}

void hr_bus_joiner_expire(struct hr_bus_joiner *joiner, uint64_t now_ns)
{
    while (!hr_list_empty(&joiner->joins)) {
        struct join *oldest = HR_LIST_OWNER(joiner->joins.next, struct join, node);
        if (now_ns - oldest->heard_ns < HR_BUS_JOIN_SILENCE_NS) {
            return;
        }
        give_up(joiner, oldest);
    }
}

void hr_bus_joiner_forget(struct hr_bus_joiner *joiner, uint64_t owner)
{
    struct hr_list *node = joiner->joins.next;
    while (node != &joiner->joins) {
        struct join *join = HR_LIST_OWNER(node, struct join, node);
        node = node->next;
        if (join->owner == owner) {
            give_up(joiner, join);
        }
    }
}
