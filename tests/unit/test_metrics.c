/* links: hr_obs */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/obs/metrics.h"

#define THREADS 4
#define ADDITIONS 50000

static struct hr_metric_desc desc_of(const char *name, const char *help)
{
    return (struct hr_metric_desc){.name = hr_str_c(name), .help = hr_str_c(help)};
}

static struct hr_counter *counter(struct hr_metrics *metrics, const char *name,
                                  const struct hr_metric_label *labels, size_t count)
{
    struct hr_metric_desc desc = desc_of(name, "Things that happened.");
    struct hr_counter *found = NULL;
    desc.labels = labels;
    desc.label_count = count;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, NULL), HR_OK);
    return found;
}

static void assert_renders(struct hr_metrics *metrics, const char *expected)
{
    struct hr_buf buf = {0};
    assert_int_equal(hr_metrics_render(metrics, &buf), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '\0'), HR_OK);
    assert_string_equal(buf.ptr, expected);
    hr_buf_release(&buf);
}

/* A counter and a gauge come out with their HELP and TYPE lines, families and series in the order of
 * making, labels by name. */
static void metrics_render_counters_and_gauges(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_label get[] = {{HR_STR("method"), HR_STR("GET")},
                                    {HR_STR("code"), HR_STR("200")}};
    struct hr_metric_label post[] = {{HR_STR("code"), HR_STR("201")},
                                     {HR_STR("method"), HR_STR("POST")}};
    struct hr_metric_desc desc = desc_of("hedgerow_calls_in_flight", "Calls now.");
    struct hr_gauge *gauge;
    hr_counter_add(counter(metrics, "hedgerow_requests_total", get, 2), 3);
    assert_int_equal(hr_metrics_gauge(metrics, &desc, &gauge, NULL), HR_OK);
    hr_counter_add(counter(metrics, "hedgerow_requests_total", post, 2), UINT64_MAX);
    hr_gauge_set(gauge, 5);
    hr_gauge_add(gauge, -12);
    assert_renders(metrics,
                   "# HELP hedgerow_requests_total Things that happened.\n"
                   "# TYPE hedgerow_requests_total counter\n"
                   "hedgerow_requests_total{code=\"200\",method=\"GET\"} 3\n"
                   "hedgerow_requests_total{code=\"201\",method=\"POST\"} 18446744073709551615\n"
                   "# HELP hedgerow_calls_in_flight Calls now.\n"
                   "# TYPE hedgerow_calls_in_flight gauge\n"
                   "hedgerow_calls_in_flight -7\n");
    hr_metrics_free(metrics);
}

/* A histogram's buckets are cumulative, its bounds belong to their buckets, its sum is in seconds. */
static void metrics_render_histograms(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_label labels[] = {{HR_STR("actor"), HR_STR("kv")}};
    struct hr_metric_desc desc = desc_of("wait_seconds", "How long.");
    struct hr_histogram *histogram;
    desc.labels = labels;
    desc.label_count = 1;
    assert_int_equal(hr_metrics_histogram(metrics, &desc, &histogram, NULL), HR_OK);
    hr_histogram_observe(histogram, 0);
    hr_histogram_observe(histogram, 10000);       /* exactly 0.00001 s */
    hr_histogram_observe(histogram, 10001);       /* just above */
    hr_histogram_observe(histogram, 700000000);   /* 0.7 s */
    hr_histogram_observe(histogram, 10000000000); /* exactly 10 s */
    hr_histogram_observe(histogram, 10000000001); /* above all bounds */
    assert_renders(metrics, "# HELP wait_seconds How long.\n"
                            "# TYPE wait_seconds histogram\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.00001\"} 2\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.000025\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.00005\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.0001\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.00025\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.0005\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.001\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.0025\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.005\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.01\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.025\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.05\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.1\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.25\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"0.5\"} 3\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"1\"} 4\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"2.5\"} 4\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"5\"} 4\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"10\"} 5\n"
                            "wait_seconds_bucket{actor=\"kv\",le=\"+Inf\"} 6\n"
                            "wait_seconds_sum{actor=\"kv\"} 20.700020002\n"
                            "wait_seconds_count{actor=\"kv\"} 6\n");
    hr_metrics_free(metrics);
}

/* A histogram without labels carries only `le`, and nothing on its sum and count. */
static void metrics_render_a_histogram_without_labels(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_desc desc = desc_of("h", "");
    struct hr_histogram *histogram;
    struct hr_buf buf = {0};
    assert_int_equal(hr_metrics_histogram(metrics, &desc, &histogram, NULL), HR_OK);
    assert_int_equal(hr_metrics_render(metrics, &buf), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '\0'), HR_OK);
    assert_non_null(strstr(buf.ptr, "\nh_bucket{le=\"10\"} 0\n"));
    assert_non_null(strstr(buf.ptr, "\nh_sum 0.000000000\nh_count 0\n"));
    hr_buf_release(&buf);
    hr_metrics_free(metrics);
}

/* Backslash and newline are escaped everywhere, the quote in label values only; UTF-8 stays. */
static void metrics_render_escapes(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_label labels[] = {{HR_STR("path"), HR_STR("C:\\a \"b\"\n\xc3\xbc")}};
    struct hr_metric_desc desc = desc_of("m", "Say \"hi\" to\nC:\\");
    struct hr_counter *found;
    desc.labels = labels;
    desc.label_count = 1;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, NULL), HR_OK);
    assert_renders(metrics, "# HELP m Say \"hi\" to\\nC:\\\\\n"
                            "# TYPE m counter\n"
                            "m{path=\"C:\\\\a \\\"b\\\"\\n\xc3\xbc\"} 0\n");
    hr_metrics_free(metrics);
}

static double read_number(void *arg)
{
    return *(double *)arg;
}

/* Numbers that a callback reads are read at each rendering, and written exactly. */
static void metrics_render_reads_callbacks(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *line;
    } rows[] = {
        {0, "n 0\n"},
        {-3, "n -3\n"},
        {1e15, "n 1000000000000000\n"},
        {0.5, "n 0.5\n"},
        {1e300, "n 1.0000000000000001e+300\n"},
        {NAN, "n NaN\n"},
        {INFINITY, "n +Inf\n"},
        {-INFINITY, "n -Inf\n"},
    };
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_desc desc = desc_of("n", "N.");
    double number = 0;
    assert_int_equal(hr_metrics_read(metrics, HR_METRIC_GAUGE, &desc, read_number, &number, NULL),
                     HR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[128];
        number = rows[i].value;
        snprintf(expected, sizeof expected, "# HELP n N.\n# TYPE n gauge\n%s", rows[i].line);
        assert_renders(metrics, expected);
    }
    struct hr_gauge *gauge;
    assert_int_equal(hr_metrics_gauge(metrics, &desc, &gauge, NULL), HR_CONFLICT);
    assert_int_equal(hr_metrics_read(metrics, HR_METRIC_GAUGE, &desc, read_number, &number, NULL),
                     HR_EXISTS);
    assert_int_equal(
        hr_metrics_read(metrics, HR_METRIC_HISTOGRAM, &desc, read_number, &number, NULL),
        HR_BAD_INPUT);
    hr_metrics_free(metrics);
}

/* The same description gives the same handle, whatever the order of its labels; other values another. */
static void metrics_find_the_series_again(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_label ab[] = {{HR_STR("a"), HR_STR("1")}, {HR_STR("b"), HR_STR("2")}};
    struct hr_metric_label ba[] = {{HR_STR("b"), HR_STR("2")}, {HR_STR("a"), HR_STR("1")}};
    struct hr_metric_label other[] = {{HR_STR("a"), HR_STR("2")}, {HR_STR("b"), HR_STR("1")}};
    struct hr_counter *first = counter(metrics, "c_total", ab, 2);
    assert_ptr_equal(first, counter(metrics, "c_total", ba, 2));
    assert_ptr_not_equal(first, counter(metrics, "c_total", other, 2));
    assert_ptr_not_equal(first, counter(metrics, "d_total", ab, 2));
    hr_metrics_free(metrics);
}

/* A name cannot come back with another type, help text or set of label names. */
static void metrics_refuse_a_name_used_differently(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_metric_label label = {HR_STR("a"), HR_STR("1")};
    struct hr_metric_desc desc = desc_of("c_total", "Things that happened.");
    struct hr_metric_desc other_help = desc_of("c_total", "Something else.");
    struct hr_gauge *gauge;
    struct hr_counter *found;
    struct hr_diag diag;
    counter(metrics, "c_total", NULL, 0);
    assert_int_equal(hr_metrics_gauge(metrics, &desc, &gauge, &diag), HR_CONFLICT);
    assert_string_equal(diag.text, "metric c_total is there with another type");
    assert_int_equal(hr_metrics_counter(metrics, &other_help, &found, &diag), HR_CONFLICT);
    assert_string_equal(diag.text, "metric c_total is there with another help text");
    desc.labels = &label;
    desc.label_count = 1;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, &diag), HR_CONFLICT);
    assert_string_equal(diag.text, "metric c_total is there with another set of label names");
    hr_metrics_free(metrics);
}

/* What the format could not carry is refused, with what is wrong. */
static void metrics_refuse_malformed_descriptions(void **state)
{
    (void)state;
    static char text[HR_METRICS_TEXT_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    const struct {
        struct hr_str name;
        struct hr_str help;
        struct hr_metric_label label;
        enum hr_err err;
    } rows[] = {
        {HR_STR(""), HR_STR(""), {HR_STR("a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("9a"), HR_STR(""), {HR_STR("a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a-b"), HR_STR(""), {HR_STR("a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a b"), HR_STR(""), {HR_STR("a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR("\xff"), {HR_STR("a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR(""), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR("a:b"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR("__a"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR("a"), HR_STR("\xff")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR("le"), HR_STR("")}, HR_BAD_INPUT},
        {HR_STR("a"), HR_STR(""), {HR_STR("a"), {text, sizeof text}}, HR_TOO_BIG},
        {{text, sizeof text}, HR_STR(""), {HR_STR("a"), HR_STR("")}, HR_TOO_BIG},
        {HR_STR("a"), {text, sizeof text}, {HR_STR("a"), HR_STR("")}, HR_TOO_BIG},
        {HR_STR("a:b_9"), HR_STR(""), {HR_STR("_a9"), {text, sizeof text - 1}}, HR_OK},
    };
    struct hr_metrics *metrics = hr_metrics_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_metric_desc desc = {rows[i].name, rows[i].help, &rows[i].label, 1};
        struct hr_histogram *found;
        struct hr_diag diag = {0};
        assert_int_equal(hr_metrics_histogram(metrics, &desc, &found, &diag), rows[i].err);
        assert_int_equal(diag.text[0] != '\0', rows[i].err != HR_OK);
    }
    struct hr_metric_label twice[] = {{HR_STR("a"), HR_STR("1")}, {HR_STR("a"), HR_STR("2")}};
    struct hr_metric_label many[HR_METRICS_LABELS_MAX + 1];
    for (size_t i = 0; i <= HR_METRICS_LABELS_MAX; i++) {
        many[i] = (struct hr_metric_label){hr_str_of("abcdefghi" + i, 1), HR_STR("")};
    }
    struct hr_metric_desc desc = {HR_STR("t"), HR_STR(""), twice, 2};
    struct hr_counter *found;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, NULL), HR_BAD_INPUT);
    desc = (struct hr_metric_desc){HR_STR("t"), HR_STR(""), many, HR_METRICS_LABELS_MAX + 1};
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, NULL), HR_BAD_INPUT);
    desc.label_count--;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, NULL), HR_OK);
    hr_metrics_free(metrics);
}

/* The number of series is bounded; those that are there can still be found. */
static void metrics_bound_the_number_of_series(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    char value[16];
    struct hr_metric_label label = {HR_STR("n"), HR_STR("")};
    for (unsigned i = 0; i < HR_METRICS_SERIES_MAX; i++) {
        snprintf(value, sizeof value, "%u", i);
        label.value = hr_str_c(value);
        counter(metrics, "c_total", &label, 1);
    }
    struct hr_metric_desc desc = desc_of("c_total", "Things that happened.");
    struct hr_metric_desc fresh = desc_of("d_total", "");
    struct hr_counter *found;
    struct hr_diag diag;
    label.value = HR_STR("more");
    desc.labels = &label;
    desc.label_count = 1;
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, &diag), HR_BUSY);
    assert_string_equal(diag.text, "metric c_total: there are 4096 series already");
    assert_int_equal(hr_metrics_counter(metrics, &fresh, &found, &diag), HR_BUSY);
    label.value = HR_STR("17");
    assert_int_equal(hr_metrics_counter(metrics, &desc, &found, &diag), HR_OK);
    hr_metrics_free(metrics);
    assert_int_equal(hr_alloc_live(), 0);
}

/* A rendering that does not fit leaves the buffer as it was. */
static void metrics_render_is_all_or_nothing(void **state)
{
    (void)state;
    struct hr_metrics *metrics = hr_metrics_new();
    struct hr_buf buf = {.max = 64};
    counter(metrics, "c_total", NULL, 0);
    counter(metrics, "d_total", NULL, 0);
    assert_int_equal(hr_buf_append(&buf, HR_STR("before")), HR_OK);
    assert_int_equal(hr_metrics_render(metrics, &buf), HR_TOO_BIG);
    assert_true(hr_str_eq(hr_buf_str(&buf), HR_STR("before")));
    hr_buf_release(&buf);
    hr_metrics_free(metrics);
}

struct shared {
    struct hr_metrics *metrics;
    struct hr_counter *counter;
    struct hr_gauge *gauge;
    struct hr_histogram *histogram;
};

static void *add_up(void *arg)
{
    struct shared *shared = arg;
    for (uint64_t i = 0; i < ADDITIONS; i++) {
        hr_counter_add(shared->counter, 2);
        hr_gauge_add(shared->gauge, i % 2 ? 3 : -1);
        hr_histogram_observe(shared->histogram, i % 20000);
    }
    return NULL;
}

static void *look_and_render(void *arg)
{
    struct shared *shared = arg;
    struct hr_buf buf = {0};
    for (uint64_t i = 0; i < 200; i++) {
        char value[16];
        struct hr_metric_label label = {HR_STR("n"), HR_STR("")};
        struct hr_metric_desc desc = {HR_STR("made_meanwhile"), HR_STR(""), &label, 1};
        struct hr_gauge *gauge;
        snprintf(value, sizeof value, "%u", (unsigned)i % 50);
        label.value = hr_str_c(value);
        if (hr_metrics_gauge(shared->metrics, &desc, &gauge, NULL) ||
            hr_metrics_render(shared->metrics, &buf)) {
            return NULL;
        }
        hr_buf_clear(&buf);
    }
    hr_buf_release(&buf);
    return shared;
}

/* Additions from several threads all count, while others make series and render. */
static void metrics_count_from_several_threads(void **state)
{
    (void)state;
    struct shared shared = {.metrics = hr_metrics_new()};
    struct hr_metric_desc c = desc_of("c", "");
    struct hr_metric_desc g = desc_of("g", "");
    struct hr_metric_desc h = desc_of("h", "");
    pthread_t adders[THREADS];
    pthread_t renderers[2];
    struct hr_buf buf = {0};
    assert_int_equal(hr_metrics_counter(shared.metrics, &c, &shared.counter, NULL), HR_OK);
    assert_int_equal(hr_metrics_gauge(shared.metrics, &g, &shared.gauge, NULL), HR_OK);
    assert_int_equal(hr_metrics_histogram(shared.metrics, &h, &shared.histogram, NULL), HR_OK);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&adders[i], NULL, add_up, &shared), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&renderers[i], NULL, look_and_render, &shared), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(adders[i], NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *result;
        assert_int_equal(pthread_join(renderers[i], &result), 0);
        assert_ptr_equal(result, &shared);
    }
    assert_int_equal(hr_metrics_render(shared.metrics, &buf), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '\0'), HR_OK);
    assert_non_null(strstr(buf.ptr, "\nc 400000\n"));
    assert_non_null(strstr(buf.ptr, "\ng 200000\n"));
    /* Two rounds of 10,001 values up to the first bound, and half a round of 10,000; four threads. */
    assert_non_null(strstr(buf.ptr, "h_bucket{le=\"0.00001\"} 120008\n"));
    assert_non_null(strstr(buf.ptr, "h_bucket{le=\"+Inf\"} 200000\n"));
    assert_non_null(strstr(buf.ptr, "\nh_count 200000\n"));
    hr_buf_release(&buf);
    hr_metrics_free(shared.metrics);
}

/* Any allocation may fail: the lookup says so, nothing leaks, and the registry stays whole. */
static void metrics_survive_lack_of_memory(void **state)
{
    (void)state;
    struct hr_metric_label label = {HR_STR("a"), HR_STR("1")};
    struct hr_metric_desc desc = {HR_STR("c"), HR_STR("h"), &label, 1};
    struct hr_metrics *metrics;
    struct hr_counter *found;
    enum hr_err err;
    int64_t countdown = 0;
    hr_alloc_fail_after(0);
    assert_null(hr_metrics_new());
    hr_alloc_fail_after(-1);
    metrics = hr_metrics_new();
    int64_t live = hr_alloc_live();
    do {
        hr_alloc_fail_after(countdown++);
        err = hr_metrics_counter(metrics, &desc, &found, NULL);
        hr_alloc_fail_after(-1);
        assert_true(err == HR_OK || err == HR_NO_MEMORY);
        assert_true(err == HR_OK || hr_alloc_live() == live);
    } while (err);
    assert_true(countdown > 5);
    assert_renders(metrics, "# HELP c h\n# TYPE c counter\nc{a=\"1\"} 0\n");
    hr_metrics_free(metrics);
    hr_metrics_free(NULL);
    assert_int_equal(hr_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_render_counters_and_gauges),
        cmocka_unit_test(metrics_render_histograms),
        cmocka_unit_test(metrics_render_a_histogram_without_labels),
        cmocka_unit_test(metrics_render_escapes),
        cmocka_unit_test(metrics_render_reads_callbacks),
        cmocka_unit_test(metrics_find_the_series_again),
        cmocka_unit_test(metrics_refuse_a_name_used_differently),
        cmocka_unit_test(metrics_refuse_malformed_descriptions),
        cmocka_unit_test(metrics_bound_the_number_of_series),
        cmocka_unit_test(metrics_render_is_all_or_nothing),
        cmocka_unit_test(metrics_count_from_several_threads),
        cmocka_unit_test(metrics_survive_lack_of_memory),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
