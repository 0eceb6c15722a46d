/* What we know of LMDB's data file (format 1, LMDB 0.9) without LMDB: its meta pages, and whether its
 * trees hold together. LMDB trusts its file: a truncated one ends the process by SIGBUS, a garbled
 * page by a wild read. So a file is looked at here before LMDB maps it. Reads with pread only, holds
 * no state, never repairs. Any thread. */
#ifndef HR_KV_LMDB_FILE_H
#define HR_KV_LMDB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"

/* LMDB's own layouts: native byte order and word size. */
struct hr_lmdb_page_header {
    size_t page;
    uint16_t pad;
    uint16_t flags;
    uint16_t lower; /* overflow pages: lower and upper are one u32, the run's length */
    uint16_t upper;
};

struct hr_lmdb_tree {
    uint32_t pad; /* of the first tree: the page size */
    uint16_t flags;
    uint16_t depth;
    size_t branch_pages;
    size_t leaf_pages;
    size_t overflow_pages;
    size_t entries;
    size_t root; /* SIZE_MAX if empty */
};

struct hr_lmdb_meta {
    uint32_t magic;
    uint32_t version;
    size_t address;
    size_t map_bytes;
    struct hr_lmdb_tree trees[2]; /* free pages by transaction, then the data */
    size_t last_page;
    size_t transaction;
};

/* How a meta page begins; the rest of it is unused. */
struct hr_lmdb_meta_page {
    struct hr_lmdb_page_header header;
    struct hr_lmdb_meta meta;
};

/* The page size that the file says it has; of a sound meta page only. */
static inline size_t hr_lmdb_page_bytes(const struct hr_lmdb_meta *meta)
{
    return meta->trees[0].pad;
}

/* Reads both meta pages and returns the newer one. Errors: HR_CORRUPT, HR_UNSUPPORTED (another
 * format), HR_IO. */
HR_MUST_CHECK enum hr_err hr_lmdb_file_meta(int fd, struct hr_lmdb_meta_page *ret_page,
                                            struct hr_diag *diag);
/* Overwrites both meta pages so that @page's transaction is the newest; does not sync. Errors:
 * HR_IO, HR_NO_SPACE. */
HR_MUST_CHECK enum hr_err hr_lmdb_file_set_meta(int fd, const struct hr_lmdb_meta_page *page,
                                                struct hr_diag *diag);
/* Checks that the file is as long as it must be, and walks its trees: every page's header, bounds and
 * links, the order of the keys, and the counts, reading at most @pages_max pages. Bytes of values are
 * not looked at. Errors: HR_CORRUPT, HR_IO, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_lmdb_file_check(int fd, const struct hr_lmdb_meta *meta,
                                             size_t pages_max, struct hr_diag *diag);

#endif
