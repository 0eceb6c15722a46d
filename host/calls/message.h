/* The canonical ABI of wasmcloud:messaging's broker-message, both ways, and the calls of the two message
 * handlers that an actor may export. Host headers do not cross into a guest; the host itself uses one, to tell
 * a requester at once that its message could not be handled.
 */
#ifndef HR_MESSAGE_H
#define HR_MESSAGE_H

#include "base/err.h"
#include "host/run/abi.h"
#include "host/bus/bus.h"
#include "host/run/lane.h"

/* A reply with this header has no body; its value says why nobody answers. */
#define HR_MESSAGE_ERROR_HEADER HR_BUS_HEADER_ERROR
#define HR_MESSAGE_RECORD_BYTES 28u /* of broker-message in guest memory, alignment 4 */

/* A message on its own feet: copied, in somebody's arena or heap. */
struct hr_message {
    struct hr_str subject;
    struct hr_str body;
    struct hr_str reply_to; /* empty = none */
};

/* Writes @message as a broker-message record at @offset. */
void hr_message_out(struct hr_abi_out *out, uint32_t offset, const struct hr_message *message);
/* Copies into @arena. HR_NO_MEMORY; HR_BAD_INPUT if a subject is not UTF-8, as a guest's strings are. */
HR_MUST_CHECK enum hr_err hr_message_copy(struct hr_arena *arena, const struct hr_bus_msg *msg,
                                          struct hr_message *ret_message);
/* The value of the error header of @msg; empty if it has none. */
struct hr_str hr_message_error(const struct hr_bus_msg *msg);
/* Answers @reply_to (if not empty) with an error header. */
void hr_message_refuse(struct hr_bus_port *port, struct hr_str reply_to, enum hr_err err,
                       const char *cause);

/* On the fiber: calls handle-message; its own error result is HR_INTERNAL with the cause set. */
HR_MUST_CHECK enum hr_err hr_message_call_one(struct hr_fiber *fiber,
                                              const struct hr_message *message);
/* On the fiber: calls handle-batch. @ret_failed (of @count) says which results were errors. */
HR_MUST_CHECK enum hr_err hr_message_call_batch(struct hr_fiber *fiber,
                                                const struct hr_message *messages, uint32_t count,
                                                bool *ret_failed);

#endif
