/* Prometheus' text format 0.0.4 of the registry: for each family a HELP and a TYPE line, then its
 * series. Sums are kept in nanoseconds, as integers, and written in seconds. */
#include <math.h>
#include <stdio.h>

#include "host/obs/metrics_family.h"

#define NS_PER_SECOND 1000000000u
#define EXACT_INTEGERS_MAX 9007199254740992.0 /* 2^53: a double holds all integers up to here */

/* Appends @text with what the format escapes: backslash and newline, in a value also the quote. */
static enum hr_err append_escaped(struct hr_buf *buf, struct hr_str text, bool quoted)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < text.len && !err; i++) {
        char c = text.ptr[i];
        if (c == '\n') {
            err = hr_buf_append(buf, HR_STR("\\n"));
        } else if (c == '\\' || (quoted && c == '"')) {
            err = hr_buf_append_byte(buf, '\\');
            err = err ? err : hr_buf_append_byte(buf, c);
        } else {
            err = hr_buf_append_byte(buf, c);
        }
    }
    return err;
}

enum hr_err hr_metrics_append_labels(struct hr_buf *buf, const struct hr_metric_label *labels,
                                     size_t count)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < count && !err; i++) {
        err = hr_buf_printf(buf, "%s%.*s=\"", i ? "," : "", HR_STR_ARG(labels[i].name));
        err = err ? err : append_escaped(buf, labels[i].value, true);
        err = err ? err : hr_buf_append_byte(buf, '"');
    }
    return err;
}

/* Appends `name_suffix{labels,extra} `; @extra may be empty. */
static enum hr_err append_sample_name(struct hr_buf *buf, const struct hr_metrics_family *family,
                                      const char *suffix, const struct hr_metrics_series *series,
                                      const char *extra)
{
    struct hr_str labels = series->labels;
    enum hr_err err = hr_buf_printf(buf, "%.*s%s", HR_STR_ARG(family->name), suffix);
    if (!err && (labels.len > 0 || *extra)) {
        err = hr_buf_append_byte(buf, '{');
        err = err ? err : hr_buf_append(buf, labels);
        err = err ? err : hr_buf_printf(buf, "%s%s}", labels.len > 0 && *extra ? "," : "", extra);
    }
    return err ? err : hr_buf_append_byte(buf, ' ');
}

static enum hr_err append_double(struct hr_buf *buf, double value)
{
    if (isnan(value)) {
        return hr_buf_append(buf, HR_STR("NaN\n"));
    }
    if (isinf(value)) {
        return hr_buf_printf(buf, "%cInf\n", value > 0 ? '+' : '-');
    }
    if (value >= -EXACT_INTEGERS_MAX && value <= EXACT_INTEGERS_MAX &&
        (double)(int64_t)value == value) {
        return hr_buf_printf(buf, "%lld\n", (long long)value);
    }
    return hr_buf_printf(buf, "%.17g\n", value);
}

static enum hr_err render_histogram(struct hr_buf *buf, const struct hr_metrics_family *family,
                                    struct hr_metrics_series *series)
{
    struct hr_histogram *histogram = &series->as.histogram;
    unsigned long long total = 0;
    enum hr_err err = HR_OK;
    for (size_t i = 0; i <= HR_METRICS_BUCKETS && !err; i++) {
        char extra[32];
        snprintf(extra, sizeof extra, "le=\"%s\"",
                 i < HR_METRICS_BUCKETS ? hr_metrics_bounds[i].le : "+Inf");
        total += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        err = append_sample_name(buf, family, "_bucket", series, extra);
        err = err ? err : hr_buf_printf(buf, "%llu\n", total);
    }
    uint64_t sum_ns = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
    err = err ? err : append_sample_name(buf, family, "_sum", series, "");
    err = err ? err
              : hr_buf_printf(buf, "%llu.%09llu\n", (unsigned long long)(sum_ns / NS_PER_SECOND),
                              (unsigned long long)(sum_ns % NS_PER_SECOND));
    err = err ? err : append_sample_name(buf, family, "_count", series, "");
    return err ? err : hr_buf_printf(buf, "%llu\n", total);
}

static enum hr_err render_series(struct hr_buf *buf, const struct hr_metrics_family *family,
                                 struct hr_metrics_series *series)
{
    if (family->type == HR_METRIC_HISTOGRAM) {
        return render_histogram(buf, family, series);
    }
    enum hr_err err = append_sample_name(buf, family, "", series, "");
    if (err) {
        return err;
    }
    if (series->read) {
        return append_double(buf, series->read(series->arg));
    }
    if (family->type == HR_METRIC_COUNTER) {
        uint64_t value = atomic_load_explicit(&series->as.counter.value, memory_order_relaxed);
        return hr_buf_printf(buf, "%llu\n", (unsigned long long)value);
    }
    int64_t value = atomic_load_explicit(&series->as.gauge.value, memory_order_relaxed);
    return hr_buf_printf(buf, "%lld\n", (long long)value);
}

static enum hr_err render_family(struct hr_buf *buf, const struct hr_metrics_family *family)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    enum hr_err err = hr_buf_printf(buf, "# HELP %.*s ", HR_STR_ARG(family->name));
    err = err ? err : append_escaped(buf, family->help, false);
    err = err ? err
              : hr_buf_printf(buf, "\n# TYPE %.*s %s\n", HR_STR_ARG(family->name),
                              types[family->type]);
    for (struct hr_list *node = family->series.next; node != &family->series && !err;
         node = node->next) {
        err = render_series(buf, family, HR_LIST_OWNER(node, struct hr_metrics_series, node));
    }
    return err;
}

enum hr_err hr_metrics_render(struct hr_metrics *metrics, struct hr_buf *buf)
{
    size_t before = buf->len;
    enum hr_err err = HR_OK;
    pthread_mutex_lock(&metrics->lock);
    for (struct hr_list *node = metrics->families.next; node != &metrics->families && !err;
         node = node->next) {
        err = render_family(buf, HR_LIST_OWNER(node, struct hr_metrics_family, node));
    }
    pthread_mutex_unlock(&metrics->lock);
    if (err) {
        buf->len = before;
    }
    return err;
}
