/* The manifest's own structs, for manifest*.c only.
 *
 * Reading goes in three steps: YAML into a tree of nodes that know where they stand in the file
 * (yaml.c), nodes into typed values (value.c), and these into the manifest, from the
 * top (manifest.c) through actors (actor.c) to links (actor_link.c), and sites (sites.c). A step that finds
 * something wrong adds a problem to the report and goes on with what is right, so that one run tells
 * all; whether there were problems is asked once, at the end. Running out of memory is remembered
 * in the reader and asked at the end too.
 */
#ifndef HR_MANIFEST_READER_H
#define HR_MANIFEST_READER_H

#include "host/manifest/manifest.h"

#define HR_MANIFEST_DEPTH_MAX 16u
#define HR_MANIFEST_NODES_MAX 32768u
#define HR_MANIFEST_KEYS_MAX 1024u /* of one mapping */
#define HR_MANIFEST_KEY_BYTES_MAX 64u
#define HR_MANIFEST_ARENA_BYTES_MAX (16u << 20)
#define HR_MANIFEST_QUOTE_BYTES_MAX 192u

enum hr_manifest_kind { HR_MANIFEST_SCALAR, HR_MANIFEST_SEQUENCE, HR_MANIFEST_MAPPING };

struct hr_manifest_node {
    enum hr_manifest_kind kind;
    bool plain;    /* a scalar without quotes */
    uint32_t line; /* from 1; of a mapping's member, where its key is */
    uint32_t column;
    struct hr_str text; /* of a scalar */
    struct hr_str key;  /* of a mapping's member */
    size_t index;       /* of a sequence's item */
    const struct hr_manifest_node *parent;
    struct hr_manifest_node *first; /* child */
    struct hr_manifest_node *last;
    struct hr_manifest_node *next; /* sibling */
    size_t count;                  /* children */
};

struct hr_manifest_reader {
    struct hr_manifest *manifest;
    struct hr_manifest_report *report;
    const char *name;     /* of the file, for problems */
    struct hr_str folder; /* where relative paths start */
    const char *const *environment;
    size_t node_count;
    size_t route_count;
    struct hr_manifest_site *sites; /* the manifest's */
    bool no_memory;
};

/* A scalar and where it comes from: a node of the file, or a variable. */
struct hr_manifest_item {
    struct hr_str text;
    const struct hr_manifest_node *node;
    const char *variable; /* set when node is NULL */
};

/* ---- report.c ---- */

/* Adds a problem at @node: "file:line:column: key.path: text". @node NULL: of the file as a whole. */
void hr_manifest_problem(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                         const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for an item, which may be a variable's: "HEDGEROW_HTTP: text". */
void hr_manifest_item_problem(struct hr_manifest_reader *reader,
                              const struct hr_manifest_item *item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A problem without a node: at a line and column of the file (0 = unknown). */
void hr_manifest_place_problem(struct hr_manifest_reader *reader, size_t line, size_t column,
                               const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void hr_manifest_warning(struct hr_manifest_reader *reader, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* @text made fit for a message: cut, without control bytes, and without the secret before an `@` of
 * an URL. Written to @ret_quote, which is returned. */
const char *hr_manifest_quote(struct hr_str text, char ret_quote[HR_MANIFEST_QUOTE_BYTES_MAX]);
/* The one of @names that @text is probably meant to be, or NULL. */
const char *hr_manifest_suggestion(struct hr_str text, const char *const *names, size_t count);
/* "did you mean `x`?" or "known are a, b, c", written to @ret_hint, which is returned. */
const char *hr_manifest_hint(struct hr_str text, const char *const *names, size_t count,
                             char *ret_hint, size_t size);

/* ---- yaml.c ---- */

/* The tree of @text, in the manifest's arena; NULL after a problem or lack of memory. An empty
 * document is an empty mapping. */
struct hr_manifest_node *hr_manifest_yaml_read(struct hr_manifest_reader *reader,
                                               struct hr_str text);
const struct hr_manifest_node *hr_manifest_child(const struct hr_manifest_node *mapping,
                                                 const char *key);
/* Whether @node is written as nothing at all (`key:`, `~`, `null`). */
bool hr_manifest_is_null(const struct hr_manifest_node *node);

/* ---- value.c ----
 * Each reads one value; false after a problem, with the result untouched. */

/* Memory from the manifest's arena; NULL is remembered in the reader. */
void *hr_manifest_take(struct hr_manifest_reader *reader, size_t count, size_t size);
/* A terminated copy in the manifest's arena; the empty run when memory is out. */
struct hr_str hr_manifest_copy(struct hr_manifest_reader *reader, struct hr_str text);

/* Whether @node is a mapping (nothing at all counts as an empty one) with no keys but @keys. */
bool hr_manifest_is_mapping(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                            const char *const *keys, size_t count);
/* Whether @node is a sequence of at most @max items. */
bool hr_manifest_is_sequence(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                             size_t max);
/* The scalar @node. */
bool hr_manifest_scalar(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_item *ret_item);
/* The scalar member @key of @mapping (may be NULL); false also, without a problem, when it is not
 * there. */
bool hr_manifest_member(struct hr_manifest_reader *reader, const struct hr_manifest_node *mapping,
                        const char *key, struct hr_manifest_item *ret_item);

bool hr_manifest_read_name(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           struct hr_str *ret_name);
bool hr_manifest_read_number(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             uint64_t min, uint64_t max, uint64_t *ret_number);
/* "64MiB", in bytes. */
bool hr_manifest_read_size(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           uint64_t min, uint64_t max, uint64_t *ret_bytes);
/* "30s", in milliseconds. */
bool hr_manifest_read_duration(struct hr_manifest_reader *reader,
                               const struct hr_manifest_item *item, uint64_t min, uint64_t max,
                               uint64_t *ret_ms);
/* One of @names; its index. */
bool hr_manifest_read_choice(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             const char *const *names, size_t count, size_t *ret_index);
/* `true` or `on`, `false` or `off`. */
bool hr_manifest_read_switch(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             bool *ret_on);
/* ---- address.c, the same ---- */

bool hr_manifest_read_address(struct hr_manifest_reader *reader,
                              const struct hr_manifest_item *item, struct hr_str *ret_address);
/* A store's URL, relative folders made relative to the manifest's. */
bool hr_manifest_read_store(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                            struct hr_str *ret_url);
bool hr_manifest_read_nats_url(struct hr_manifest_reader *reader,
                               const struct hr_manifest_item *item, struct hr_str *ret_url);
/* A file that is there, its path made relative to the manifest's folder. */
bool hr_manifest_read_file(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           struct hr_str *ret_path);

/* ---- the rest ---- */

/* sites.c: fills the manifest's sites from @items, one each; of those that are good @items keeps the first places. */
void hr_manifest_read_sites(struct hr_manifest_reader *reader, struct hr_manifest_item *items,
                            size_t count);
/* Holds them, as read from @items, against this site, its number and `nats`; @whole is the list. */
void hr_manifest_check_sites(struct hr_manifest_reader *reader,
                             const struct hr_manifest_item *items,
                             const struct hr_manifest_item *whole);
/* actor.c: fills the manifest's actors from the mapping @actors. */
void hr_manifest_read_actors(struct hr_manifest_reader *reader,
                             const struct hr_manifest_node *actors);
/* actor_link.c: fills what the links of @actor say from the mapping @links. */
void hr_manifest_read_links(struct hr_manifest_reader *reader, const struct hr_manifest_node *links,
                            struct hr_manifest_actor *actor);
/* default.c: whether an actor of that name is built into the program. */
bool hr_manifest_is_built_in(struct hr_str actor);
#endif
