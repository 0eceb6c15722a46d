/* Trace contexts (W3C Trace Context, level 1): which request from outside a call belongs to, wherever in
 * the lattice it runs. A context comes with an HTTP request or a message, or begins here; each call gets
 * one of its own below it, which goes along with whatever the call sends. Hosts write it to their logs and
 * keep nothing of it. Any thread.
 */
#ifndef HR_TRACE_H
#define HR_TRACE_H

#include <stdbool.h>

#include "base/str.h"

/* "00-", 32 digits of the trace, "-", 16 of the parent, "-", 2 of flags (section 3.2.2). */
#define HR_TRACE_BYTES 55u
#define HR_TRACE_ID_BYTES 32u

/* All zero: none. */
struct hr_trace {
    char text[HR_TRACE_BYTES + 1];
};

/* The context below @parent, the value of a traceparent header; a new trace if that is no valid one. */
void hr_trace_begin(struct hr_trace *trace, struct hr_str parent);
bool hr_trace_is_valid(struct hr_str traceparent);

static inline bool hr_trace_is_set(const struct hr_trace *trace)
{
    return trace->text[0] != '\0';
}

/* The whole, as a header's value; empty if there is none. */
struct hr_str hr_trace_str(const struct hr_trace *trace);
/* The trace's id alone, as logs have it. */
struct hr_str hr_trace_id(const struct hr_trace *trace);

#endif
