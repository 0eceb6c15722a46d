/* A message as a bus carries it: copied once when it is published or comes from the network, then
 * shared by all who receive it and freed by the last one. Never changed after it is made, so that any
 * thread may read it while it holds a reference. */
#ifndef HR_BUS_MESSAGE_H
#define HR_BUS_MESSAGE_H

#include <stdatomic.h>

#include "host/bus/bus.h"

struct hr_bus_message {
    struct hr_bus_msg view; /* points into the same piece of memory */
    size_t bytes;           /* of all that was copied: what it counts in a queue */
    _Atomic uint32_t refs;
    bool
        no_responders; /* no reply, but the word of the bus that nobody subscribes to the request */
    struct hr_bus_header headers[]; /* then the bytes */
};

/* Copies @msg, with @reply_to for its reply subject. One reference; NULL when memory is out. */
struct hr_bus_message *hr_bus_message_new(const struct hr_bus_msg *msg, struct hr_str reply_to);
/* As above, but of @msg's body only the length counts: the caller fills @ret_body (zeroed) before
 * anyone else sees the message. */
struct hr_bus_message *hr_bus_message_reserve(const struct hr_bus_msg *msg, struct hr_str reply_to,
                                              char **ret_body);
/* Any thread that holds a reference. */
void hr_bus_message_ref(struct hr_bus_message *message);
/* Any thread. Accepts NULL. */
void hr_bus_message_unref(struct hr_bus_message *message);

#endif
