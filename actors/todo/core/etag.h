/* Entity tags and the headers that carry lists of them: If-Match and If-None-Match (RFC 9110
 * sections 8.8.3, 13.1.1, 13.1.2). Stateless, any thread. */
#ifndef GW_ETAG_H
#define GW_ETAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Of one If-Match or If-None-Match. */
#define GW_ETAGS_MAX ((size_t)64)
/* The kv actor's versions: that many hexadecimal digits. */
#define GW_VERSION_CHARS ((size_t)32)

struct gw_etag {
    struct hr_str opaque; /* what stands between the quotes */
    bool weak;
};

enum gw_etags_kind {
    GW_ETAGS_ABSENT, /* no such header */
    GW_ETAGS_ANY,    /* "*" */
    GW_ETAGS_LIST
};

struct gw_etags {
    enum gw_etags_kind kind;
    struct gw_etag tags[GW_ETAGS_MAX];
    size_t count;
};

/* Reads the joined value of the header; the tags borrow @value. An empty value is malformed.
 * Errors: HR_BAD_INPUT: neither "*" nor a list of entity tags. HR_TOO_BIG: more than
 * GW_ETAGS_MAX. */
HR_MUST_CHECK enum hr_err gw_etags_parse(struct hr_str value, struct gw_etags *ret_etags);
/* Reads one entity tag that fills all of @text. Errors: HR_BAD_INPUT. */
HR_MUST_CHECK enum hr_err gw_etag_parse(struct hr_str text, struct gw_etag *ret_etag);
/* Strong comparison (If-Match) of each tag with the strong tag "@opaque": true also for "*",
 * false for an absent header. */
bool gw_etags_match_strong(const struct gw_etags *etags, struct hr_str opaque);
/* The same with weak comparison (If-None-Match). */
bool gw_etags_match_weak(const struct gw_etags *etags, struct hr_str opaque);
/* Whether @text can be a version of the kv actor. */
bool gw_version_is_valid(struct hr_str text);

#endif
