/* The manifest as a whole: settings of the site, variables that override them, checks across. */
#include "host/manifest/manifest.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/manifest/file.h"
#include "host/manifest/reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BUILT_IN_NAME "built-in manifest"
#define VARIABLE_PREFIX HR_STR("HEDGEROW_")
#define TEST_VARIABLE_PREFIX HR_STR("HEDGEROW_TEST_")

/* The settings that are one value each, with the variables that override them. */
enum setting {
    SETTING_LATTICE,
    SETTING_SITE,
    SETTING_SITE_ID,
    SETTING_HOST,
    SETTING_HTTP,
    SETTING_ADMIN,
    SETTING_STORE,
    SETTING_DURABILITY,
    SETTING_NATS, /* in the file a list */
    SETTING_NATS_CREDS,
    SETTING_NATS_NKEY,
    SETTING_NATS_CA,
    SETTING_NATS_CERT,
    SETTING_NATS_KEY,
    SETTING_SITES, /* in the file a list */
    SETTING_WRITE_ACKS,
    SETTING_HEDGE,
    SETTING_WORKERS,
    SETTING_LOG,
    SETTING_COUNT
};

static const struct {
    const char *key;
    const char *variable;
} settings[SETTING_COUNT] = {
    [SETTING_LATTICE] = {"lattice", "HEDGEROW_LATTICE"},
    [SETTING_SITE] = {"site", "HEDGEROW_SITE"},
    [SETTING_SITE_ID] = {"site-id", "HEDGEROW_SITE_ID"},
    [SETTING_HOST] = {"host", "HEDGEROW_HOST"},
    [SETTING_HTTP] = {"http", "HEDGEROW_HTTP"},
    [SETTING_ADMIN] = {"admin", "HEDGEROW_ADMIN"},
    [SETTING_STORE] = {"store", "HEDGEROW_STORE"},
    [SETTING_DURABILITY] = {"durability", "HEDGEROW_DURABILITY"},
    [SETTING_NATS] = {"nats", "HEDGEROW_NATS"},
    [SETTING_NATS_CREDS] = {"nats-creds", "HEDGEROW_NATS_CREDS"},
    [SETTING_NATS_NKEY] = {"nats-nkey", "HEDGEROW_NATS_NKEY"},
    [SETTING_NATS_CA] = {"nats-ca", "HEDGEROW_NATS_CA"},
    [SETTING_NATS_CERT] = {"nats-cert", "HEDGEROW_NATS_CERT"},
    [SETTING_NATS_KEY] = {"nats-key", "HEDGEROW_NATS_KEY"},
    [SETTING_SITES] = {"sites", "HEDGEROW_SITES"},
    [SETTING_WRITE_ACKS] = {"write-acks", "HEDGEROW_WRITE_ACKS"},
    [SETTING_HEDGE] = {"hedge", "HEDGEROW_HEDGE"},
    [SETTING_WORKERS] = {"workers", "HEDGEROW_WORKERS"},
    [SETTING_LOG] = {"log", "HEDGEROW_LOG"},
};

/* ---- Variables ---- */

/* The value of the variable @name, as an item; false if it is not set. */
static bool find_variable(const struct hr_manifest_reader *reader, const char *name,
                          struct hr_manifest_item *ret_item)
{
    size_t len = strlen(name);
    for (size_t i = 0; reader->environment && reader->environment[i]; i++) {
        const char *entry = reader->environment[i];
        if (strncmp(entry, name, len) == 0 && entry[len] == '=') {
            *ret_item =
                (struct hr_manifest_item){.text = hr_str_c(entry + len + 1), .variable = name};
            return true;
        }
    }
    return false;
}

static bool is_known_variable(struct hr_str name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (hr_str_eq(name, hr_str_c(settings[i].variable))) {
            return true;
        }
    }
    return hr_str_starts(name, TEST_VARIABLE_PREFIX);
}

static void warn_of_unknown_variables(struct hr_manifest_reader *reader)
{
    const char *names[SETTING_COUNT];
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        names[i] = settings[i].variable;
    }
    for (size_t i = 0; reader->environment && reader->environment[i]; i++) {
        struct hr_str entry = hr_str_c(reader->environment[i]);
        size_t equals = hr_str_find(entry, '=', 0);
        struct hr_str name = hr_str_of(entry.ptr, equals == SIZE_MAX ? entry.len : equals);
        if (hr_str_starts(name, VARIABLE_PREFIX) && !is_known_variable(name)) {
            char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
            char hint[HR_DIAG_BYTES_MAX / 2];
            hr_manifest_warning(reader, "variable %s is unknown and ignored; %s",
                                hr_manifest_quote(name, quote),
                                hr_manifest_hint(name, names, SETTING_COUNT, hint, sizeof hint));
        }
    }
}

/* ---- Settings ---- */

/* The value of @setting: the variable's, else the file's. False when neither is there. Both are looked
 * at, so that a mistake in the file is told even while a variable hides it. */
static bool find_setting(struct hr_manifest_reader *reader, const struct hr_manifest_node *root,
                         enum setting setting, struct hr_manifest_item *ret_item)
{
    bool found = hr_manifest_member(reader, root, settings[setting].key, ret_item);
    return find_variable(reader, settings[setting].variable, ret_item) || found;
}

static void set_defaults(struct hr_manifest *manifest)
{
    manifest->lattice = HR_STR("default");
    manifest->site = HR_STR("local");
    manifest->http = HR_STR("127.0.0.1:8080");
    manifest->admin = HR_STR("127.0.0.1:9090");
    manifest->durability = HR_KV_SYNC;
    manifest->log = HR_LOG_INFO;
    manifest->write_acks = HR_STR("2");
    manifest->hedge = true;
}

static void read_names(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    struct hr_manifest *manifest = reader->manifest;
    struct hr_manifest_item item;
    uint64_t number;
    if (find_setting(reader, root, SETTING_LATTICE, &item)) {
        hr_manifest_read_name(reader, &item, &manifest->lattice);
    }
    if (find_setting(reader, root, SETTING_SITE, &item)) {
        hr_manifest_read_name(reader, &item, &manifest->site);
    }
    if (find_setting(reader, root, SETTING_SITE_ID, &item) &&
        hr_manifest_read_number(reader, &item, 1, UINT16_MAX, &number)) {
        manifest->site_id = (uint16_t)number;
    }
    if (find_setting(reader, root, SETTING_HOST, &item)) {
        hr_manifest_read_name(reader, &item, &manifest->host);
    }
}

static struct hr_str port_of(struct hr_str address)
{
    size_t at = address.len;
    while (at > 0 && address.ptr[at - 1] != ':') {
        at--;
    }
    return hr_str_from(address, at);
}

/* Two addresses that cannot both be listened on; port 0 is a new one each time. */
static bool collide(struct hr_str a, struct hr_str b)
{
    uint64_t a_port;
    uint64_t b_port;
    bool everywhere = hr_str_starts(a, HR_STR(":")) || hr_str_starts(b, HR_STR(":"));
    return hr_str_to_u64(port_of(a), &a_port) && hr_str_to_u64(port_of(b), &b_port) &&
           a_port == b_port && a_port != 0 && (everywhere || hr_str_eq(a, b));
}

static void read_addresses(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    struct hr_manifest *manifest = reader->manifest;
    struct hr_manifest_item item;
    if (find_setting(reader, root, SETTING_HTTP, &item)) {
        hr_manifest_read_address(reader, &item, &manifest->http);
    }
    bool given = find_setting(reader, root, SETTING_ADMIN, &item);
    if (given && hr_str_eq(item.text, HR_STR("none"))) {
        manifest->admin = HR_STR("");
    } else if (given) {
        hr_manifest_read_address(reader, &item, &manifest->admin);
    }
    if (collide(manifest->http, manifest->admin)) {
        hr_manifest_problem(reader, root, "http and admin are the same address, %.*s and %.*s",
                            HR_STR_ARG(manifest->http), HR_STR_ARG(manifest->admin));
    }
}

static void read_store(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    static const char *const names[] = {[HR_KV_SYNC] = "sync", [HR_KV_LAZY] = "lazy"};
    /* As if it were written there, so that it starts at the manifest's folder too. */
    struct hr_manifest_item item = {.text = HR_STR("lmdb:./data"), .node = root};
    size_t index;
    HR_IGNORE(find_setting(reader, root, SETTING_STORE, &item)); /* else the above */
    hr_manifest_read_store(reader, &item, &reader->manifest->store);
    if (find_setting(reader, root, SETTING_DURABILITY, &item) &&
        hr_manifest_read_choice(reader, &item, names, COUNT(names), &index)) {
        reader->manifest->durability = (enum hr_kv_durability)index;
    }
}

static void read_process(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    static const char *const levels[] = {
        [HR_LOG_TRACE] = "trace", [HR_LOG_DEBUG] = "debug", [HR_LOG_INFO] = "info",
        [HR_LOG_WARN] = "warn",   [HR_LOG_ERROR] = "error", [HR_LOG_CRITICAL] = "critical"};
    struct hr_manifest_item item;
    uint64_t number;
    size_t index;
    if (find_setting(reader, root, SETTING_WORKERS, &item) &&
        hr_manifest_read_number(reader, &item, 0, HR_MANIFEST_WORKERS_MAX, &number)) {
        reader->manifest->workers = (uint32_t)number;
    }
    if (find_setting(reader, root, SETTING_LOG, &item) &&
        hr_manifest_read_choice(reader, &item, levels, COUNT(levels), &index)) {
        reader->manifest->log = (enum hr_log_level)index;
    }
}

/* ---- Settings that are lists ---- */

struct list {
    enum setting setting;
    size_t max;
    const char *what; /* its entries are */
    struct hr_manifest_item whole;
    struct hr_manifest_item *items;
    size_t count;
};

/* The file's entries of the list; false if it has none, or memory is out. */
static bool list_of_file(struct hr_manifest_reader *reader, const struct hr_manifest_node *root,
                         struct list *list)
{
    const struct hr_manifest_node *node = hr_manifest_child(root, settings[list->setting].key);
    list->items = hr_manifest_take(reader, list->max, sizeof *list->items);
    list->whole = (struct hr_manifest_item){.node = node};
    if (!list->items || !node || !hr_manifest_is_sequence(reader, node, list->max)) {
        return false;
    }
    for (const struct hr_manifest_node *entry = node->first; entry; entry = entry->next) {
        if (hr_manifest_scalar(reader, entry, &list->items[list->count])) {
            list->count++;
        }
    }
    return true;
}

/* The variable's in their place: it has them between commas, and none if it is empty. False if it is not set. */
static bool list_of_variable(struct hr_manifest_reader *reader, struct list *list)
{
    struct hr_manifest_item item;
    if (!list->items || !find_variable(reader, settings[list->setting].variable, &item)) {
        return false;
    }
    list->whole = item;
    list->count = 0;
    struct hr_str rest = hr_str_trim(item.text);
    while (rest.len > 0) {
        if (list->count == list->max) {
            hr_manifest_item_problem(reader, &item, "has more than %zu %s", list->max, list->what);
            break;
        }
        size_t comma = hr_str_find(rest, ',', 0);
        struct hr_manifest_item *part = &list->items[list->count++];
        *part = item;
        part->text = hr_str_trim(hr_str_of(rest.ptr, comma == SIZE_MAX ? rest.len : comma));
        rest = comma == SIZE_MAX ? HR_STR("") : hr_str_from(rest, comma + 1);
    }
    return true;
}

/* ---- NATS servers ---- */

static void read_urls(struct hr_manifest_reader *reader, const struct list *list)
{
    struct hr_str *urls = hr_manifest_take(reader, list->max, sizeof *urls);
    size_t count = 0;
    for (size_t i = 0; urls && i < list->count; i++) {
        count += hr_manifest_read_nats_url(reader, &list->items[i], &urls[count]);
    }
    reader->manifest->nats = (struct hr_manifest_list){urls, count};
}

static void read_nats(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    struct list list = {.setting = SETTING_NATS, .max = HR_MANIFEST_NATS_MAX, .what = "URLs"};
    if (list_of_file(reader, root, &list)) {
        read_urls(reader, &list);
    }
    if (list_of_variable(reader, &list)) {
        read_urls(reader, &list);
    }
}

static void read_nats_files(struct hr_manifest_reader *reader, const struct hr_manifest_node *root)
{
    struct hr_manifest_nats_files *files = &reader->manifest->nats_files;
    struct hr_str *const paths[] = {&files->creds, &files->nkey, &files->ca, &files->cert,
                                    &files->key};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct hr_manifest_item item;
        if (find_setting(reader, root, (enum setting)(SETTING_NATS_CREDS + i), &item)) {
            HR_IGNORE(hr_manifest_read_file(reader, &item, paths[i])); /* it has told the problem */
        }
    }
    if (files->creds.len > 0 && files->nkey.len > 0) {
        hr_manifest_problem(reader, root, "give nats-creds or nats-nkey, not both");
    }
    if ((files->cert.len > 0) != (files->key.len > 0)) {
        hr_manifest_problem(reader, root, "nats-cert and nats-key go together");
    }
}

/* ---- What is asked of the lattice ---- */

static void read_write_acks(struct hr_manifest_reader *reader, const struct hr_manifest_item *item)
{
    uint64_t number;
    bool good =
        hr_str_eq(item->text, HR_STR("majority")) || hr_str_eq(item->text, HR_STR("all")) ||
        (hr_str_to_u64(item->text, &number) && number >= 1 && number <= HR_MANIFEST_WRITE_ACKS_MAX);
    if (good) {
        reader->manifest->write_acks = hr_manifest_copy(reader, item->text);
    } else {
        char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
        hr_manifest_item_problem(reader, item,
                                 "`%s` is not a number of sites from 1 to %u, "
                                 "`majority` or `all`",
                                 hr_manifest_quote(item->text, quote), HR_MANIFEST_WRITE_ACKS_MAX);
    }
}

/* How many problems there are so far. */
static size_t problems(const struct hr_manifest_reader *reader)
{
    return reader->report->problem_count + reader->report->problems_left_out;
}

/* @sound: the site and `nats` are what was meant, so that the list can be held against them. */
static void read_sites(struct hr_manifest_reader *reader, const struct hr_manifest_node *root,
                       bool sound)
{
    struct list list = {.setting = SETTING_SITES, .max = HR_MANIFEST_SITES_MAX, .what = "sites"};
    size_t before = problems(reader);
    if (list_of_file(reader, root, &list)) {
        hr_manifest_read_sites(reader, list.items, list.count);
    }
    if (list_of_variable(reader, &list)) {
        hr_manifest_read_sites(reader, list.items, list.count);
    }
    if (sound && problems(reader) == before) {
        hr_manifest_check_sites(reader, list.items, &list.whole);
    }
}

/* @sound: nothing was wrong with the site's name and number. */
static void read_lattice(struct hr_manifest_reader *reader, const struct hr_manifest_node *root,
                         bool sound)
{
    struct hr_manifest_item item;
    size_t before = problems(reader);
    read_nats(reader, root);
    sound = sound && problems(reader) == before;
    read_nats_files(reader, root);
    read_sites(reader, root, sound);
    if (find_setting(reader, root, SETTING_WRITE_ACKS, &item)) {
        read_write_acks(reader, &item);
    }
    if (find_setting(reader, root, SETTING_HEDGE, &item)) {
        HR_IGNORE(hr_manifest_read_switch(reader, &item, &reader->manifest->hedge)); /* told */
    }
}

/* ---- The whole ---- */

/* The built-in manifest's actors. */
static const struct hr_manifest_node *default_actors(struct hr_manifest_reader *reader)
{
    const char *name = reader->name;
    reader->name = BUILT_IN_NAME;
    const struct hr_manifest_node *root = hr_manifest_yaml_read(reader, hr_manifest_default_text());
    reader->name = name;
    return hr_manifest_child(root, "actors");
}

static void read_root(struct hr_manifest_reader *reader, struct hr_str text)
{
    const char *keys[SETTING_COUNT + 1] = {[SETTING_COUNT] = "actors"};
    const struct hr_manifest_node *root = hr_manifest_yaml_read(reader, text);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        keys[i] = settings[i].key;
    }
    if (!root || !hr_manifest_is_mapping(reader, root, keys, COUNT(keys))) {
        return;
    }
    read_names(reader, root);
    bool sound = problems(reader) == 0;
    read_addresses(reader, root);
    read_store(reader, root);
    read_lattice(reader, root, sound);
    read_process(reader, root);
    const struct hr_manifest_node *actors = hr_manifest_child(root, "actors");
    actors = actors ? actors : default_actors(reader);
    if (actors) {
        hr_manifest_read_actors(reader, actors);
    }
}

enum hr_err hr_manifest_parse(struct hr_str text, const char *name, struct hr_str folder,
                              const char *const *environment, struct hr_manifest **ret_manifest,
                              struct hr_manifest_report *report)
{
    struct hr_manifest_reader reader = {
        .report = report, .name = name, .folder = folder, .environment = environment};
    *report = (struct hr_manifest_report){0};
    if (text.len > HR_MANIFEST_BYTES_MAX) {
        hr_manifest_problem(&reader, NULL, "is larger than %u bytes", HR_MANIFEST_BYTES_MAX);
        return HR_TOO_BIG;
    }
    reader.manifest = hr_alloc(sizeof *reader.manifest);
    if (reader.manifest) {
        hr_arena_init(&reader.manifest->arena, HR_MANIFEST_ARENA_BYTES_MAX);
        set_defaults(reader.manifest);
        read_root(&reader, text);
        warn_of_unknown_variables(&reader);
    }
    if (!reader.manifest || reader.no_memory) {
        hr_manifest_free(reader.manifest);
        hr_manifest_problem(&reader, NULL, "out of memory");
        return HR_NO_MEMORY;
    }
    if (report->problem_count > 0) {
        hr_manifest_free(reader.manifest);
        return HR_BAD_INPUT;
    }
    *ret_manifest = reader.manifest;
    return HR_OK;
}

/* The part of @path before its last slash; "/" itself for a file in the root. */
static struct hr_str folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? hr_str_of(path, slash == path ? 1 : (size_t)(slash - path)) : HR_STR("");
}

enum hr_err hr_manifest_load(const char *path, const char *const *environment,
                             struct hr_manifest **ret_manifest, struct hr_manifest_report *report)
{
    if (!path) {
        return hr_manifest_parse(hr_manifest_default_text(), BUILT_IN_NAME, HR_STR(""), environment,
                                 ret_manifest, report);
    }
    struct hr_buf text = {0};
    struct hr_diag why;
    enum hr_err err = hr_manifest_file_read(path, HR_MANIFEST_BYTES_MAX, &text, &why);
    if (err) {
        struct hr_manifest_reader reader = {.report = report, .name = path};
        *report = (struct hr_manifest_report){0};
        hr_manifest_problem(&reader, NULL, "%s", why.text);
    } else {
        err = hr_manifest_parse(hr_buf_str(&text), path, folder_of(path), environment, ret_manifest,
                                report);
    }
    hr_buf_release(&text);
    return err;
}

void hr_manifest_free(struct hr_manifest *manifest)
{
    if (manifest) {
        hr_arena_release(&manifest->arena);
        hr_free(manifest);
    }
}

enum hr_err hr_manifest_check_digest(const struct hr_manifest_actor *actor, struct hr_str module,
                                     struct hr_diag *diag)
{
    _Static_assert(HR_MANIFEST_DIGEST_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
    unsigned char digest[crypto_hash_sha256_BYTES];
    char want[2 * sizeof digest + 1];
    char have[2 * sizeof digest + 1];
    if (!actor->has_digest) {
        return HR_OK;
    }
    crypto_hash_sha256(digest, (const unsigned char *)module.ptr, module.len);
    if (memcmp(digest, actor->digest, sizeof digest) == 0) {
        return HR_OK;
    }
    sodium_bin2hex(want, sizeof want, actor->digest, sizeof digest);
    sodium_bin2hex(have, sizeof have, digest, sizeof digest);
    return hr_diag_set(diag, HR_DENIED,
                       "its module has the digest sha256:%s, the manifest wants sha256:%s", have,
                       want);
}
