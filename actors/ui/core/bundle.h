/* The web page's files as they are compiled into the actor: each in one or more codings, already
 * compressed. Made by ui/scripts/pack.mjs; a table like any other to this core, so that tests bring
 * their own. Static, immutable, any thread. */
#ifndef UI_BUNDLE_H
#define UI_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "actors/ui/core/coding.h"

struct ui_variant {
    enum ui_coding coding;
    struct hr_str etag; /* strong, with its quotes; no two variants share one */
    struct hr_str bytes;
};

struct ui_file {
    struct hr_str path; /* decoded, without the leading slash: "assets/index-1a2b.js" */
    struct hr_str content_type;
    bool immutable; /* the path names the content: it never changes under it */
    const struct ui_variant *variants;
    size_t variant_count; /* at least 1, and one of them is UI_CODING_IDENTITY */
};

struct ui_bundle {
    const struct ui_file *files;
    size_t file_count;
};

#endif
