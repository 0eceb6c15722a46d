/* The registry's own structs, for metrics*.c only. The lock guards the lists; series are only ever
 * added, and freed with the registry, so a handle needs no lock. */
#ifndef HR_METRICS_FAMILY_H
#define HR_METRICS_FAMILY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "host/obs/metrics.h"

#define HR_METRICS_BUCKETS 19u

struct hr_counter {
    _Atomic uint64_t value;
};

struct hr_gauge {
    _Atomic int64_t value;
};

/* One count for each bucket, not the running sums that the format wants: an observation so changes
 * one bucket and the sum, and what is rendered adds up to its own total while others observe. */
struct hr_histogram {
    _Atomic uint64_t counts[HR_METRICS_BUCKETS + 1]; /* the last: longer than all bounds */
    _Atomic uint64_t sum_ns;
};

struct hr_metrics_series {
    struct hr_list node;  /* family->series */
    struct hr_str labels; /* own; as they are rendered: a="b",c="d" */
    hr_metric_read_cb read;
    void *arg;
    union {
        struct hr_counter counter;
        struct hr_gauge gauge;
        struct hr_histogram histogram;
    } as;
};

struct hr_metrics_family {
    struct hr_list node; /* metrics->families */
    enum hr_metric_type type;
    struct hr_str name; /* own, as the next two */
    struct hr_str help;
    struct hr_str label_names; /* sorted, with a comma after each */
    struct hr_list series;
};

struct hr_metrics {
    pthread_mutex_t lock;
    struct hr_list families;
    uint32_t series_count;
};

/* A bucket's upper bound: in nanoseconds, and as the format writes it, in seconds. */
struct hr_metrics_bound {
    uint64_t upto_ns;
    const char *le;
};
extern const struct hr_metrics_bound hr_metrics_bounds[HR_METRICS_BUCKETS];

/* metrics_text.c: appends @labels as they stand between the braces. */
HR_MUST_CHECK enum hr_err hr_metrics_append_labels(struct hr_buf *buf,
                                                   const struct hr_metric_label *labels,
                                                   size_t count);

#endif
