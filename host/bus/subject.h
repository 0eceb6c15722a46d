/* Subjects as NATS defines them: tokens between dots, none of them empty. In a pattern a token that
 * is exactly `*` stands for any one token, and a last token that is exactly `>` for one or more; the
 * same characters within a longer token stand for themselves. Letters' case counts.
 *
 * Refused besides empty tokens: bytes that are not UTF-8, control bytes and the space, because they
 * would break NATS' line protocol or could not be a string in a guest. Length is the bus's business.
 * Stateless, any thread; every function takes one pass over its input. */
#ifndef HR_SUBJECT_H
#define HR_SUBJECT_H

#include <stdbool.h>

#include "base/str.h"

/* Whether @subject can be subscribed to (wildcards allowed). */
bool hr_subject_is_pattern(struct hr_str subject);
/* Whether @subject can be published to: a pattern without a wildcard. */
bool hr_subject_is_literal(struct hr_str subject);
/* Whether @name can name a queue group: not empty, UTF-8, no space or control byte. */
bool hr_subject_is_queue(struct hr_str name);
/* Whether a token of @pattern is a wildcard; @pattern is a valid pattern. */
bool hr_subject_has_wildcard(struct hr_str pattern);
/* The part of @subject before its first dot, or all of it. */
struct hr_str hr_subject_first_token(struct hr_str subject);
/* Whether @pattern stands for the literal @subject. Both are valid (nothing bad happens otherwise,
 * but the answer means nothing). */
bool hr_subject_matches(struct hr_str pattern, struct hr_str subject);

#endif
