/* Structured logging: one line per event on standard error, `ts=... level=... event=... key=value`.
 * Values are quoted when they need it, control bytes escaped, so that no foreign text can forge a
 * line. Only main, request edges and the CLI log above debug; libraries return errors. Secrets are
 * never passed here. Any thread. No call waits for whoever reads the log: what cannot be written at once is
 * dropped, and told as `event=log.dropped` when something can be written again. */
#ifndef HR_LOG_H
#define HR_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum hr_log_level {
    HR_LOG_TRACE,
    HR_LOG_DEBUG,
    HR_LOG_INFO,
    HR_LOG_WARN,
    HR_LOG_ERROR,
    HR_LOG_CRITICAL
};

/* One key and its value; build them with the helpers below. */
struct hr_log_field {
    const char *key;
    struct hr_str text;
    int64_t number;
    bool is_number;
};

#define HR_LOG_STR(k, s) ((struct hr_log_field){.key = (k), .text = (s)})
#define HR_LOG_CSTR(k, c) ((struct hr_log_field){.key = (k), .text = hr_str_c(c)})
#define HR_LOG_INT(k, n) \
    ((struct hr_log_field){.key = (k), .number = (int64_t)(n), .is_number = true})

/* Lines below @level are not written. Default: HR_LOG_INFO. */
void hr_log_set_level(enum hr_log_level level);
bool hr_log_enabled(enum hr_log_level level);
/* Writes to @fd instead of standard error (tests). */
void hr_log_set_fd(int fd);

void hr_log_fields(enum hr_log_level level, const char *event, const struct hr_log_field *fields,
                   size_t count);
#define HR_LOG(level, event, ...)                                               \
    hr_log_fields((level), (event), (const struct hr_log_field[]){__VA_ARGS__}, \
                  sizeof((const struct hr_log_field[]){__VA_ARGS__}) /          \
                      sizeof(struct hr_log_field))

#endif
