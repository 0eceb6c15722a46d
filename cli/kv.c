/* hedgerow kv: arguments, and calls of the admin address. */
#include "cli/kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clouds_http.h"
#include "cli/verbs.h"

#define DEFAULT_ADMIN "127.0.0.1:9090"

static const char help[] =
    "hedgerow kv asks a host's admin address about the values that the sites keep.\n"
    "\n"
    "  hedgerow kv status [--digest]     each site: its newest change, what it lacks, its clock, "
    "its feed;\n"
    "                                    --digest: whether it holds the same records as the host "
    "that is asked\n"
    "  hedgerow kv verify                compares all sites key by key, and each site's index with "
    "its records\n"
    "  hedgerow kv repair [--rebuild]    the same, and puts right what differs; --rebuild: the "
    "host's site\n"
    "                                    takes everything anew from another one\n"
    "  hedgerow kv export [--after KEY]  writes every value as a line of JSON to standard output\n"
    "  hedgerow kv import [--from-line N]\n"
    "                                    reads such lines from standard input and writes each as\n"
    "                                    wasmkv.set does: members that a line does not name stay\n"
    "  hedgerow kv member remove NAME    takes a site that is gone for good out of the group\n"
    "\n"
    "  --admin URL     the host's admin address; default $HEDGEROW_ADMIN, else " DEFAULT_ADMIN "\n"
    "  --bucket NAME   the bucket; default `default`\n"
    "  --json          a line of JSON for each thing that is told\n"
    "\n"
    "Exit status: 0 nothing differs, 1 sites differ or lines were not imported, 2 it could not be "
    "done.\n";

static const struct {
    const char *name;
    size_t words; /* it and its arguments */
    int (*run)(const struct kv_options *options);
} verbs[] = {
    {"status", 1, kv_status}, {"verify", 1, kv_verify}, {"repair", 1, kv_repair},
    {"export", 1, kv_export}, {"import", 1, kv_import}, {"member", 3, kv_member},
};

/* --- calls -------------------------------------------------------------------------------------------- */

/* What the host or the actor says is wrong; NULL if nothing is. */
static const char *problem_of(const struct clouds_request *request, struct kv_call *call)
{
    if (request->status == 0) {
        return "no answer; is a host running there, and is its admin address this one?";
    }
    call->doc = yyjson_read(call->answer.ptr, call->answer.len, YYJSON_READ_NUMBER_AS_RAW);
    call->root = call->doc ? yyjson_doc_get_root(call->doc) : NULL;
    if (!yyjson_is_obj(call->root)) {
        return request->status == 404 ? "the host has no /kv; it is of an older version"
                                      : "the answer is no JSON object";
    }
    yyjson_val *error = yyjson_obj_get(call->root, "error");
    if (error) {
        return kv_text(error, "message");
    }
    return request->status == 200 ? NULL : kv_text(call->root, "detail");
}

bool kv_run(const struct kv_options *options, struct kv_call *calls, size_t count)
{
    struct clouds_request requests[KV_CALLS_MAX];
    bool good = count <= KV_CALLS_MAX;
    for (size_t i = 0; good && i < count; i++) {
        requests[i] = (struct clouds_request){.method = "POST", .body = hr_buf_str(&calls[i].body)};
        snprintf(requests[i].url, sizeof requests[i].url, "%s", options->url);
    }
    enum hr_err err = good ? clouds_http_run(requests, count, KV_TIMEOUT_MS) : HR_INTERNAL;
    if (err) {
        fprintf(stderr, "hedgerow: kv: %s\n", hr_err_text(err));
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        calls[i].answer = requests[i].answer;
        const char *problem = problem_of(&requests[i], &calls[i]);
        if (problem && good) {
            fprintf(stderr, "hedgerow: kv %s: %s: %s\n", options->words[0], options->url, problem);
        }
        good = good && !problem;
    }
    return good;
}

void kv_release(struct kv_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        yyjson_doc_free(calls[i].doc);
        hr_buf_release(&calls[i].answer);
        hr_buf_release(&calls[i].body);
        calls[i] = (struct kv_call){0};
    }
}

enum hr_err kv_quote(struct hr_buf *buf, struct hr_str text)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t len = 0;
    char *quoted = doc ? yyjson_mut_val_write(yyjson_mut_strn(doc, text.ptr, text.len),
                                              YYJSON_WRITE_NOFLAG, &len)
                       : NULL;
    enum hr_err err = quoted ? hr_buf_append(buf, hr_str_of(quoted, len)) : HR_NO_MEMORY;
    free(quoted);
    yyjson_mut_doc_free(doc);
    return err;
}

const char *kv_text(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));
    return text ? text : "";
}

uint64_t kv_number(yyjson_val *object, const char *name)
{
    uint64_t number = 0;
    yyjson_val *value = yyjson_obj_get(object, name);
    struct hr_str digits = yyjson_is_raw(value)
                               ? hr_str_of(yyjson_get_raw(value), yyjson_get_len(value))
                               : (struct hr_str){0};
    return hr_str_to_u64(digits, &number) ? number : 0;
}

bool kv_flag(yyjson_val *object, const char *name)
{
    return yyjson_is_true(yyjson_obj_get(object, name));
}

bool kv_print_line(yyjson_val *value)
{
    size_t len = 0;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
    bool printed = text && fwrite(text, 1, len, stdout) == len && putchar('\n') != EOF;
    free(text);
    return printed;
}

/* --- arguments ---------------------------------------------------------------------------------------- */

/* An address as manifests have it, or a URL, becomes the URL of /kv. */
static bool make_url(struct kv_options *options, const char *admin, const char *bucket)
{
    static const char scheme[] = "http://";
    const char *address =
        strncmp(admin, scheme, sizeof scheme - 1) == 0 ? admin + sizeof scheme - 1 : admin;
    size_t len = strlen(address);
    while (len > 0 && address[len - 1] == '/') {
        len--;
    }
    const char *host = address[0] == ':' ? "127.0.0.1" : "";
    int written = snprintf(options->url, sizeof options->url, "%s%s%.*s/kv%s%s", scheme, host,
                           (int)len, address, bucket ? "/" : "", bucket ? bucket : "");
    return len > 0 && written > 0 && (size_t)written < sizeof options->url;
}

static int usage(const char *problem, const char *word)
{
    fprintf(stderr, "hedgerow: kv: %s%s; `hedgerow kv help` says how\n", problem, word);
    return KV_ERROR;
}

struct arguments {
    const char *admin;
    const char *bucket;
    const char *from_line;
};

/* Whether @word is an option with a value; then where that goes. */
static const char **valued(const char *word, struct arguments *arguments,
                           struct kv_options *options)
{
    const struct {
        const char *name;
        const char **place;
    } rows[] = {{"--admin", &arguments->admin},
                {"--bucket", &arguments->bucket},
                {"--from-line", &arguments->from_line},
                {"--after", &options->after}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(word, rows[i].name) == 0) {
            return rows[i].place;
        }
    }
    return NULL;
}

static bool *flagged(const char *word, struct kv_options *options)
{
    return strcmp(word, "--json") == 0      ? &options->json
           : strcmp(word, "--digest") == 0  ? &options->digest
           : strcmp(word, "--rebuild") == 0 ? &options->rebuild
                                            : NULL;
}

static int read_arguments(int argc, char **argv, struct kv_options *options)
{
    const char *admin = getenv("HEDGEROW_ADMIN");
    struct arguments arguments = {.admin = admin && admin[0] ? admin : DEFAULT_ADMIN};
    for (int i = 0; i < argc; i++) {
        bool *flag = flagged(argv[i], options);
        const char **place = valued(argv[i], &arguments, options);
        if (flag) {
            *flag = true;
        } else if (place && i + 1 < argc) {
            *place = argv[++i];
        } else if (place || argv[i][0] == '-') {
            return usage(place ? "a value is missing after " : "there is no option ", argv[i]);
        } else if (options->word_count == KV_WORDS_MAX) {
            return usage("too many arguments: ", argv[i]);
        } else {
            options->words[options->word_count++] = argv[i];
        }
    }
    options->from_line = 1;
    if (arguments.from_line &&
        (!hr_str_to_u64(hr_str_c(arguments.from_line), &options->from_line) ||
         options->from_line == 0)) {
        return usage("--from-line wants a number from 1 on, not ", arguments.from_line);
    }
    return make_url(options, arguments.admin, arguments.bucket)
               ? KV_EQUAL
               : usage("--admin wants host:port or http://host:port, not ", arguments.admin);
}

int cli_kv(int argc, char **argv)
{
    struct kv_options options = {0};
    int status = read_arguments(argc, argv, &options);
    if (status) {
        return status;
    }
    if (options.word_count == 0 || strcmp(options.words[0], "help") == 0) {
        fputs(help, options.word_count == 0 ? stderr : stdout);
        return options.word_count == 0 ? KV_ERROR : KV_EQUAL;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(options.words[0], verbs[i].name) == 0) {
            return options.word_count == verbs[i].words
                       ? verbs[i].run(&options)
                       : usage("too many or too few arguments of ", verbs[i].name);
        }
    }
    return usage("there is no verb ", options.words[0]);
}
