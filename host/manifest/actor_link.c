/* What the links of an actor say. A link's name is one of host/manifest/link.h's table; each that takes keys has a
 * function here. This file also reads the JSON that a keyvalue link may point at, and so owns
 * yyjson. */
#include <yyjson.h>

#include "base/buf.h"
#include "host/bus/bus.h"
#include "host/manifest/file.h"
#include "host/manifest/reader.h"
#include "host/bus/subject.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUTE_BYTES_MAX 512u
#define KEY_BYTES_MAX 256u

/* Checks one entry of a list; false after a problem. */
typedef bool (*entry_check)(struct hr_manifest_reader *reader, const struct hr_manifest_item *item);

/* Reads a sequence of scalars that pass @check and are there once. */
static void read_list(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                      size_t max, entry_check check, struct hr_manifest_list *ret_list)
{
    if (!hr_manifest_is_sequence(reader, node, max)) {
        return;
    }
    struct hr_str *items = hr_manifest_take(reader, node->count, sizeof *items);
    size_t count = 0;
    for (const struct hr_manifest_node *entry = node->first; items && entry; entry = entry->next) {
        struct hr_manifest_item item;
        if (!hr_manifest_scalar(reader, entry, &item) || !check(reader, &item)) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            if (hr_str_eq(items[i], item.text)) {
                hr_manifest_problem(reader, entry, "is in the list twice");
            }
        }
        items[count++] = item.text;
    }
    *ret_list = (struct hr_manifest_list){items, count};
}

static bool fail(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                 const char *what)
{
    char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
    hr_manifest_item_problem(reader, item, "`%s` is not %s", hr_manifest_quote(item->text, quote),
                             what);
    return false;
}

static bool check_subject(struct hr_manifest_reader *reader, const struct hr_manifest_item *item)
{
    bool good = item->text.len <= HR_BUS_SUBJECT_BYTES_MAX && hr_subject_is_pattern(item->text);
    return good || fail(reader, item,
                        "a subject: words between dots, `*` for any one, `>` at the end for any "
                        "rest");
}

/* The first list of strings, when the second is not there. */
static void default_list(struct hr_manifest_reader *reader, const char *entry,
                         struct hr_manifest_list *ret_list)
{
    struct hr_str *items = hr_manifest_take(reader, 1, sizeof *items);
    if (items) {
        items[0] = hr_str_c(entry);
        *ret_list = (struct hr_manifest_list){items, 1};
    }
}

/* ---- http ---- */

static bool check_route(struct hr_manifest_reader *reader, const struct hr_manifest_item *item)
{
    bool good = item->text.len <= ROUTE_BYTES_MAX && hr_str_starts(item->text, HR_STR("/"));
    for (size_t i = 0; i < item->text.len; i++) {
        char c = item->text.ptr[i];
        good = good && c > ' ' && c <= '~' && c != '?' && c != '#';
    }
    return good || fail(reader, item, "a route: the beginning of a path, as in / or /api/");
}

static void read_http(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                      struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"routes"};
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    const struct hr_manifest_node *routes = hr_manifest_child(node, "routes");
    if (routes) {
        read_list(reader, routes, HR_MANIFEST_ROUTES_MAX, check_route, &actor->routes);
    } else {
        default_list(reader, "/", &actor->routes);
    }
    size_t before = reader->route_count;
    reader->route_count += actor->routes.count;
    if (before <= HR_MANIFEST_ROUTES_MAX && reader->route_count > HR_MANIFEST_ROUTES_MAX) {
        hr_manifest_problem(reader, node, "more than %u routes in all", HR_MANIFEST_ROUTES_MAX);
    }
}

/* ---- messaging and gather ---- */

static void read_subjects(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                          const char *key, struct hr_manifest_list *ret_list)
{
    const struct hr_manifest_node *subjects = hr_manifest_child(node, key);
    if (subjects) {
        read_list(reader, subjects, HR_MANIFEST_LIST_MAX, check_subject, ret_list);
    }
}

static void read_queue(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                       struct hr_str *ret_queue)
{
    if (item->text.len <= HR_BUS_QUEUE_BYTES_MAX && hr_subject_is_queue(item->text)) {
        *ret_queue = item->text;
    } else {
        fail(reader, item, "a queue group's name: 1 to 64 bytes without spaces");
    }
}

static void read_every(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                       struct hr_manifest_subscription *subscription)
{
    uint64_t every_ms;
    if (!hr_manifest_read_duration(reader, item, HR_MANIFEST_EVERY_MS_MIN, HR_MANIFEST_EVERY_MS_MAX,
                                   &every_ms)) {
        return;
    }
    if (subscription->queue.len > 0 || subscription->batch > 0 ||
        hr_subject_has_wildcard(subscription->subject)) {
        hr_manifest_item_problem(reader, item,
                                 "goes with a subject without wildcards and nothing else: the host "
                                 "itself makes the message");
        return;
    }
    subscription->every_ms = (uint32_t)every_ms;
}

static void read_batch(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                       struct hr_manifest_subscription *subscription)
{
    struct hr_manifest_item item;
    uint64_t batch;
    bool ordered = true;
    if (hr_manifest_member(reader, node, "batch", &item) &&
        hr_manifest_read_number(reader, &item, 1, HR_MANIFEST_BATCH_MAX, &batch)) {
        subscription->batch = (uint32_t)batch;
    }
    if (!hr_manifest_member(reader, node, "ordered", &item) ||
        !hr_manifest_read_switch(reader, &item, &ordered)) {
        return;
    }
    if (hr_manifest_child(node, "batch")) {
        subscription->unordered = !ordered;
    } else {
        hr_manifest_item_problem(reader, &item,
                                 "goes with `batch`: calls of one message have no order");
    }
}

/* A subject alone, or {subject, queue, batch, ordered, echo}, or {subject, every}. */
static void read_subscription(struct hr_manifest_reader *reader,
                              const struct hr_manifest_node *node,
                              struct hr_manifest_subscription *ret_subscription)
{
    static const char *const keys[] = {"subject", "queue", "batch", "ordered", "echo", "every"};
    struct hr_manifest_item item;
    bool echo = true;
    if (node->kind == HR_MANIFEST_SCALAR && !hr_manifest_is_null(node)) {
        if (hr_manifest_scalar(reader, node, &item) && check_subject(reader, &item)) {
            ret_subscription->subject = item.text;
        }
        return;
    }
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    if (!hr_manifest_child(node, "subject")) {
        hr_manifest_problem(reader, node, "needs a subject: {subject: a.b, queue: q}");
    } else if (hr_manifest_member(reader, node, "subject", &item) && check_subject(reader, &item)) {
        ret_subscription->subject = item.text;
    }
    if (hr_manifest_member(reader, node, "queue", &item)) {
        read_queue(reader, &item, &ret_subscription->queue);
    }
    read_batch(reader, node, ret_subscription);
    if (hr_manifest_member(reader, node, "echo", &item) &&
        hr_manifest_read_switch(reader, &item, &echo)) {
        ret_subscription->no_echo = !echo;
    }
    if (hr_manifest_member(reader, node, "every", &item)) {
        read_every(reader, &item, ret_subscription);
    }
}

static void read_subscriptions(struct hr_manifest_reader *reader,
                               const struct hr_manifest_node *node, struct hr_manifest_actor *actor)
{
    if (!hr_manifest_is_sequence(reader, node, HR_MANIFEST_LIST_MAX)) {
        return;
    }
    struct hr_manifest_subscription *list = hr_manifest_take(reader, node->count, sizeof *list);
    size_t count = 0;
    for (const struct hr_manifest_node *entry = node->first; list && entry; entry = entry->next) {
        struct hr_manifest_subscription *subscription = &list[count];
        read_subscription(reader, entry, subscription);
        for (size_t i = 0; i < count; i++) {
            if (subscription->subject.len > 0 &&
                hr_str_eq(list[i].subject, subscription->subject) &&
                hr_str_eq(list[i].queue, subscription->queue)) {
                hr_manifest_problem(reader, entry, "the same subject and queue are there twice");
            }
        }
        count++;
    }
    actor->subscriptions = list;
    actor->subscription_count = count;
}

static void read_messaging(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                           struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"publish", "subscribe", "safe", "idempotent"};
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    const struct hr_manifest_node *subscribe = hr_manifest_child(node, "subscribe");
    read_subjects(reader, node, "publish", &actor->publish);
    read_subjects(reader, node, "safe", &actor->safe);
    read_subjects(reader, node, "idempotent", &actor->idempotent);
    if (subscribe) {
        read_subscriptions(reader, subscribe, actor);
    }
}

static void read_gather(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"publish"};
    if (hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        read_subjects(reader, node, "publish", &actor->gather);
    }
}

/* ---- keyvalue ---- */

static bool check_bucket(struct hr_manifest_reader *reader, const struct hr_manifest_item *item)
{
    bool good = item->text.len > 0 && item->text.len <= HR_KV_BUCKET_BYTES_MAX;
    for (size_t i = 0; i < item->text.len; i++) {
        good = good && (unsigned char)item->text.ptr[i] > ' ' && item->text.ptr[i] != 0x7f;
    }
    return good || fail(reader, item, "a bucket's name: 1 to 64 bytes without spaces");
}

/* Takes the member "url" out of the object @root, which has nothing else. */
static bool url_of_json(struct hr_manifest_reader *reader, const struct hr_manifest_item *file,
                        yyjson_val *root, struct hr_manifest_item *ret_url)
{
    yyjson_val *url = yyjson_obj_get(root, "url");
    if (!yyjson_is_str(url) || yyjson_obj_size(root) != 1) {
        hr_manifest_item_problem(reader, file,
                                 "the file must be {\"url\": \"<the store's URL>\"} and nothing "
                                 "else");
        return false;
    }
    *ret_url = (struct hr_manifest_item){
        .text = hr_manifest_copy(reader, hr_str_of(yyjson_get_str(url), yyjson_get_len(url))),
        .node = file->node};
    if (hr_str_find(ret_url->text, '\0', 0) != SIZE_MAX) {
        hr_manifest_item_problem(reader, file, "the file's url holds a NUL byte");
        return false;
    }
    return ret_url->text.ptr != NULL;
}

static bool parse_json(struct hr_manifest_reader *reader, const struct hr_manifest_item *file,
                       struct hr_buf *text, struct hr_manifest_item *ret_url)
{
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts(text->ptr, text->len, 0, NULL, &why);
    if (!doc) {
        hr_manifest_item_problem(reader, file, "the file is not JSON: byte %zu: %s", why.pos + 1,
                                 why.msg);
        return false;
    }
    bool good = url_of_json(reader, file, yyjson_doc_get_root(doc), ret_url);
    yyjson_doc_free(doc);
    return good;
}

/* The store's URL from a file like {"url": "redis://host:6379"}. */
static bool read_config_file(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             struct hr_manifest_item *ret_url)
{
    struct hr_str path;
    struct hr_buf text = {0};
    struct hr_diag why;
    bool good = false;
    if (!hr_manifest_read_file(reader, item, &path)) {
        return false;
    }
    enum hr_err err = hr_manifest_file_read(path.ptr, HR_MANIFEST_CONFIG_BYTES_MAX, &text, &why);
    if (err == HR_NO_MEMORY) {
        reader->no_memory = true;
    } else if (err) {
        hr_manifest_item_problem(reader, item, "the file %s", why.text);
    } else {
        good = parse_json(reader, item, &text, ret_url);
    }
    hr_buf_release(&text);
    return good;
}

static void read_keyvalue(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                          struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"buckets", "store", "config"};
    struct hr_manifest_item item;
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    const struct hr_manifest_node *buckets = hr_manifest_child(node, "buckets");
    if (buckets) {
        read_list(reader, buckets, HR_MANIFEST_LIST_MAX, check_bucket, &actor->buckets);
    } else {
        default_list(reader, "default", &actor->buckets);
    }
    actor->store = reader->manifest->store;
    if (hr_manifest_child(node, "store") && hr_manifest_child(node, "config")) {
        hr_manifest_problem(reader, hr_manifest_child(node, "config"),
                            "give the store's URL by `store` or by `config`, not by both");
        return;
    }
    if (hr_manifest_member(reader, node, "store", &item)) {
        hr_manifest_read_store(reader, &item, &actor->store);
    }
    if (hr_manifest_member(reader, node, "config", &item) &&
        read_config_file(reader, &item, &item)) {
        hr_manifest_read_store(reader, &item, &actor->store);
    }
}

/* ---- config, assets, and those without keys ---- */

static void read_config(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"values"};
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    const struct hr_manifest_node *values = hr_manifest_child(node, "values");
    if (!values || !hr_manifest_is_mapping(reader, values, NULL, 0)) {
        return;
    }
    if (values->count > HR_MANIFEST_LIST_MAX) {
        hr_manifest_problem(reader, values, "has %zu values; the limit is %u", values->count,
                            HR_MANIFEST_LIST_MAX);
        return;
    }
    struct hr_manifest_value *list = hr_manifest_take(reader, values->count, sizeof *list);
    size_t count = 0;
    for (const struct hr_manifest_node *value = values->first; list && value; value = value->next) {
        struct hr_manifest_item item;
        if (!hr_manifest_scalar(reader, value, &item)) {
            continue;
        }
        if (item.text.len > HR_MANIFEST_CONFIG_BYTES_MAX) {
            hr_manifest_problem(reader, value, "is longer than %u bytes",
                                HR_MANIFEST_CONFIG_BYTES_MAX);
        }
        list[count++] = (struct hr_manifest_value){value->key, item.text};
    }
    actor->values = list;
    actor->value_count = count;
}

static void read_assets(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"actor"};
    struct hr_manifest_item item;
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    if (!hr_manifest_child(node, "actor")) {
        hr_manifest_problem(reader, node, "needs the actor to call: {actor: ui}");
    } else if (hr_manifest_member(reader, node, "actor", &item)) {
        hr_manifest_read_name(reader, &item, &actor->assets);
    }
}

static void read_bare(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                      struct hr_manifest_actor *actor)
{
    static const char *const none[] = {""};
    (void)actor;
    HR_IGNORE(hr_manifest_is_mapping(reader, node, none, 0)); /* it has told the problem */
}

/* ---- All of them ---- */

typedef void (*link_reader)(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                            struct hr_manifest_actor *actor);

static const link_reader readers[HR_LINK_COUNT] = {
    [HR_LINK_HTTP] = read_http,         [HR_LINK_MESSAGING] = read_messaging,
    [HR_LINK_KEYVALUE] = read_keyvalue, [HR_LINK_COMMIT] = read_bare,
    [HR_LINK_CONFIG] = read_config,     [HR_LINK_LOGGING] = read_bare,
    [HR_LINK_CLOCKS] = read_bare,       [HR_LINK_RANDOM] = read_bare,
    [HR_LINK_CLI] = read_bare,          [HR_LINK_GATHER] = read_gather,
    [HR_LINK_LATTICE] = read_bare,      [HR_LINK_ASSETS] = read_assets,
};

void hr_manifest_read_links(struct hr_manifest_reader *reader, const struct hr_manifest_node *links,
                            struct hr_manifest_actor *actor)
{
    const char *names[HR_LINK_COUNT];
    for (int i = 0; i < HR_LINK_COUNT; i++) {
        names[i] = hr_link_name((enum hr_link)i);
    }
    if (!hr_manifest_is_mapping(reader, links, names, HR_LINK_COUNT)) {
        return;
    }
    for (int i = 0; i < HR_LINK_COUNT; i++) {
        const struct hr_manifest_node *node = hr_manifest_child(links, names[i]);
        if (node) {
            actor->links |= 1u << i;
            readers[i](reader, node, actor);
        }
    }
    if (hr_manifest_has_link(actor, HR_LINK_COMMIT) &&
        !hr_manifest_has_link(actor, HR_LINK_KEYVALUE)) {
        hr_manifest_problem(reader, hr_manifest_child(links, "commit"),
                            "works on the store of a keyvalue link: add `keyvalue: {}` beside it");
    }
}
