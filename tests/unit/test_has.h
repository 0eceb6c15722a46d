/* Whether a text has a part. Include it after cmocka.h. */
#ifndef TEST_HAS_H
#define TEST_HAS_H

#include <string.h>

static inline void has(const char *text, const char *part)
{
    if (!text || !strstr(text, part)) {
        fail_msg("%s is not in %s", part, text ? text : "nothing");
    }
}

static inline void lacks(const char *text, const char *part)
{
    if (strstr(text, part)) {
        fail_msg("%s is in %s", part, text);
    }
}

#endif
