/* YAML into a tree of nodes. This file owns libyaml, and takes from YAML what a configuration needs:
 * one document of mappings with plain keys, sequences and scalars. Anchors, aliases, tags and
 * duplicate keys are refused, depth and number of nodes are bounded, nothing recurses; so the tree is
 * a tree, and no larger than its text. */
#include <yaml.h>

#include "host/manifest/reader.h"

struct builder {
    struct hr_manifest_reader *reader;
    yaml_parser_t parser;
    struct hr_manifest_node *root;
    struct hr_manifest_node *open; /* the innermost mapping or sequence that has not ended */
    size_t depth;
    bool has_key; /* the next node in @open, a mapping, is the value of: */
    struct hr_str key;
    uint32_t key_line;
    uint32_t key_column;
};

static struct hr_str text_of(const yaml_char_t *text, size_t len)
{
    return hr_str_of(text, len);
}

/* ---- Problems of the text itself ---- */

static void problem_at(struct builder *b, const yaml_mark_t *mark, const char *text)
{
    hr_manifest_place_problem(b->reader, mark->line + 1, mark->column + 1, "%s", text);
}

/* libyaml counts bytes, not lines, where the text cannot even be decoded. */
static void reader_problem(struct builder *b, struct hr_str text)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < text.len && i < b->parser.problem_offset; i++) {
        column = text.ptr[i] == '\n' ? 1 : column + 1;
        line += text.ptr[i] == '\n';
    }
    hr_manifest_place_problem(b->reader, line, column, "not UTF-8 text: %s",
                              b->parser.problem ? b->parser.problem : "unreadable");
}

static void parser_problem(struct builder *b, struct hr_str text)
{
    const yaml_parser_t *parser = &b->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        b->reader->no_memory = true;
    } else if (parser->error == YAML_READER_ERROR) {
        reader_problem(b, text);
    } else {
        hr_manifest_place_problem(
            b->reader, parser->problem_mark.line + 1, parser->problem_mark.column + 1,
            "not YAML: %s%s%s", parser->problem ? parser->problem : "malformed",
            parser->context ? ", " : "", parser->context ? parser->context : "");
    }
}

/* YAML 1.1 ends a line in more ways than one. */
static bool begins_line(struct hr_str text, size_t i)
{
    static const char *const breaks[] = {"\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
    struct hr_str before = hr_str_of(text.ptr, i);
    for (size_t b = 0; b < sizeof breaks / sizeof breaks[0]; b++) {
        if (hr_str_ends(before, hr_str_c(breaks[b]))) {
            return true;
        }
    }
    return i == 0;
}

/* YAML's directives say nothing that a manifest needs, and libyaml compares each %TAG with all before
 * it: a mebibyte of them takes it ten seconds. */
static bool has_directive(struct builder *b, struct hr_str text)
{
    size_t line = 1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' && begins_line(text, i)) {
            hr_manifest_place_problem(b->reader, line, 1,
                                      "a line must not begin with %%: directives are not "
                                      "supported (text can be indented)");
            return true;
        }
        line += text.ptr[i] == '\n';
    }
    return false;
}

/* ---- Nodes ---- */

static struct hr_manifest_node *new_node(struct builder *b, enum hr_manifest_kind kind,
                                         const yaml_mark_t *mark)
{
    if (b->reader->node_count++ >= HR_MANIFEST_NODES_MAX) {
        problem_at(b, mark, "too many values");
        return NULL;
    }
    struct hr_manifest_node *node = hr_manifest_take(b->reader, 1, sizeof *node);
    if (node) {
        node->kind = kind;
        node->line = (uint32_t)mark->line + 1;
        node->column = (uint32_t)mark->column + 1;
    }
    return node;
}

const struct hr_manifest_node *hr_manifest_child(const struct hr_manifest_node *mapping,
                                                 const char *key)
{
    struct hr_str name = hr_str_c(key);
    for (struct hr_manifest_node *node = mapping ? mapping->first : NULL; node; node = node->next) {
        if (hr_str_eq(node->key, name)) {
            return node;
        }
    }
    return NULL;
}

bool hr_manifest_is_null(const struct hr_manifest_node *node)
{
    return node->kind == HR_MANIFEST_SCALAR && node->plain &&
           (node->text.len == 0 || hr_str_eq(node->text, HR_STR("~")) ||
            hr_str_eq(node->text, HR_STR("null")));
}

/* The scalar of @event becomes the key of the mapping's next member. */
static bool begin_member(struct builder *b, const yaml_event_t *event)
{
    struct hr_str key = text_of(event->data.scalar.value, event->data.scalar.length);
    if (key.len == 0 || key.len > HR_MANIFEST_KEY_BYTES_MAX) {
        problem_at(b, &event->start_mark, "a key must have 1 to 64 bytes");
        return false;
    }
    b->key = hr_manifest_copy(b->reader, key);
    b->key_line = (uint32_t)event->start_mark.line + 1;
    b->key_column = (uint32_t)event->start_mark.column + 1;
    b->has_key = true;
    return b->key.ptr != NULL;
}

/* Hangs @node into the open mapping or sequence. A doubled key is a problem, but not the end. */
static bool hang(struct builder *b, struct hr_manifest_node *node)
{
    struct hr_manifest_node *parent = b->open;
    if (!parent) {
        b->root = node;
        return true;
    }
    node->parent = parent;
    node->index = parent->count;
    if (parent->kind == HR_MANIFEST_MAPPING) {
        node->key = b->key;
        node->line = b->key_line;
        node->column = b->key_column;
        b->has_key = false;
        for (const struct hr_manifest_node *other = parent->first; other; other = other->next) {
            if (hr_str_eq(other->key, node->key)) {
                hr_manifest_problem(b->reader, node, "this key is there twice; first at line %u",
                                    other->line);
                break;
            }
        }
        if (parent->count >= HR_MANIFEST_KEYS_MAX) {
            hr_manifest_problem(b->reader, node, "too many keys; the limit is %u",
                                HR_MANIFEST_KEYS_MAX);
            return false;
        }
    }
    if (parent->last) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }
    parent->last = node;
    parent->count++;
    return true;
}

/* ---- Events ---- */

/* Anchors and tags say nothing that a manifest needs. */
static bool is_bare(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
                    const yaml_char_t *tag)
{
    if (anchor) {
        problem_at(b, &event->start_mark, "anchors are not supported: write the value out");
    } else if (tag) {
        problem_at(b, &event->start_mark, "tags are not supported: write the value without");
    }
    return !anchor && !tag;
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
    if (!is_bare(b, event, event->data.scalar.anchor, event->data.scalar.tag)) {
        return false;
    }
    if (b->open && b->open->kind == HR_MANIFEST_MAPPING && !b->has_key) {
        return begin_member(b, event);
    }
    struct hr_manifest_node *node = new_node(b, HR_MANIFEST_SCALAR, &event->start_mark);
    if (!node) {
        return false;
    }
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text =
        hr_manifest_copy(b->reader, text_of(event->data.scalar.value, event->data.scalar.length));
    return node->text.ptr && hang(b, node);
}

static bool on_start(struct builder *b, const yaml_event_t *event, enum hr_manifest_kind kind)
{
    if (b->open && b->open->kind == HR_MANIFEST_MAPPING && !b->has_key) {
        problem_at(b, &event->start_mark, "a key must be a word, not a list or a mapping");
        return false;
    }
    if (++b->depth > HR_MANIFEST_DEPTH_MAX) {
        problem_at(b, &event->start_mark, "nested too deeply");
        return false;
    }
    struct hr_manifest_node *node = new_node(b, kind, &event->start_mark);
    if (!node || !hang(b, node)) {
        return false;
    }
    b->open = node;
    return true;
}

static void on_end(struct builder *b)
{
    b->open = (struct hr_manifest_node *)b->open->parent;
    b->depth--;
}

/* Takes in one event; false to stop. */
static bool on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_MAPPING_START_EVENT:
        return is_bare(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag) &&
               on_start(b, event, HR_MANIFEST_MAPPING);
    case YAML_SEQUENCE_START_EVENT:
        return is_bare(b, event, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag) &&
               on_start(b, event, HR_MANIFEST_SEQUENCE);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_end(b);
        return true;
    case YAML_ALIAS_EVENT:
        problem_at(b, &event->start_mark, "aliases are not supported: write the value out");
        return false;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root) {
            problem_at(b, &event->start_mark, "a manifest is one document, this is a second");
        }
        return !b->root;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

/* Whether the text was read to its end. */
static bool run(struct builder *b, struct hr_str text)
{
    bool going = true;
    bool ended = false;
    while (going && !ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            parser_problem(b, text);
            return false;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        going = on_event(b, &event);
        yaml_event_delete(&event);
    }
    return going;
}

struct hr_manifest_node *hr_manifest_yaml_read(struct hr_manifest_reader *reader,
                                               struct hr_str text)
{
    struct builder b = {.reader = reader};
    if (has_directive(&b, text)) {
        return NULL;
    }
    if (!yaml_parser_initialize(&b.parser)) {
        reader->no_memory = true;
        return NULL;
    }
    reader->node_count = 0;
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.ptr, text.len);
    bool whole = run(&b, text);
    yaml_parser_delete(&b.parser);
    if (!whole) {
        return NULL;
    }
    if (!b.root) { /* nothing but comments */
        b.root = hr_manifest_take(reader, 1, sizeof *b.root);
        if (b.root) {
            b.root->kind = HR_MANIFEST_MAPPING;
            b.root->line = 1;
            b.root->column = 1;
        }
    }
    return b.root;
}
