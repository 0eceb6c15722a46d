/* LMDB's data file, read without LMDB.
 *
 * Format: pages of one size; pages 0 and 1 are meta pages, written in turn (transaction n writes page
 * n % 2). A tree's pages are branch or leaf pages: a header, a growing array of u16 offsets from its
 * end (`lower`), and nodes from the page's end downwards (`upper`). A node: four u16 and the key. In a
 * branch the first three u16 are a page number; in a leaf the first two are the data's length, and
 * the data follow the key, or (flag BIG) the number of the first of a run of overflow pages does.
 *
 * The walk keeps one page for each level of the tree and a bit for each page of the file, so that a
 * cycle is found and memory is bounded. Any thread. */
#include "host/kv/lmdb_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define META_MAGIC 0xBEEFC0DEu
#define FORMAT_VERSION 1u
#define PAGE_BRANCH 0x01u
#define PAGE_LEAF 0x02u
#define PAGE_OVERFLOW 0x04u
#define PAGE_META 0x08u
#define PAGE_KINDS 0x0Fu
#define NODE_BIG 0x01u
#define NO_PAGE SIZE_MAX
#define FIRST_DATA_PAGE 2u
#define DEPTH_MAX 32u /* LMDB's cursor stack */
#define PAGE_BYTES_MIN 256u
#define PAGE_BYTES_MAX 65536u

struct node_header {
    uint16_t half[2]; /* in the machine's order */
    uint16_t flags;
    uint16_t key_len;
};

struct walk {
    int fd;
    const struct hr_lmdb_meta *meta;
    size_t page_bytes;
    size_t pages_left; /* how many more may be read */
    unsigned char *seen;
    struct hr_diag *diag;
};

/* One level of the way down: a page and the child or node that is next. */
struct level {
    unsigned char *bytes;
    struct hr_lmdb_page_header header;
    size_t page;
    unsigned count;
    unsigned next;
};

/* Sums for the comparison with what the tree says of itself. */
struct totals {
    size_t branch_pages;
    size_t leaf_pages;
    size_t overflow_pages;
    size_t entries;
};

static enum hr_err read_at(int fd, void *to, size_t len, size_t offset, struct hr_diag *diag)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return hr_diag_set(diag, HR_IO, "reading %zu bytes at %zu: %s", len, offset,
                               strerror(errno));
        }
        if (n == 0) {
            return hr_diag_set(diag, HR_CORRUPT, "the file ends at byte %zu, within a page",
                               offset + done);
        }
        done += (size_t)n;
    }
    return HR_OK;
}

static bool tree_is_sane(const struct hr_lmdb_tree *tree, size_t last_page)
{
    if (tree->root == NO_PAGE) {
        return tree->depth == 0 && tree->entries == 0;
    }
    return tree->root >= FIRST_DATA_PAGE && tree->root <= last_page && tree->depth >= 1 &&
           tree->depth <= DEPTH_MAX;
}

static enum hr_err meta_is_sane(const struct hr_lmdb_meta_page *page, struct hr_diag *diag)
{
    const struct hr_lmdb_meta *meta = &page->meta;
    if (!(page->header.flags & PAGE_META) || meta->magic != META_MAGIC) {
        return hr_diag_set(diag, HR_CORRUPT, "not an LMDB database (no magic number)");
    }
    if (meta->version != FORMAT_VERSION) {
        return hr_diag_set(diag, HR_UNSUPPORTED, "LMDB data format %u, only %u is known",
                           meta->version, FORMAT_VERSION);
    }
    size_t bytes = hr_lmdb_page_bytes(meta);
    if (bytes < PAGE_BYTES_MIN || bytes > PAGE_BYTES_MAX || (bytes & (bytes - 1)) != 0 ||
        meta->last_page >= SIZE_MAX / bytes - 1 || meta->last_page < FIRST_DATA_PAGE - 1 ||
        !tree_is_sane(&meta->trees[0], meta->last_page) ||
        !tree_is_sane(&meta->trees[1], meta->last_page)) {
        return hr_diag_set(diag, HR_CORRUPT, "a meta page is garbled");
    }
    return HR_OK;
}

enum hr_err hr_lmdb_file_meta(int fd, struct hr_lmdb_meta_page *ret_page, struct hr_diag *diag)
{
    struct hr_lmdb_meta_page pages[2];
    enum hr_err err = read_at(fd, &pages[0], sizeof pages[0], 0, diag);
    if (!err) {
        err = meta_is_sane(&pages[0], diag);
    }
    if (!err) {
        err = read_at(fd, &pages[1], sizeof pages[1], hr_lmdb_page_bytes(&pages[0].meta), diag);
    }
    if (!err) {
        err = meta_is_sane(&pages[1], diag);
    }
    if (err) {
        return err;
    }
    *ret_page = pages[1].meta.transaction > pages[0].meta.transaction ? pages[1] : pages[0];
    return HR_OK;
}

enum hr_err hr_lmdb_file_set_meta(int fd, const struct hr_lmdb_meta_page *page,
                                  struct hr_diag *diag)
{
    size_t page_bytes = hr_lmdb_page_bytes(&page->meta);
    size_t newest = page->meta.transaction;
    for (size_t slot = 0; slot < 2; slot++) {
        struct hr_lmdb_meta_page copy = *page;
        copy.header.page = slot;
        copy.meta.transaction = slot == newest % 2 || newest == 0 ? newest : newest - 1;
        ssize_t n = pwrite(fd, &copy, sizeof copy, (off_t)(slot * page_bytes));
        if (n != (ssize_t)sizeof copy) {
            int err = n < 0 ? errno : ENOSPC;
            return hr_diag_set(diag, err == ENOSPC || err == EDQUOT ? HR_NO_SPACE : HR_IO,
                               "writing a meta page: %s", strerror(err));
        }
    }
    return HR_OK;
}

static enum hr_err damaged(const struct walk *walk, size_t page, const char *what)
{
    return hr_diag_set(walk->diag, HR_CORRUPT, "page %zu: %s", page, what);
}

/* Notes that a run of pages is in use; a page that is in use twice is damage. */
static enum hr_err claim(struct walk *walk, size_t page, size_t count)
{
    if (page < FIRST_DATA_PAGE || count > walk->meta->last_page + 1 ||
        page > walk->meta->last_page + 1 - count) {
        return damaged(walk, page, "linked to, but outside the file");
    }
    for (size_t i = page; i < page + count; i++) {
        unsigned char bit = (unsigned char)(1u << (i % 8));
        if (walk->seen[i / 8] & bit) {
            return damaged(walk, i, "linked to twice");
        }
        walk->seen[i / 8] |= bit;
    }
    return HR_OK;
}

static struct node_header node_at(const struct level *level, unsigned index, size_t *ret_offset)
{
    uint16_t offset;
    memcpy(&offset, level->bytes + sizeof level->header + index * sizeof offset, sizeof offset);
    struct node_header node;
    memcpy(&node, level->bytes + offset, sizeof node);
    *ret_offset = offset;
    return node;
}

static uint32_t low_word(const struct node_header *node)
{
    uint32_t word;
    memcpy(&word, node->half, sizeof word);
    return word;
}

static size_t child_page(const struct node_header *node)
{
    return (size_t)low_word(node) | (sizeof(size_t) > 4 ? (size_t)node->flags << 16 << 16 : 0);
}

/* A node whose data are on pages of their own: looks at the first one's header. */
static enum hr_err check_overflow(struct walk *walk, size_t first, uint32_t data_len,
                                  struct totals *totals)
{
    if (first < FIRST_DATA_PAGE || first > walk->meta->last_page) {
        return damaged(walk, first, "linked to, but outside the file");
    }
    if (walk->pages_left == 0) {
        return HR_OK;
    }
    walk->pages_left--;
    struct hr_lmdb_page_header header;
    enum hr_err err =
        read_at(walk->fd, &header, sizeof header, first * walk->page_bytes, walk->diag);
    if (err) {
        return err;
    }
    uint32_t count;
    memcpy(&count, &header.lower, sizeof count);
    if (header.page != first || (header.flags & PAGE_KINDS) != PAGE_OVERFLOW ||
        count < (sizeof header + data_len + walk->page_bytes - 1) / walk->page_bytes) {
        return damaged(walk, first, "not the value that it should hold");
    }
    totals->overflow_pages += count;
    return claim(walk, first, count);
}

/* One node of a page: its bounds, and for a leaf its value's. */
static enum hr_err check_node(struct walk *walk, const struct level *level, unsigned index,
                              struct totals *totals)
{
    uint16_t offset;
    memcpy(&offset, level->bytes + sizeof level->header + index * sizeof offset, sizeof offset);
    if (offset < level->header.upper || offset > walk->page_bytes - sizeof(struct node_header)) {
        return damaged(walk, level->page, "an entry lies outside it");
    }
    size_t at;
    struct node_header node = node_at(level, index, &at);
    size_t room = walk->page_bytes - at - sizeof node;
    if (node.key_len > room) {
        return damaged(walk, level->page, "a key runs over its end");
    }
    if ((level->header.flags & PAGE_KINDS) == PAGE_BRANCH) {
        return HR_OK;
    }
    totals->entries++;
    bool big = node.flags & NODE_BIG;
    if ((big ? sizeof(size_t) : low_word(&node)) > room - node.key_len) {
        return damaged(walk, level->page, "a value runs over its end");
    }
    if (!big) {
        return HR_OK;
    }
    size_t first;
    memcpy(&first, level->bytes + at + sizeof node + node.key_len, sizeof first);
    return check_overflow(walk, first, low_word(&node), totals);
}

/* Whether a page's keys ascend; a branch's first key means nothing. */
static bool keys_ascend(const struct level *level)
{
    struct hr_str before = {0};
    bool branch = (level->header.flags & PAGE_KINDS) == PAGE_BRANCH;
    for (unsigned i = branch; i < level->count; i++) {
        size_t at;
        struct node_header node = node_at(level, i, &at);
        struct hr_str key = hr_str_of(level->bytes + at + sizeof node, node.key_len);
        if (before.ptr && hr_str_cmp(before, key) >= 0) {
            return false;
        }
        before = key;
    }
    return true;
}

/* Reads a page into @level and checks all that can be seen in it alone. */
static enum hr_err enter(struct walk *walk, struct level *level, size_t page, unsigned kind,
                         struct totals *totals)
{
    level->page = page;
    enum hr_err err = claim(walk, page, 1);
    if (!err) {
        err =
            read_at(walk->fd, level->bytes, walk->page_bytes, page * walk->page_bytes, walk->diag);
    }
    if (err) {
        return err;
    }
    walk->pages_left--;
    memcpy(&level->header, level->bytes, sizeof level->header);
    const struct hr_lmdb_page_header *header = &level->header;
    if (header->page != page || (header->flags & PAGE_KINDS) != kind) {
        return damaged(walk, page, "not the page that it should be");
    }
    if (header->lower < sizeof *header + sizeof(uint16_t) || header->lower > header->upper ||
        header->upper > walk->page_bytes || header->lower % 2 != 0) {
        return damaged(walk, page, "its bounds are impossible");
    }
    level->count = (unsigned)((header->lower - sizeof *header) / sizeof(uint16_t));
    level->next = 0;
    *(kind == PAGE_BRANCH ? &totals->branch_pages : &totals->leaf_pages) += 1;
    for (unsigned i = 0; !err && i < level->count; i++) {
        err = check_node(walk, level, i, totals);
    }
    return err;
}

/* The child that is next on the way: goes up from @depth until a branch has one left. */
static size_t next_page(struct level *levels, unsigned *depth)
{
    for (; *depth > 0; (*depth)--) {
        struct level *parent = &levels[*depth - 1];
        if (parent->next < parent->count) {
            size_t at;
            struct node_header node = node_at(parent, parent->next++, &at);
            return child_page(&node);
        }
    }
    return NO_PAGE;
}

/* Walks one tree, depth first. @ordered: its keys are ordered bytewise. */
static enum hr_err walk_tree(struct walk *walk, const struct hr_lmdb_tree *tree, bool ordered,
                             struct level *levels)
{
    struct totals totals = {0};
    unsigned depth = 0;
    for (size_t page = tree->root; page != NO_PAGE; page = next_page(levels, &depth)) {
        if (walk->pages_left == 0) {
            return HR_OK;
        }
        bool leaf = depth + 1u == tree->depth;
        struct level *level = &levels[depth];
        enum hr_err err = enter(walk, level, page, leaf ? PAGE_LEAF : PAGE_BRANCH, &totals);
        if (err) {
            return err;
        }
        if (ordered && !keys_ascend(level)) {
            return damaged(walk, page, "its keys are out of order");
        }
        depth += leaf ? 0 : 1;
    }
    if (walk->pages_left > 0 &&
        (totals.entries != tree->entries || totals.leaf_pages != tree->leaf_pages ||
         totals.branch_pages != tree->branch_pages ||
         totals.overflow_pages != tree->overflow_pages)) {
        return hr_diag_set(walk->diag, HR_CORRUPT,
                           "a tree of %zu entries has %zu: something is missing", tree->entries,
                           totals.entries);
    }
    return HR_OK;
}

static enum hr_err check_length(int fd, const struct hr_lmdb_meta *meta, struct hr_diag *diag)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return hr_diag_set(diag, HR_IO, "fstat: %s", strerror(errno));
    }
    size_t need = (meta->last_page + 1) * hr_lmdb_page_bytes(meta);
    if ((size_t)st.st_size < need) {
        return hr_diag_set(diag, HR_CORRUPT, "truncated: it has %zu bytes and must have %zu",
                           (size_t)st.st_size, need);
    }
    return HR_OK;
}

enum hr_err hr_lmdb_file_check(int fd, const struct hr_lmdb_meta *meta, size_t pages_max,
                               struct hr_diag *diag)
{
    enum hr_err err = check_length(fd, meta, diag);
    if (err) {
        return err;
    }
    struct walk walk = {.fd = fd,
                        .meta = meta,
                        .page_bytes = hr_lmdb_page_bytes(meta),
                        .pages_left = pages_max,
                        .seen = hr_alloc(meta->last_page / 8 + 1),
                        .diag = diag};
    struct level levels[DEPTH_MAX];
    unsigned char *bytes = hr_alloc_array(DEPTH_MAX, walk.page_bytes);
    if (!walk.seen || !bytes) {
        err = hr_diag_set(diag, HR_NO_MEMORY, "no memory for checking %zu pages", meta->last_page);
        goto done;
    }
    for (size_t i = 0; i < DEPTH_MAX; i++) {
        levels[i].bytes = bytes + i * walk.page_bytes;
    }
    err = walk_tree(&walk, &meta->trees[0], false, levels);
    if (!err) {
        err = walk_tree(&walk, &meta->trees[1], meta->trees[1].flags == 0, levels);
    }
done:
    hr_free(bytes);
    hr_free(walk.seen);
    return err;
}
