/* hedgerow kv export and import: values as lines of JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kv.h"

#define ITEMS_MAX 32u
#define ITEMS_BYTES_MAX ((size_t)1 << 20)
#define LINE_BYTES_MAX ((size_t)2 << 20)

/* --- export ------------------------------------------------------------------------------------------- */

/* Prints a page. ret_more: there is another one, after @after. */
static bool print_page(yyjson_val *root, char *after, size_t size, bool *ret_more)
{
    yyjson_val *item;
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "items"));
    bool printed = true;
    while ((item = yyjson_arr_iter_next(&iter)) != NULL && printed) {
        printed = kv_print_line(item);
    }
    const char *next = kv_text(root, "next");
    *ret_more = printed && next[0] != '\0';
    if (*ret_more) {
        snprintf(after, size, "%s", next);
    }
    return printed && fflush(stdout) == 0;
}

int kv_export(const struct kv_options *options)
{
    char after[300] = "";
    bool more = true;
    bool good = true;
    snprintf(after, sizeof after, "%s", options->after ? options->after : "");
    while (good && more) {
        struct kv_call call = {.body = {.max = 1024}};
        enum hr_err err = hr_buf_printf(&call.body, "{\"verb\":\"export\",\"after\":");
        err = err ? err : kv_quote(&call.body, hr_str_c(after));
        err = err ? err : hr_buf_append_byte(&call.body, '}');
        good =
            !err && kv_run(options, &call, 1) && print_page(call.root, after, sizeof after, &more);
        kv_release(&call, 1);
    }
    if (!good && after[0]) {
        fprintf(
            stderr,
            "hedgerow: kv export: everything up to the key %s is written; go on with --after %s\n",
            after, after);
    }
    return good ? KV_EQUAL : KV_ERROR;
}

/* --- import ------------------------------------------------------------------------------------------- */

/* Lines on their way, of one request. */
struct batch {
    struct kv_call call;
    uint64_t lines[ITEMS_MAX]; /* the number of each item's line */
    size_t count;
};

struct import {
    const struct kv_options *options;
    char *line;
    size_t line_cap;
    uint64_t line_number; /* of the last one that was read */
    bool end;
    uint64_t imported;
    uint64_t failed;
    struct batch batches[KV_CALLS_MAX];
    /* A line that did not go into the batch before. */
    struct hr_buf kept;
    uint64_t kept_line;
};

static void tell_line(struct import *import, uint64_t line, const char *problem)
{
    import->failed++;
    fprintf(stderr, "hedgerow: line %llu: %s\n", (unsigned long long)line, problem);
}

/* What of a line the actor needs, as JSON in @kept. False: it is no such line, which is told. */
static bool keep_line(struct import *import, size_t len)
{
    yyjson_doc *doc = yyjson_read(import->line, len, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = doc ? yyjson_doc_get_root(doc) : NULL;
    yyjson_val *key = yyjson_obj_get(root, "key");
    yyjson_val *value = yyjson_obj_get(root, "value");
    size_t value_len = 0;
    bool sound = yyjson_is_str(key) && yyjson_is_obj(value) && len <= LINE_BYTES_MAX;
    char *text = sound ? yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &value_len) : NULL;
    enum hr_err err = HR_OK;
    if (!sound) {
        tell_line(import, import->line_number,
                  "it is no JSON object with a \"key\" and an object \"value\", or is too long");
    } else {
        hr_buf_clear(&import->kept);
        err = hr_buf_printf(&import->kept, "{\"key\":");
        err = err ? err
                  : kv_quote(&import->kept, hr_str_of(yyjson_get_str(key), yyjson_get_len(key)));
        err = err ? err : hr_buf_printf(&import->kept, ",\"value\":");
        err =
            err || !text ? HR_NO_MEMORY : hr_buf_append(&import->kept, hr_str_of(text, value_len));
        err = err ? err : hr_buf_append_byte(&import->kept, '}');
        if (err) {
            tell_line(import, import->line_number, hr_err_text(err));
        }
    }
    import->kept_line = sound && !err ? import->line_number : 0;
    free(text);
    yyjson_doc_free(doc);
    return import->kept_line > 0;
}

static bool is_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r\n") >= len;
}

/* Reads on to the next good line, or the end. */
static void read_line(struct import *import)
{
    while (!import->end && import->kept_line == 0) {
        ssize_t len = getline(&import->line, &import->line_cap, stdin);
        import->end = len < 0;
        import->line_number += len >= 0;
        if (len > 0 && import->line_number >= import->options->from_line &&
            !is_blank(import->line, (size_t)len) && keep_line(import, (size_t)len)) {
            return;
        }
    }
}

/* Fills a batch with lines. */
static enum hr_err fill(struct import *import, struct batch *batch)
{
    *batch = (struct batch){.call = {.body = {.max = ITEMS_BYTES_MAX + 2 * LINE_BYTES_MAX}}};
    enum hr_err err = hr_buf_printf(&batch->call.body, "{\"verb\":\"import\",\"items\":[");
    read_line(import);
    while (!err && import->kept_line > 0 && batch->count < ITEMS_MAX &&
           (batch->count == 0 || batch->call.body.len + import->kept.len < ITEMS_BYTES_MAX)) {
        err = batch->count > 0 ? hr_buf_append_byte(&batch->call.body, ',') : HR_OK;
        err = err ? err : hr_buf_append(&batch->call.body, hr_buf_str(&import->kept));
        batch->lines[batch->count++] = import->kept_line;
        import->kept_line = 0;
        read_line(import);
    }
    return err ? err : hr_buf_printf(&batch->call.body, "]}");
}

static void take_reply(struct import *import, const struct batch *batch)
{
    yyjson_val *failure;
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(batch->call.root, "failed"));
    while ((failure = yyjson_arr_iter_next(&iter)) != NULL) {
        uint64_t index = kv_number(failure, "index");
        tell_line(import, index < batch->count ? batch->lines[index] : 0,
                  kv_text(failure, "message"));
    }
    import->imported += kv_number(batch->call.root, "imported");
}

/* A few requests at once. False: one of them has no good reply, which is told. */
static bool import_some(struct import *import)
{
    struct kv_call calls[KV_CALLS_MAX] = {0};
    size_t count = 0;
    uint64_t first = 0;
    enum hr_err err = HR_OK;
    while (!err && count < KV_CALLS_MAX) {
        struct batch *batch = &import->batches[count];
        err = fill(import, batch);
        if (batch->count == 0) {
            kv_release(&batch->call, 1);
            break;
        }
        first = count == 0 ? batch->lines[0] : first;
        calls[count++] = batch->call;
    }
    bool good = !err && (count == 0 || kv_run(import->options, calls, count));
    for (size_t i = 0; i < count; i++) {
        import->batches[i].call = calls[i];
        if (calls[i].root && !yyjson_obj_get(calls[i].root, "error")) {
            take_reply(import, &import->batches[i]);
        }
    }
    if (!good) {
        fprintf(stderr,
                "hedgerow: kv import: whether all lines from %llu on were imported is not known; "
                "go on with "
                "--from-line %llu, which is harmless\n",
                (unsigned long long)first, (unsigned long long)first);
    }
    kv_release(calls, count);
    return good;
}

int kv_import(const struct kv_options *options)
{
    struct import *import = calloc(1, sizeof *import);
    bool good = import != NULL;
    if (!import) {
        fprintf(stderr, "hedgerow: kv import: %s\n", hr_err_text(HR_NO_MEMORY));
        return KV_ERROR;
    }
    import->options = options;
    import->kept = (struct hr_buf){.max = 2 * LINE_BYTES_MAX};
    while (good && (!import->end || import->kept_line > 0)) {
        good = import_some(import);
    }
    good = good && !ferror(stdin);
    if (options->json) {
        printf("{\"imported\":%llu,\"failed\":%llu}\n", (unsigned long long)import->imported,
               (unsigned long long)import->failed);
    } else {
        printf("%llu values imported, %llu lines failed\n", (unsigned long long)import->imported,
               (unsigned long long)import->failed);
    }
    int status = !good ? KV_ERROR : import->failed > 0 ? KV_DIFFERS : KV_EQUAL;
    hr_buf_release(&import->kept);
    free(import->line);
    free(import);
    return status;
}
