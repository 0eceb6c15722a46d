/* What is told about calls: one metric update each, one log line for each that fails, naming actor,
 * export and cause, and at debug level one for each other. Any loop thread. */
#ifndef HR_CALL_LOG_H
#define HR_CALL_LOG_H

#include "base/err.h"
#include "host/run/fiber.h"

/* Warnings a second, of all actors. */
#define HR_CALL_LOG_LINES_MAX 50u

/* A call has ended with @err (HR_OK: well). */
void hr_call_ended(const struct hr_fiber *fiber, enum hr_err err, const char *cause);
/* A call was not begun. */
void hr_call_refused(const struct hr_actor *actor, enum hr_export id, enum hr_err err);

#endif
