/* `hedgerow kv`: the operator's view of the Distributed-KV actor, asked of one host over its admin address. */
#ifndef CLI_KV_H
#define CLI_KV_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* What the exit status says: as CLI_OK, CLI_FAILED and CLI_USAGE in number. */
#define KV_EQUAL 0   /* done; nothing differs */
#define KV_DIFFERS 1 /* sites differ, or lines were not imported */
#define KV_ERROR 2   /* it could not be done, or was asked wrongly */

#define KV_WORDS_MAX 3u
#define KV_TIMEOUT_MS 70000u
#define KV_CALLS_MAX 4u

struct kv_options {
    const char *words[KV_WORDS_MAX]; /* after `kv`: verb and arguments */
    size_t word_count;
    char url[128];
    bool json;
    bool digest;
    bool rebuild;
    const char *after;  /* of an export */
    uint64_t from_line; /* of an import; from 1 */
};

/* One request and its reply. */
struct kv_call {
    struct hr_buf body; /* JSON */
    struct hr_buf answer;
    yyjson_doc *doc; /* of the answer, numbers raw; borrows @answer */
    yyjson_val *root;
};

/* Makes up to KV_CALLS_MAX calls at once. Prints what is wrong to standard error and returns false if one has no good
 * reply. Owns: the calls are released by kv_release in either case. */
bool kv_run(const struct kv_options *options, struct kv_call *calls, size_t count);
void kv_release(struct kv_call *calls, size_t count);
/* Appends a JSON string with its quotes. */
HR_MUST_CHECK enum hr_err kv_quote(struct hr_buf *buf, struct hr_str text);
/* Member @name as text, and as a number; "" and 0 if it is none. */
const char *kv_text(yyjson_val *object, const char *name);
uint64_t kv_number(yyjson_val *object, const char *name);
bool kv_flag(yyjson_val *object, const char *name);
/* Prints one value as a line of compact JSON. False: it cannot be written. */
bool kv_print_line(yyjson_val *value);

int kv_status(const struct kv_options *options);
int kv_verify(const struct kv_options *options);
int kv_repair(const struct kv_options *options);
int kv_export(const struct kv_options *options);
int kv_import(const struct kv_options *options);
int kv_member(const struct kv_options *options);

#endif
