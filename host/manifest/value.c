/* Scalars of the manifest into typed values: names, numbers, sizes, durations, choices. */
#include <stdio.h>

#include "host/manifest/reader.h"

#define HINT_BYTES 256u

void *hr_manifest_take(struct hr_manifest_reader *reader, size_t count, size_t size)
{
    size_t total;
    void *memory = NULL;
    if (!__builtin_mul_overflow(count, size, &total)) {
        memory = hr_arena_alloc(&reader->manifest->arena, total);
    }
    reader->no_memory = reader->no_memory || !memory;
    return memory;
}

struct hr_str hr_manifest_copy(struct hr_manifest_reader *reader, struct hr_str text)
{
    struct hr_str copy = hr_arena_copy(&reader->manifest->arena, text);
    reader->no_memory = reader->no_memory || !copy.ptr;
    return copy;
}

/* ---- Shapes ---- */

static const char *shape_of(const struct hr_manifest_node *node)
{
    if (hr_manifest_is_null(node)) {
        return "empty";
    }
    switch (node->kind) {
    case HR_MANIFEST_SCALAR:
        return "a single value";
    case HR_MANIFEST_SEQUENCE:
        return "a list";
    case HR_MANIFEST_MAPPING:
        break;
    }
    return "a mapping";
}

static void check_key(struct hr_manifest_reader *reader, const struct hr_manifest_node *member,
                      const char *const *keys, size_t count)
{
    char hint[HINT_BYTES];
    for (size_t i = 0; i < count; i++) {
        if (hr_str_eq(member->key, hr_str_c(keys[i]))) {
            return;
        }
    }
    if (count == 0) {
        hr_manifest_problem(reader, member, "unknown key; this takes no keys: `{}`");
        return;
    }
    hr_manifest_problem(reader, member, "unknown key; %s",
                        hr_manifest_hint(member->key, keys, count, hint, sizeof hint));
}

bool hr_manifest_is_mapping(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                            const char *const *keys, size_t count)
{
    if (hr_manifest_is_null(node)) {
        return true;
    }
    if (node->kind != HR_MANIFEST_MAPPING) {
        hr_manifest_problem(reader, node, "must be a mapping (`key: value`), is %s",
                            shape_of(node));
        return false;
    }
    for (const struct hr_manifest_node *member = node->first; keys && member;
         member = member->next) {
        check_key(reader, member, keys, count);
    }
    return true;
}

bool hr_manifest_is_sequence(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                             size_t max)
{
    if (node->kind != HR_MANIFEST_SEQUENCE) {
        hr_manifest_problem(reader, node, "must be a list (`[a, b]`), is %s", shape_of(node));
        return false;
    }
    if (node->count > max) {
        hr_manifest_problem(reader, node, "has %zu entries; the limit is %zu", node->count, max);
        return false;
    }
    return true;
}

bool hr_manifest_scalar(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                        struct hr_manifest_item *ret_item)
{
    if (node->kind != HR_MANIFEST_SCALAR || hr_manifest_is_null(node)) {
        hr_manifest_problem(reader, node, "must be a single value, is %s", shape_of(node));
        return false;
    }
    if (hr_str_find(node->text, '\0', 0) != SIZE_MAX) {
        hr_manifest_problem(reader, node, "must not hold a NUL byte");
        return false;
    }
    *ret_item = (struct hr_manifest_item){.text = node->text, .node = node};
    return true;
}

bool hr_manifest_member(struct hr_manifest_reader *reader, const struct hr_manifest_node *mapping,
                        const char *key, struct hr_manifest_item *ret_item)
{
    const struct hr_manifest_node *node = hr_manifest_child(mapping, key);
    return node && hr_manifest_scalar(reader, node, ret_item);
}

/* ---- Values ---- */

bool hr_manifest_read_name(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           struct hr_str *ret_name)
{
    bool good = item->text.len > 0 && item->text.len <= HR_MANIFEST_NAME_BYTES_MAX;
    for (size_t i = 0; i < item->text.len && good; i++) {
        char c = item->text.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    if (!good) {
        char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
        hr_manifest_item_problem(reader, item,
                                 "`%s` is not a name: 1 to %u of the characters a-z, 0-9 and -",
                                 hr_manifest_quote(item->text, quote), HR_MANIFEST_NAME_BYTES_MAX);
        return false;
    }
    *ret_name = hr_manifest_copy(reader, item->text);
    return true;
}

bool hr_manifest_read_number(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             uint64_t min, uint64_t max, uint64_t *ret_number)
{
    uint64_t number;
    if (!hr_str_to_u64(item->text, &number) || number < min || number > max) {
        char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
        hr_manifest_item_problem(reader, item, "`%s` is not a whole number from %llu to %llu",
                                 hr_manifest_quote(item->text, quote), (unsigned long long)min,
                                 (unsigned long long)max);
        return false;
    }
    *ret_number = number;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1},     {"KiB", 1u << 10}, {"MiB", 1u << 20},  {"GiB", 1u << 30},
    {"kB", 1000}, {"MB", 1000000},   {"GB", 1000000000},
};

static const struct unit time_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60000},
    {"h", 3600000},
};

/* Reads digits and, right after them, a unit. */
static bool parse_quantity(struct hr_str text, const struct unit *units, size_t count,
                           uint64_t *ret_value)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    uint64_t number;
    if (!hr_str_to_u64(hr_str_of(text.ptr, digits), &number)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (hr_str_eq(hr_str_from(text, digits), hr_str_c(units[i].name))) {
            return !__builtin_mul_overflow(number, units[i].factor, ret_value);
        }
    }
    return false;
}

/* @value in the largest unit that leaves it whole. */
static const char *show_quantity(uint64_t value, const struct unit *units, size_t count,
                                 char *ret_text, size_t size)
{
    const struct unit *best = &units[0];
    for (size_t i = 0; i < count; i++) {
        if (value % units[i].factor == 0 && value > 0 && units[i].factor > best->factor) {
            best = &units[i];
        }
    }
    snprintf(ret_text, size, "%llu%s", (unsigned long long)(value / best->factor), best->name);
    return ret_text;
}

/* What a quantity is called, and which units it has. */
struct quantity {
    const char *what;
    const char *example;
    const struct unit *units;
    size_t count;
};

static const struct quantity sizes = {"a size in B, KiB, MiB or GiB (or kB, MB, GB)", "64MiB",
                                      size_units, sizeof size_units / sizeof size_units[0]};
static const struct quantity durations = {"a duration in ms, s, m or h", "30s", time_units,
                                          sizeof time_units / sizeof time_units[0]};

static bool read_quantity(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                          const struct quantity *quantity, uint64_t min, uint64_t max,
                          uint64_t *ret_value)
{
    char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
    char low[32];
    char high[32];
    uint64_t value;
    if (!parse_quantity(item->text, quantity->units, quantity->count, &value)) {
        hr_manifest_item_problem(
            reader, item, "`%s` is not %s: a whole number and its unit, as in %s",
            hr_manifest_quote(item->text, quote), quantity->what, quantity->example);
        return false;
    }
    if (value < min || value > max) {
        hr_manifest_item_problem(
            reader, item, "`%s` is out of range: %s to %s", hr_manifest_quote(item->text, quote),
            show_quantity(min, quantity->units, quantity->count, low, sizeof low),
            show_quantity(max, quantity->units, quantity->count, high, sizeof high));
        return false;
    }
    *ret_value = value;
    return true;
}

bool hr_manifest_read_size(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                           uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
    return read_quantity(reader, item, &sizes, min, max, ret_bytes);
}

bool hr_manifest_read_duration(struct hr_manifest_reader *reader,
                               const struct hr_manifest_item *item, uint64_t min, uint64_t max,
                               uint64_t *ret_ms)
{
    return read_quantity(reader, item, &durations, min, max, ret_ms);
}

bool hr_manifest_read_choice(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             const char *const *names, size_t count, size_t *ret_index)
{
    char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
    char hint[HINT_BYTES];
    for (size_t i = 0; i < count; i++) {
        if (hr_str_eq(item->text, hr_str_c(names[i]))) {
            *ret_index = i;
            return true;
        }
    }
    hr_manifest_item_problem(reader, item, "`%s` is unknown; %s",
                             hr_manifest_quote(item->text, quote),
                             hr_manifest_hint(item->text, names, count, hint, sizeof hint));
    return false;
}

bool hr_manifest_read_switch(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                             bool *ret_on)
{
    static const char *const names[] = {"false", "true", "off", "on"};
    size_t index;
    if (!hr_manifest_read_choice(reader, item, names, sizeof names / sizeof names[0], &index)) {
        return false;
    }
    *ret_on = index % 2 == 1;
    return true;
}
