/* A borrowed run of bytes: pointer and length, no terminator, not necessarily text. It never owns
 * what it points at; whoever keeps one past the call says so in the header that takes it. An
 * empty run may have a NULL pointer. */
#ifndef HR_STR_H
#define HR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hr_str {
    const char *ptr;
    size_t len;
};

#define HR_STR(literal) ((struct hr_str){"" literal, sizeof(literal) - 1})
/* For printf's "%.*s". */
#define HR_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct hr_str hr_str_of(const void *ptr, size_t len)
{
    return (struct hr_str){(const char *)ptr, len};
}

/* The run of a C string, without its terminator. NULL gives the empty run. */
static inline struct hr_str hr_str_c(const char *text)
{
    return (struct hr_str){text, text ? strlen(text) : 0};
}

static inline bool hr_str_eq(struct hr_str a, struct hr_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool hr_str_starts(struct hr_str s, struct hr_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool hr_str_ends(struct hr_str s, struct hr_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The rest of @s from byte @from on; empty when @from is past the end. */
static inline struct hr_str hr_str_from(struct hr_str s, size_t from)
{
    return from >= s.len ? (struct hr_str){s.ptr ? s.ptr + s.len : NULL, 0}
                         : (struct hr_str){s.ptr + from, s.len - from};
}

/* Bytewise order, shorter first on a common prefix: negative, 0 or positive, as memcmp. */
int hr_str_cmp(struct hr_str a, struct hr_str b);
/* Whether they are equal when ASCII letters' case is ignored. */
bool hr_str_eq_nocase(struct hr_str a, struct hr_str b);
/* Index of the first @c at or after @from, or SIZE_MAX. */
size_t hr_str_find(struct hr_str s, char c, size_t from);
/* @s without ASCII spaces and tabs at both ends. */
struct hr_str hr_str_trim(struct hr_str s);
/* Whether @s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
bool hr_str_is_utf8(struct hr_str s);
/* Reads an unsigned decimal number that fills all of @s; false on anything else or overflow.
 * @ret_value is written only on success. */
bool hr_str_to_u64(struct hr_str s, uint64_t *ret_value);

#endif
