/* Clients: each has one request under way, and thinks between two. One thread. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim/op.h"

enum sim_client_event {
    SIM_CLIENT_NEXT = 0 /* the client asks for something new; else see request.h, for an op */
};

struct sim_clients {
    struct sim_op **ops; /* by number, from 1 */
    uint32_t count;
    size_t cap;
    bool stopped;
    uint32_t pending;
    uint32_t probing; /* the host whose listing is checked */
    struct sim_random random;
    char *session[SIM_CLIENTS_MAX];        /* tokens; NULL: none yet */
    struct sim_version seen[SIM_KEYS_MAX]; /* versions that clients were told last */
};

struct sim_clients *sim_clients_new(struct sim_world *world);
void sim_clients_free(struct sim_clients *clients);
/* The op of this number, or NULL. */
struct sim_op *sim_clients_op(struct sim_world *world, uint64_t number);
void sim_clients_event(struct sim_world *world, uint32_t who, uint64_t what);
/* @op has its outcome, and @reply, empty if there was none. */
void sim_clients_answered(struct sim_world *world, struct sim_op *op, struct hr_str reply);
/* The checks ask themselves: @kind of @key, of this host and no other. Returns the op. */
struct sim_op *sim_clients_probe(struct sim_world *world, enum sim_op_kind kind, uint32_t key,
                                 uint32_t host);
/* Room for any op's body. */
#define SIM_BODY_BYTES_MAX 4096u

/* An op's subject and body. */
void sim_clients_subject(const struct sim_op *op, char *ret_text, size_t bytes);
void sim_clients_body(const struct sim_op *op, char *ret_text, size_t bytes);

#endif
