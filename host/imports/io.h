/* The resources of wasi:io as the host makes them: pollables, streams, errors. Other interfaces
 * (http, clocks, cli) hand them out. Everything on the fiber's loop thread.
 */
#ifndef HR_IO_H
#define HR_IO_H

#include "base/buf.h"
#include "base/err.h"
#include "host/run/fiber.h"
#include "host/run/handles.h"

/* The most that check-write permits at once. */
#define HR_IO_WRITE_BYTES_MAX (64u << 10)
#define HR_IO_READ_BYTES_MAX (1u << 20)

extern const struct hr_resource_type hr_io_pollable;
extern const struct hr_resource_type hr_io_input_stream;
extern const struct hr_resource_type hr_io_output_stream;
extern const struct hr_resource_type hr_io_error;

/* Gives the guest a pollable that is ready from @due_ns of the monotonic clock on; 0 = at once. */
HR_MUST_CHECK enum hr_err hr_io_give_pollable(struct hr_fiber *fiber, uint64_t due_ns,
                                              uint32_t *ret_index);
/* Gives an input-stream of @data, which lives as long as the fiber; takes a reference to @parent
 * (may be NULL). */
HR_MUST_CHECK enum hr_err hr_io_give_input(struct hr_fiber *fiber, struct hr_str data,
                                           struct hr_resource *parent, uint32_t *ret_index);

/* What an output-stream writes into. @write returns HR_OK; HR_TOO_BIG and others become
 * last-operation-failed. HR_CLOSED becomes `closed`. */
struct hr_io_sink {
    enum hr_err (*write)(struct hr_fiber *fiber, void *arg, struct hr_str bytes);
    void *arg;
    struct hr_resource *parent; /* kept alive; may be NULL */
};

HR_MUST_CHECK enum hr_err hr_io_give_output(struct hr_fiber *fiber, const struct hr_io_sink *sink,
                                            uint32_t *ret_index);

#endif
