/* The registry of metrics: checking descriptions, finding and making series, counting. The text format
 * is metrics_text.c's. */
#include "host/obs/metrics.h"

#include "base/alloc.h"
#include "host/obs/metrics_family.h"

const struct hr_metrics_bound hr_metrics_bounds[HR_METRICS_BUCKETS] = {
    {10000u, "0.00001"},  {25000u, "0.000025"}, {50000u, "0.00005"},  {100000u, "0.0001"},
    {250000u, "0.00025"}, {500000u, "0.0005"},  {1000000u, "0.001"},  {2500000u, "0.0025"},
    {5000000u, "0.005"},  {10000000u, "0.01"},  {25000000u, "0.025"}, {50000000u, "0.05"},
    {100000000u, "0.1"},  {250000000u, "0.25"}, {500000000u, "0.5"},  {1000000000u, "1"},
    {2500000000u, "2.5"}, {5000000000u, "5"},   {10000000000u, "10"},
};

/* What a lookup works with: a checked description in the form in which it is kept. */
struct wanted {
    const struct hr_metric_desc *desc;
    enum hr_metric_type type;
    struct hr_buf labels;      /* as hr_metrics_series.labels */
    struct hr_buf label_names; /* as hr_metrics_family.label_names */
    struct hr_diag *diag;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(struct hr_str name, bool colon)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (!is_letter(c) && !(colon && c == ':') && !(digit && i > 0)) {
            return false;
        }
    }
    return name.len > 0;
}

/* Names that start with two underscores are Prometheus' own, and `le` is a histogram's. */
static bool is_label_name(struct hr_str name, enum hr_metric_type type)
{
    return is_name(name, false) && !hr_str_starts(name, HR_STR("__")) &&
           !(type == HR_METRIC_HISTOGRAM && hr_str_eq(name, HR_STR("le")));
}

static enum hr_err check_text(struct hr_str text, const char *what, struct hr_diag *diag)
{
    if (text.len > HR_METRICS_TEXT_BYTES_MAX) {
        return hr_diag_set(diag, HR_TOO_BIG, "metric's %s is longer than %u bytes", what,
                           HR_METRICS_TEXT_BYTES_MAX);
    }
    if (!hr_str_is_utf8(text)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "metric's %s is not UTF-8", what);
    }
    return HR_OK;
}

static enum hr_err check_desc(const struct hr_metric_desc *desc, enum hr_metric_type type,
                              struct hr_diag *diag)
{
    enum hr_err err = check_text(desc->name, "name", diag);
    if (err) {
        return err;
    }
    if (!is_name(desc->name, true)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "metric `%.*s`: not a name", HR_STR_ARG(desc->name));
    }
    if (desc->label_count > HR_METRICS_LABELS_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "metric %.*s: more than %u labels",
                           HR_STR_ARG(desc->name), HR_METRICS_LABELS_MAX);
    }
    for (size_t i = 0; i < desc->label_count; i++) {
        struct hr_str name = desc->labels[i].name;
        err = check_text(name, "label name", diag);
        err = err ? err : check_text(desc->labels[i].value, "label value", diag);
        if (err) {
            return err;
        }
        if (!is_label_name(name, type)) {
            return hr_diag_set(diag, HR_BAD_INPUT, "metric %.*s: `%.*s` cannot name a label",
                               HR_STR_ARG(desc->name), HR_STR_ARG(name));
        }
    }
    return check_text(desc->help, "help", diag);
}

/* Copies the labels to @ret_sorted, by name. */
static enum hr_err sort_labels(const struct hr_metric_desc *desc,
                               struct hr_metric_label *ret_sorted, struct hr_diag *diag)
{
    for (size_t i = 0; i < desc->label_count; i++) {
        size_t at = i;
        while (at > 0 && hr_str_cmp(ret_sorted[at - 1].name, desc->labels[i].name) > 0) {
            ret_sorted[at] = ret_sorted[at - 1];
            at--;
        }
        if (at > 0 && hr_str_eq(ret_sorted[at - 1].name, desc->labels[i].name)) {
            return hr_diag_set(diag, HR_BAD_INPUT, "metric %.*s: label %.*s is there twice",
                               HR_STR_ARG(desc->name), HR_STR_ARG(desc->labels[i].name));
        }
        ret_sorted[at] = desc->labels[i];
    }
    return HR_OK;
}

/* Fills @wanted, zeroed but for desc, type and diag; release_wanted afterwards also on an error. */
static enum hr_err prepare(struct wanted *wanted)
{
    const struct hr_metric_desc *desc = wanted->desc;
    struct hr_metric_label sorted[HR_METRICS_LABELS_MAX];
    enum hr_err err = check_desc(desc, wanted->type, wanted->diag);
    err = err ? err : sort_labels(desc, sorted, wanted->diag);
    if (err) {
        return err;
    }
    err = hr_metrics_append_labels(&wanted->labels, sorted, desc->label_count);
    for (size_t i = 0; i < desc->label_count && !err; i++) {
        err = hr_buf_append(&wanted->label_names, sorted[i].name);
        err = err ? err : hr_buf_append_byte(&wanted->label_names, ',');
    }
    return err;
}

static void release_wanted(struct wanted *wanted)
{
    hr_buf_release(&wanted->labels);
    hr_buf_release(&wanted->label_names);
}

static enum hr_err copy_text(struct hr_str text, struct hr_str *ret_copy)
{
    char *copy = hr_alloc_cstr(text);
    if (!copy) {
        return HR_NO_MEMORY;
    }
    *ret_copy = hr_str_of(copy, text.len);
    return HR_OK;
}

static void free_text(struct hr_str text)
{
    hr_free((void *)text.ptr);
}

struct hr_metrics *hr_metrics_new(void)
{
    struct hr_metrics *metrics = hr_alloc(sizeof *metrics);
    if (!metrics) {
        return NULL;
    }
    if (pthread_mutex_init(&metrics->lock, NULL) != 0) {
        hr_free(metrics);
        return NULL;
    }
    hr_list_init(&metrics->families);
    return metrics;
}

static void free_series(struct hr_metrics_series *series)
{
    free_text(series->labels);
    hr_free(series);
}

static void free_family(struct hr_metrics_family *family)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&family->series))) {
        free_series(HR_LIST_OWNER(node, struct hr_metrics_series, node));
    }
    free_text(family->name);
    free_text(family->help);
    free_text(family->label_names);
    hr_free(family);
}

void hr_metrics_free(struct hr_metrics *metrics)
{
    if (!metrics) {
        return;
    }
    struct hr_list *node;
    while ((node = hr_list_pop_front(&metrics->families))) {
        free_family(HR_LIST_OWNER(node, struct hr_metrics_family, node));
    }
    pthread_mutex_destroy(&metrics->lock);
    hr_free(metrics);
}

static struct hr_metrics_family *find_family(struct hr_metrics *metrics, struct hr_str name)
{
    for (struct hr_list *node = metrics->families.next; node != &metrics->families;
         node = node->next) {
        struct hr_metrics_family *family = HR_LIST_OWNER(node, struct hr_metrics_family, node);
        if (hr_str_eq(family->name, name)) {
            return family;
        }
    }
    return NULL;
}

static struct hr_metrics_series *find_series(struct hr_metrics_family *family, struct hr_str labels)
{
    for (struct hr_list *node = family->series.next; node != &family->series; node = node->next) {
        struct hr_metrics_series *series = HR_LIST_OWNER(node, struct hr_metrics_series, node);
        if (hr_str_eq(series->labels, labels)) {
            return series;
        }
    }
    return NULL;
}

static enum hr_err new_family(const struct wanted *wanted, struct hr_metrics_family **ret_family)
{
    struct hr_metrics_family *family = hr_alloc(sizeof *family);
    if (!family) {
        return HR_NO_MEMORY;
    }
    hr_list_init(&family->node);
    hr_list_init(&family->series);
    family->type = wanted->type;
    enum hr_err err = copy_text(wanted->desc->name, &family->name);
    err = err ? err : copy_text(wanted->desc->help, &family->help);
    err = err ? err : copy_text(hr_buf_str(&wanted->label_names), &family->label_names);
    if (err) {
        free_family(family);
        return err;
    }
    *ret_family = family;
    return HR_OK;
}

static enum hr_err check_family(const struct hr_metrics_family *family, const struct wanted *wanted)
{
    const char *what = NULL;
    if (family->type != wanted->type) {
        what = "type";
    } else if (!hr_str_eq(family->help, wanted->desc->help)) {
        what = "help text";
    } else if (!hr_str_eq(family->label_names, hr_buf_str(&wanted->label_names))) {
        what = "set of label names";
    }
    if (!what) {
        return HR_OK;
    }
    return hr_diag_set(wanted->diag, HR_CONFLICT, "metric %.*s is there with another %s",
                       HR_STR_ARG(family->name), what);
}

static enum hr_err add_series(struct hr_metrics *metrics, struct hr_metrics_family *family,
                              const struct wanted *wanted, struct hr_metrics_series **ret_series)
{
    if (metrics->series_count >= HR_METRICS_SERIES_MAX) {
        return hr_diag_set(wanted->diag, HR_BUSY, "metric %.*s: there are %u series already",
                           HR_STR_ARG(wanted->desc->name), HR_METRICS_SERIES_MAX);
    }
    struct hr_metrics_series *series = hr_alloc(sizeof *series);
    if (!series) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = copy_text(hr_buf_str(&wanted->labels), &series->labels);
    if (err) {
        hr_free(series);
        return err;
    }
    hr_list_push_back(&family->series, &series->node);
    metrics->series_count++;
    *ret_series = series;
    return HR_OK;
}

/* Finds or makes the series, under the lock. */
static enum hr_err enter(struct hr_metrics *metrics, const struct wanted *wanted,
                         struct hr_metrics_series **ret_series, bool *ret_found)
{
    struct hr_metrics_family *family = find_family(metrics, wanted->desc->name);
    enum hr_err err = HR_OK;
    bool made = !family;
    if (family) {
        err = check_family(family, wanted);
        struct hr_metrics_series *series =
            err ? NULL : find_series(family, hr_buf_str(&wanted->labels));
        if (err || series) {
            *ret_series = series;
            *ret_found = true;
            return err;
        }
    } else {
        err = new_family(wanted, &family);
    }
    *ret_found = false;
    err = err ? err : add_series(metrics, family, wanted, ret_series);
    if (made && !err) {
        hr_list_push_back(&metrics->families, &family->node);
    } else if (made && family) {
        free_family(family);
    }
    return err;
}

/* The series for @wanted with a value of its own (@read NULL), or a new one that is read. */
static enum hr_err look_up(struct hr_metrics *metrics, struct wanted *wanted,
                           hr_metric_read_cb read, void *arg, struct hr_metrics_series **ret_series)
{
    struct hr_metrics_series *series = NULL;
    bool found = false;
    enum hr_err err = prepare(wanted);
    pthread_mutex_lock(&metrics->lock);
    err = err ? err : enter(metrics, wanted, &series, &found);
    if (!err && found && read) {
        err = hr_diag_set(wanted->diag, HR_EXISTS, "metric %.*s{%.*s} is there already",
                          HR_STR_ARG(wanted->desc->name), HR_STR_ARG(series->labels));
    } else if (!err && found && series->read) {
        err = hr_diag_set(wanted->diag, HR_CONFLICT, "metric %.*s{%.*s} is read by a callback",
                          HR_STR_ARG(wanted->desc->name), HR_STR_ARG(series->labels));
    } else if (!err && read) {
        series->read = read;
        series->arg = arg;
    }
    pthread_mutex_unlock(&metrics->lock);
    if (err == HR_NO_MEMORY) {
        hr_diag_set(wanted->diag, err, "metric %.*s: out of memory",
                    HR_STR_ARG(wanted->desc->name));
    }
    release_wanted(wanted);
    if (!err) {
        *ret_series = series;
    }
    return err;
}

enum hr_err hr_metrics_counter(struct hr_metrics *metrics, const struct hr_metric_desc *desc,
                               struct hr_counter **ret_counter, struct hr_diag *diag)
{
    struct wanted wanted = {.desc = desc, .type = HR_METRIC_COUNTER, .diag = diag};
    struct hr_metrics_series *series;
    enum hr_err err = look_up(metrics, &wanted, NULL, NULL, &series);
    if (!err) {
        *ret_counter = &series->as.counter;
    }
    return err;
}

enum hr_err hr_metrics_gauge(struct hr_metrics *metrics, const struct hr_metric_desc *desc,
                             struct hr_gauge **ret_gauge, struct hr_diag *diag)
{
    struct wanted wanted = {.desc = desc, .type = HR_METRIC_GAUGE, .diag = diag};
    struct hr_metrics_series *series;
    enum hr_err err = look_up(metrics, &wanted, NULL, NULL, &series);
    if (!err) {
        *ret_gauge = &series->as.gauge;
    }
    return err;
}

enum hr_err hr_metrics_histogram(struct hr_metrics *metrics, const struct hr_metric_desc *desc,
                                 struct hr_histogram **ret_histogram, struct hr_diag *diag)
{
    struct wanted wanted = {.desc = desc, .type = HR_METRIC_HISTOGRAM, .diag = diag};
    struct hr_metrics_series *series;
    enum hr_err err = look_up(metrics, &wanted, NULL, NULL, &series);
    if (!err) {
        *ret_histogram = &series->as.histogram;
    }
    return err;
}

enum hr_err hr_metrics_read(struct hr_metrics *metrics, enum hr_metric_type type,
                            const struct hr_metric_desc *desc, hr_metric_read_cb read, void *arg,
                            struct hr_diag *diag)
{
    struct wanted wanted = {.desc = desc, .type = type, .diag = diag};
    struct hr_metrics_series *series;
    if (type == HR_METRIC_HISTOGRAM) {
        return hr_diag_set(diag, HR_BAD_INPUT, "metric %.*s: a histogram cannot be read",
                           HR_STR_ARG(desc->name));
    }
    return look_up(metrics, &wanted, read, arg, &series);
}

void hr_counter_add(struct hr_counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->value, amount, memory_order_relaxed);
}

void hr_gauge_set(struct hr_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void hr_gauge_add(struct hr_gauge *gauge, int64_t amount)
{
    atomic_fetch_add_explicit(&gauge->value, amount, memory_order_relaxed);
}

int64_t hr_gauge_get(const struct hr_gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

void hr_histogram_observe(struct hr_histogram *histogram, uint64_t duration_ns)
{
    size_t at = 0;
    while (at < HR_METRICS_BUCKETS && duration_ns > hr_metrics_bounds[at].upto_ns) {
        at++;
    }
    atomic_fetch_add_explicit(&histogram->counts[at], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, duration_ns, memory_order_relaxed);
}
