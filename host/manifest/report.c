/* What a person reads about a manifest: problems with their place, warnings, suggestions. */
#include <stdarg.h>
#include <stdio.h>

#include "host/manifest/reader.h"

#define PATH_BYTES_MAX 200u
#define WORD_BYTES_MAX 32u /* longer words are not compared */
#define DISTANCE_MAX 2u
#define QUOTE_CUT 160u

/* ---- Words ---- */

/* The part of an URL's authority before its `@`, without the scheme: [*ret_from, *ret_to). */
static bool find_secret(struct hr_str text, size_t *ret_from, size_t *ret_to)
{
    size_t from = 0;
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (memcmp(text.ptr + i, "://", 3) == 0) {
            from = i + 3;
            break;
        }
    }
    size_t at = SIZE_MAX;
    for (size_t i = from; i < text.len; i++) {
        at = text.ptr[i] == '@' ? i : at;
    }
    *ret_from = from;
    *ret_to = at;
    return from > 0 && at != SIZE_MAX;
}

const char *hr_manifest_quote(struct hr_str text, char ret_quote[HR_MANIFEST_QUOTE_BYTES_MAX])
{
    size_t secret_from;
    size_t secret_to;
    bool secret = find_secret(text, &secret_from, &secret_to);
    bool utf8 = hr_str_is_utf8(text);
    size_t len = 0;
    size_t i = 0;
    while (i < text.len && len < QUOTE_CUT) {
        if (secret && i == secret_from) {
            memcpy(ret_quote + len, "***", 3);
            len += 3;
            i = secret_to;
        }
        unsigned char c = (unsigned char)text.ptr[i++];
        ret_quote[len++] = c < ' ' || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : (char)c;
    }
    while (utf8 && i < text.len && ((unsigned char)text.ptr[i] & 0xc0) == 0x80) {
        ret_quote[len++] = text.ptr[i++]; /* the rest of a character: at most three bytes */
    }
    memcpy(ret_quote + len, i < text.len ? "..." : "", i < text.len ? 4 : 1);
    return ret_quote;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out, changed or swapped with a neighbour to make @a of @b
 * (optimal string alignment; three rows of the table at a time). */
static size_t distance(struct hr_str a, struct hr_str b)
{
    size_t rows[3][WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.ptr[i - 1] == b.ptr[j - 1];
            row[j] = least(above[j - 1] + !same, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                row[j] = least(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

const char *hr_manifest_suggestion(struct hr_str text, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = DISTANCE_MAX + 1;
    for (size_t i = 0; i < count && text.len <= WORD_BYTES_MAX; i++) {
        struct hr_str name = hr_str_c(names[i]);
        if (name.len > WORD_BYTES_MAX) {
            continue;
        }
        size_t d = distance(text, name);
        if (d < best_distance && 2 * d < name.len) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

const char *hr_manifest_hint(struct hr_str text, const char *const *names, size_t count,
                             char *ret_hint, size_t size)
{
    const char *suggestion = hr_manifest_suggestion(text, names, count);
    if (suggestion) {
        snprintf(ret_hint, size, "did you mean `%s`?", suggestion);
        return ret_hint;
    }
    int len = snprintf(ret_hint, size, "known %s ", count == 1 ? "is" : "are");
    for (size_t i = 0; i < count && len > 0 && (size_t)len < size; i++) {
        len += snprintf(ret_hint + len, size - (size_t)len, "%s%s", i ? ", " : "", names[i]);
    }
    return ret_hint;
}

/* ---- Places ---- */

/* Writes "actors.todo.limits.memory" or "nats[2]"; what does not fit is left out at the front. */
static const char *path_of(const struct hr_manifest_node *node, char ret_path[PATH_BYTES_MAX])
{
    size_t at = PATH_BYTES_MAX - 1;
    ret_path[at] = '\0';
    for (; node && node->parent; node = node->parent) {
        char quote[HR_MANIFEST_QUOTE_BYTES_MAX];
        char part[HR_MANIFEST_QUOTE_BYTES_MAX + 24];
        bool item = node->parent->kind == HR_MANIFEST_SEQUENCE;
        bool dot = !item && node->parent->parent;
        int len = item ? snprintf(part, sizeof part, "[%zu]", node->index + 1)
                       : snprintf(part, sizeof part, "%s%s", dot ? "." : "",
                                  hr_manifest_quote(node->key, quote));
        if (len < 0 || (size_t)len > at) {
            break;
        }
        at -= (size_t)len;
        memcpy(ret_path + at, part, (size_t)len);
    }
    return ret_path + at;
}

/* ---- The report ---- */

static struct hr_diag *next_problem(struct hr_manifest_reader *reader)
{
    struct hr_manifest_report *report = reader->report;
    if (report->problem_count == HR_MANIFEST_PROBLEMS_MAX) {
        report->problems_left_out++;
        return NULL;
    }
    return &report->problems[report->problem_count++];
}

/* Formats "@place: text" to @diag. */
static void write_diag(struct hr_diag *diag, const char *place, const char *fmt, va_list args)
{
    char text[HR_DIAG_BYTES_MAX];
    vsnprintf(text, sizeof text, fmt, args);
    hr_diag_set(diag, HR_BAD_INPUT, "%s: %s", place, text);
}

void hr_manifest_problem(struct hr_manifest_reader *reader, const struct hr_manifest_node *node,
                         const char *fmt, ...)
{
    char path[PATH_BYTES_MAX];
    char place[HR_DIAG_BYTES_MAX];
    const char *key = path_of(node, path);
    if (node) {
        snprintf(place, sizeof place, "%s:%u:%u%s%s", reader->name, node->line, node->column,
                 *key ? ": " : "", key);
    } else {
        snprintf(place, sizeof place, "%s", reader->name);
    }
    va_list args;
    va_start(args, fmt);
    write_diag(next_problem(reader), place, fmt, args);
    va_end(args);
}

void hr_manifest_item_problem(struct hr_manifest_reader *reader,
                              const struct hr_manifest_item *item, const char *fmt, ...)
{
    char text[HR_DIAG_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (item->node) {
        hr_manifest_problem(reader, item->node, "%s", text);
    } else {
        hr_diag_set(next_problem(reader), HR_BAD_INPUT, "variable %s: %s", item->variable, text);
    }
}

void hr_manifest_place_problem(struct hr_manifest_reader *reader, size_t line, size_t column,
                               const char *fmt, ...)
{
    char place[HR_DIAG_BYTES_MAX];
    snprintf(place, sizeof place, line ? "%s:%zu:%zu" : "%s", reader->name, line, column);
    va_list args;
    va_start(args, fmt);
    write_diag(next_problem(reader), place, fmt, args);
    va_end(args);
}

void hr_manifest_warning(struct hr_manifest_reader *reader, const char *fmt, ...)
{
    struct hr_manifest_report *report = reader->report;
    if (report->warning_count == HR_MANIFEST_PROBLEMS_MAX) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(report->warnings[report->warning_count++].text, HR_DIAG_BYTES_MAX, fmt, args);
    va_end(args);
}
