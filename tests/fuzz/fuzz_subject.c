/* links: hr_subject
 * Input: a pattern and a subject with a newline between. Checks the fast matcher against a plain
 * recursive definition of the same rules, and that a literal matches itself. */
#include <stdint.h>
#include <stdlib.h>

#include "host/bus/subject.h"

#define SUBJECT_BYTES_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NATS' rules by token; the depth is bounded by the number of tokens in SUBJECT_BYTES_MAX. */
static bool matches_plainly(const char *pattern, const char *subject)
{
    size_t want = strcspn(pattern, ".");
    size_t have = strcspn(subject, ".");
    if (want == 1 && pattern[0] == '>') {
        return true;
    }
    bool any = want == 1 && pattern[0] == '*';
    if (!any && (want != have || memcmp(pattern, subject, want) != 0)) {
        return false;
    }
    if (!pattern[want] || !subject[have]) {
        return !pattern[want] && !subject[have];
    }
    return matches_plainly(pattern + want + 1, subject + have + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_str input = hr_str_of(data, size);
    size_t cut = hr_str_find(input, '\n', 0);
    if (cut == SIZE_MAX || cut >= SUBJECT_BYTES_MAX || size - cut > SUBJECT_BYTES_MAX) {
        return 0;
    }
    struct hr_str pattern = hr_str_of(data, cut);
    struct hr_str subject = hr_str_from(input, cut + 1);
    bool answer = hr_subject_matches(pattern, subject);
    if (!hr_subject_is_pattern(pattern) || !hr_subject_is_literal(subject)) {
        return 0;
    }
    char pattern_text[SUBJECT_BYTES_MAX + 1] = {0};
    char subject_text[SUBJECT_BYTES_MAX + 1] = {0};
    memcpy(pattern_text, pattern.ptr, pattern.len);
    memcpy(subject_text, subject.ptr, subject.len);
    if (answer != matches_plainly(pattern_text, subject_text) ||
        !hr_subject_matches(subject, subject)) {
        abort();
    }
    return 0;
}
