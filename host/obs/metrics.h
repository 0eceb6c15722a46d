/* Numbers about a running host, read over HTTP in Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).
 *
 * A registry holds families (a name with its help text and type), a family holds series (one for
 * each set of label values). Whoever counts looks its series up once, keeps the handle and then
 * adds to it without a lock, from any thread. Numbers that others keep anyway (a pool's use, a
 * store's statistics) are read by a callback when the registry is rendered.
 *
 * Families come out in the order in which they were made, and so do the series of a family. Knows
 * nothing of what it counts. */
#ifndef HR_METRICS_H
#define HR_METRICS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define HR_METRICS_SERIES_MAX 4096u /* of a registry; a histogram counts once */
#define HR_METRICS_LABELS_MAX 8u
#define HR_METRICS_TEXT_BYTES_MAX 1024u /* a name, a help text, a label's value */
#define HR_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct hr_metrics;
struct hr_counter;   /* only grows */
struct hr_gauge;     /* goes up and down */
struct hr_histogram; /* of durations, in fixed buckets from 10 microseconds to 10 seconds */

enum hr_metric_type { HR_METRIC_COUNTER, HR_METRIC_GAUGE, HR_METRIC_HISTOGRAM };

struct hr_metric_label {
    struct hr_str name;
    struct hr_str value;
};

/* What is counted: borrowed by the lookups, which copy it. */
struct hr_metric_desc {
    struct hr_str name;                   /* as [a-zA-Z_:][a-zA-Z0-9_:]* */
    struct hr_str help;                   /* one sentence; the same for all series of a name */
    const struct hr_metric_label *labels; /* in any order; the same set of names for a name */
    size_t label_count;
};

/* Reads a number when the registry is rendered: on the rendering thread, under the registry's lock,
 * so it must not call the registry. */
typedef double (*hr_metric_read_cb)(void *arg);

/* NULL when memory is out. Returns own: hr_metrics_free. Any thread, as all functions here. */
struct hr_metrics *hr_metrics_new(void);
/* All handles are gone then. Accepts NULL. */
void hr_metrics_free(struct hr_metrics *metrics);

/* The series that @desc describes, made if it is not there: the same description gives the same
 * handle, whatever the order of its labels. Handles are valid until hr_metrics_free.
 * Errors: HR_BAD_INPUT (a malformed name, labels that are malformed, doubled, reserved or too many;
 *         text that is not UTF-8), HR_TOO_BIG (HR_METRICS_TEXT_BYTES_MAX), HR_CONFLICT (the name is
 *         there with another type, help or set of label names, or with a callback), HR_BUSY
 *         (HR_METRICS_SERIES_MAX), HR_NO_MEMORY. @diag may be NULL. */
HR_MUST_CHECK enum hr_err hr_metrics_counter(struct hr_metrics *metrics,
                                             const struct hr_metric_desc *desc,
                                             struct hr_counter **ret_counter, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err hr_metrics_gauge(struct hr_metrics *metrics,
                                           const struct hr_metric_desc *desc,
                                           struct hr_gauge **ret_gauge, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err hr_metrics_histogram(struct hr_metrics *metrics,
                                               const struct hr_metric_desc *desc,
                                               struct hr_histogram **ret_histogram,
                                               struct hr_diag *diag);
/* A series of @type (not a histogram) whose value is what @read returns. Keeps @arg until
 * hr_metrics_free. Errors: as above, and HR_EXISTS if the series is there. */
HR_MUST_CHECK enum hr_err hr_metrics_read(struct hr_metrics *metrics, enum hr_metric_type type,
                                          const struct hr_metric_desc *desc, hr_metric_read_cb read,
                                          void *arg, struct hr_diag *diag);

/* Lock-free. A counter wraps at 2^64, which Prometheus takes for a restart. */
void hr_counter_add(struct hr_counter *counter, uint64_t amount);
void hr_gauge_set(struct hr_gauge *gauge, int64_t value);
void hr_gauge_add(struct hr_gauge *gauge, int64_t amount);
int64_t hr_gauge_get(const struct hr_gauge *gauge);
/* Units: @duration_ns nanoseconds; rendered in seconds. */
void hr_histogram_observe(struct hr_histogram *histogram, uint64_t duration_ns);

/* Appends the whole registry to @buf. On an error @buf is as it was.
 * Errors: HR_TOO_BIG (the limit of @buf), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_metrics_render(struct hr_metrics *metrics, struct hr_buf *buf);

#endif
