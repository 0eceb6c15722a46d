/* Subjects and wildcards. A pattern never needs a second look at a token: `*` takes exactly one and
 * `>` only stands last, so matching walks both strings once, side by side, without going back. */
#include "host/bus/subject.h"

#include <stdint.h>

#define DELETE_BYTE 0x7f

static bool is_token_byte(char c)
{
    return (unsigned char)c > ' ' && c != DELETE_BYTE;
}

/* Cuts the first token off @rest; false when nothing is left. After a final dot one empty token
 * comes out, so that a caller sees it. */
static bool next_token(struct hr_str *rest, struct hr_str *ret_token)
{
    if (!rest->ptr) {
        return false;
    }
    size_t dot = hr_str_find(*rest, '.', 0);
    if (dot == SIZE_MAX) {
        *ret_token = *rest;
        *rest = (struct hr_str){0};
        return true;
    }
    *ret_token = hr_str_of(rest->ptr, dot);
    *rest = hr_str_from(*rest, dot + 1);
    return true;
}

static bool is_any_one(struct hr_str token)
{
    return token.len == 1 && token.ptr[0] == '*';
}

static bool is_any_rest(struct hr_str token)
{
    return token.len == 1 && token.ptr[0] == '>';
}

bool hr_subject_is_queue(struct hr_str name)
{
    if (name.len == 0) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_byte(name.ptr[i])) {
            return false;
        }
    }
    return hr_str_is_utf8(name);
}

bool hr_subject_is_pattern(struct hr_str subject)
{
    if (!hr_subject_is_queue(subject)) { /* the same bytes are allowed, and dots mean more */
        return false;
    }
    struct hr_str rest = subject;
    struct hr_str token;
    while (next_token(&rest, &token)) {
        bool last = !rest.ptr;
        if (token.len == 0 || (is_any_rest(token) && !last)) {
            return false;
        }
    }
    return true;
}

bool hr_subject_has_wildcard(struct hr_str pattern)
{
    struct hr_str rest = pattern;
    struct hr_str token;
    while (next_token(&rest, &token)) {
        if (is_any_one(token) || is_any_rest(token)) {
            return true;
        }
    }
    return false;
}

bool hr_subject_is_literal(struct hr_str subject)
{
    return hr_subject_is_pattern(subject) && !hr_subject_has_wildcard(subject);
}

struct hr_str hr_subject_first_token(struct hr_str subject)
{
    size_t dot = hr_str_find(subject, '.', 0);
    return dot == SIZE_MAX ? subject : hr_str_of(subject.ptr, dot);
}

bool hr_subject_matches(struct hr_str pattern, struct hr_str subject)
{
    struct hr_str want;
    struct hr_str have;
    while (next_token(&pattern, &want)) {
        if (!next_token(&subject, &have)) {
            return false;
        }
        if (is_any_rest(want)) {
            return true;
        }
        if (!is_any_one(want) && !hr_str_eq(want, have)) {
            return false;
        }
    }
    return !subject.ptr;
}
