/* The requests and gathers of one port that wait for replies. Each has a number; replies come to the
 * port's inbox `_INBOX.<unique>.*` under that number and find their request in a table. A reply whose
 * request is over finds nothing and is dropped.
 *
 * A bus makes a request in three steps: hr_bus_replies_new, sending the message with the request's
 * inbox for its reply subject, then hr_bus_replies_start with what is known at once about it (or
 * hr_bus_replies_drop, if it could not be sent). Loop thread of the port. */
#ifndef HR_BUS_REPLIES_H
#define HR_BUS_REPLIES_H

#include "host/bus/counters.h"
#include "host/bus/message.h"

#define HR_BUS_REPLIES_SLOTS 1024u
#define HR_BUS_INBOX_BYTES 40u /* "_INBOX.", 32 hexadecimal digits, "." */
#define HR_BUS_INBOX_PATTERN_BYTES (HR_BUS_INBOX_BYTES + 1u)
#define HR_BUS_INBOX_SUBJECT_BYTES_MAX (HR_BUS_INBOX_BYTES + 20u) /* with a number */

struct hr_bus_replies {
    struct hr_bus_port *port;
    struct hr_bus_counters *counters;
    struct hr_list requests; /* all that are pending, oldest first */
    struct hr_list settled;  /* those among them whose outcome is known: settling completes them */
    struct hr_list slots[HR_BUS_REPLIES_SLOTS]; /* those that wait for replies, by number */
    uint64_t last_number;
    uint32_t request_count;
    char inbox_pattern[HR_BUS_INBOX_PATTERN_BYTES]; /* "_INBOX.<unique>.*" */
};

/* Whom to tell; exactly one of the two callbacks is set. */
struct hr_bus_wish {
    hr_bus_reply_cb reply_cb;
    hr_bus_gather_cb gather_cb;
    void *arg;
    uint32_t want; /* of a gather */
};

struct hr_bus_inbox {
    char text[HR_BUS_INBOX_SUBJECT_BYTES_MAX + 1];
    size_t len;
};

/* Caller's storage. Keeps @port and @counters. Errors: HR_IO (no random bytes). */
HR_MUST_CHECK enum hr_err hr_bus_replies_init(struct hr_bus_replies *replies,
                                              struct hr_bus_port *port,
                                              struct hr_bus_counters *counters,
                                              struct hr_diag *diag);
/* Errors: HR_BUSY (HR_BUS_REQUESTS_MAX), HR_NO_MEMORY. Returns own: until it is started or dropped. */
HR_MUST_CHECK enum hr_err hr_bus_replies_new(struct hr_bus_replies *replies,
                                             const struct hr_bus_wish *wish,
                                             struct hr_bus_request **ret_request);
/* The subject to which replies to @request go. */
void hr_bus_replies_inbox(const struct hr_bus_request *request, struct hr_bus_inbox *ret_inbox);
/* Lets @request, which was sent, wait until @timeout_ms have passed; or, if @outcome is not HR_OK,
 * makes it one that hr_bus_replies_settle completes with that. */
void hr_bus_replies_start(struct hr_bus_request *request, uint32_t timeout_ms, enum hr_err outcome);
/* Ends @request without a call, before its start or after it. */
void hr_bus_replies_drop(struct hr_bus_request *request);
/* The callback of a port's inbox: @arg is the struct hr_bus_replies, @msg the view of a struct
 * hr_bus_message. */
void hr_bus_replies_on_reply(void *arg, const struct hr_bus_msg *msg);
/* Completes those whose outcome is known; what callbacks add waits for the next round. */
void hr_bus_replies_settle(struct hr_bus_replies *replies);
/* Completes all that there are with @err, oldest first; with HR_CLOSED gathers get HR_OK and what has
 * come. What callbacks add is not touched. */
void hr_bus_replies_fail_all(struct hr_bus_replies *replies, enum hr_err err);

#endif
