/* The actors of a manifest: where each comes from and what it may use up. What its links say is
 * actor_link.c's. */
#include "host/manifest/reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MEMORY_MIN (64u << 10) /* a page of WebAssembly's */
#define MEMORY_MAX (4ull << 30)
#define TIME_MS_MAX 3600000u
#define CONCURRENT_MAX 10000u /* below the engine's slots (HR_ENGINE_SLOTS_MAX) */
#define QUEUE_MAX 1000000u
#define BODY_MAX (256u << 20)

static const struct hr_manifest_limits default_limits = {
    .memory_bytes = 64u << 20,
    .cpu_ms = 1000,
    .wall_ms = 30000,
    .concurrent = 1000,
    .queue = 1000,
    .body_bytes = 8u << 20,
};

static void read_u32(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                     uint64_t min, uint64_t max, uint32_t *ret_number)
{
    uint64_t number;
    if (hr_manifest_read_number(reader, item, min, max, &number)) {
        *ret_number = (uint32_t)number;
    }
}

static void read_ms(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                    uint32_t *ret_ms)
{
    uint64_t ms;
    if (hr_manifest_read_duration(reader, item, 1, TIME_MS_MAX, &ms)) {
        *ret_ms = (uint32_t)ms;
    }
}

static void read_limits(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_limits *limits)
{
    static const char *const keys[] = {"memory", "cpu", "wall", "concurrent", "queue", "body"};
    struct hr_manifest_item item;
    if (!hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    if (hr_manifest_member(reader, node, "memory", &item)) {
        hr_manifest_read_size(reader, &item, MEMORY_MIN, MEMORY_MAX, &limits->memory_bytes);
    }
    if (hr_manifest_member(reader, node, "cpu", &item)) {
        read_ms(reader, &item, &limits->cpu_ms);
    }
    if (hr_manifest_member(reader, node, "wall", &item)) {
        read_ms(reader, &item, &limits->wall_ms);
    }
    if (hr_manifest_member(reader, node, "concurrent", &item)) {
        read_u32(reader, &item, 1, CONCURRENT_MAX, &limits->concurrent);
    }
    if (hr_manifest_member(reader, node, "queue", &item)) {
        read_u32(reader, &item, 0, QUEUE_MAX, &limits->queue);
    }
    if (hr_manifest_member(reader, node, "body", &item)) {
        hr_manifest_read_size(reader, &item, 1, BODY_MAX, &limits->body_bytes);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "sha256:" and 64 hexadecimal digits. */
static void read_digest(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                        struct hr_manifest_actor *actor)
{
    struct hr_str hex = hr_str_from(item->text, 7);
    bool good = hr_str_starts(item->text, HR_STR("sha256:")) && hex.len == 2 * sizeof actor->digest;
    for (size_t i = 0; good && i < sizeof actor->digest; i++) {
        int high = hex_digit(hex.ptr[2 * i]);
        int low = hex_digit(hex.ptr[2 * i + 1]);
        good = high >= 0 && low >= 0;
        actor->digest[i] = (unsigned char)(good ? high * 16 + low : 0);
    }
    actor->has_digest = good;
    if (!good) {
        hr_manifest_item_problem(
            reader, item,
            "not a digest: sha256: and 64 digits of 0-9 and a-f, as `sha256sum` "
            "prints them");
    }
}

static void read_source(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_actor *actor)
{
    struct hr_manifest_item item;
    if (hr_manifest_child(node, "file")) {
        if (hr_manifest_member(reader, node, "file", &item)) {
            hr_manifest_read_file(reader, &item, &actor->file);
        }
    } else if (!hr_manifest_is_built_in(actor->name)) {
        hr_manifest_problem(reader, node,
                            "no actor of this name is built in (todo, ui, kv are): say which "
                            "module it is by `file: <path>`");
    }
    if (hr_manifest_member(reader, node, "digest", &item)) {
        read_digest(reader, &item, actor);
    }
}

static void read_actor(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                       struct hr_manifest_actor *actor)
{
    static const char *const keys[] = {"file", "digest", "limits", "links"};
    struct hr_manifest_item name = {.text = node->key, .node = node};
    actor->limits = default_limits;
    actor->name = node->key; /* for what is looked up by it, also if it is no good name */
    if (!hr_manifest_read_name(reader, &name, &actor->name) ||
        !hr_manifest_is_mapping(reader, node, keys, COUNT(keys))) {
        return;
    }
    read_source(reader, node, actor);
    const struct hr_manifest_node *limits = hr_manifest_child(node, "limits");
    const struct hr_manifest_node *links = hr_manifest_child(node, "links");
    if (limits) {
        read_limits(reader, limits, &actor->limits);
    }
    if (links) {
        hr_manifest_read_links(reader, links, actor);
    }
}

/* ---- What concerns several actors ---- */

static const struct hr_manifest_node *link_node(const struct hr_manifest_node *actor,
                                                const char *link)
{
    return hr_manifest_child(hr_manifest_child(actor, "links"), link);
}

static bool is_actor(const struct hr_manifest_node *actors, struct hr_str name)
{
    for (const struct hr_manifest_node *node = actors->first; node; node = node->next) {
        if (hr_str_eq(node->key, name)) {
            return true;
        }
    }
    return false;
}

/* An actor-to-actor call needs somebody to call, here or at another host; circles are fine. */
static void check_assets(struct hr_manifest_reader *reader, const struct hr_manifest_node *actors,
                         const struct hr_manifest_node *node, const struct hr_manifest_actor *actor)
{
    bool elsewhere = reader->manifest->nats.count > 0;
    if (actor->assets.len > 0 && !elsewhere && !is_actor(actors, actor->assets)) {
        hr_manifest_problem(reader, hr_manifest_child(link_node(node, "assets"), "actor"),
                            "there is no actor `%.*s` under actors", HR_STR_ARG(actor->assets));
    }
}

/* Each path prefix is served by one actor. */
static void check_routes(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                         const struct hr_manifest_actor *actor,
                         const struct hr_manifest_actor *others, size_t count)
{
    for (size_t r = 0; r < actor->routes.count; r++) {
        for (size_t o = 0; o < count; o++) {
            for (size_t i = 0; i < others[o].routes.count; i++) {
                if (hr_str_eq(actor->routes.items[r], others[o].routes.items[i])) {
                    char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
                    hr_manifest_problem(reader, link_node(node, "http"),
                                        "the route `%s` is served by actor %.*s already",
                                        hr_manifest_quote(actor->routes.items[r], quote),
                                        HR_STR_ARG(others[o].name));
                }
            }
        }
    }
}

void hr_manifest_read_actors(struct hr_manifest_reader *reader,
                             const struct hr_manifest_node *actors)
{
    if (!hr_manifest_is_mapping(reader, actors, NULL, 0)) {
        return;
    }
    if (actors->count == 0 || actors->count > HR_MANIFEST_ACTORS_MAX) {
        hr_manifest_problem(reader, actors,
                            "%zu actors; a manifest has 1 to %u, or leaves this key out for the "
                            "TODO application's",
                            actors->count, HR_MANIFEST_ACTORS_MAX);
        return;
    }
    struct hr_manifest_actor *list = hr_manifest_take(reader, actors->count, sizeof *list);
    if (!list) {
        return;
    }
    size_t count = 0;
    for (const struct hr_manifest_node *node = actors->first; node; node = node->next) {
        struct hr_manifest_actor *actor = &list[count];
        read_actor(reader, node, actor);
        check_assets(reader, actors, node, actor);
        check_routes(reader, node, actor, list, count);
        count++;
    }
    reader->manifest->actors = list;
    reader->manifest->actor_count = count;
}
