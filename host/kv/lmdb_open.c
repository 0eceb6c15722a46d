/* Opening a folder as a store: reads the URL's options, makes and locks the folder, makes the data file
 * if there is none, looks at it before LMDB does, goes back to the checkpoint of a lazy store, opens
 * LMDB and checks the layout. A data file is made under another name and renamed when it is whole, so
 * one that is short was cut, never half made. Every error names the folder and says what to do. On the caller's thread; nothing else runs
 * yet. Knows nothing of operations. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/kv/lmdb_impl.h"

#define DATA_NAME "data.mdb"
#define NEW_DATA_NAME "data.mdb.new"
#define READERS_NAME "lock.mdb"
#define LOCK_NAME "hedgerow.lock"
/* Room for the readers' table. LMDB maps that file for writing, so its blocks must be there: a hole
 * on a full disk would be a SIGBUS. */
#define READERS_BYTES 16384

static const char layout_key[] = {'\0', 'h', 'e', 'd', 'g', 'e', 'r', 'o', 'w'};
static const char layout_magic[] = {'h', 'e', 'd', 'g', 'e', 'r', 'o', 'w'};
#define LAYOUT_BYTES (sizeof layout_magic + 4)

enum hr_err hr_kv_lmdb_err(int rc)
{
    switch (rc) {
    case 0:
        return HR_OK;
    case MDB_NOTFOUND:
        return HR_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return HR_NO_SPACE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PAGE_FULL:
    case MDB_CURSOR_FULL:
        return HR_CORRUPT;
    case MDB_VERSION_MISMATCH:
        return HR_UNSUPPORTED;
    case MDB_READERS_FULL:
        return HR_BUSY;
    case ENOMEM:
        return HR_NO_MEMORY;
    case EROFS:
        return HR_READ_ONLY;
    case EACCES:
    case EPERM:
        return HR_DENIED;
    case ENAMETOOLONG:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case ENOENT:
        return HR_BAD_INPUT;
    default:
        return HR_IO;
    }
}

/* What a person can do about an error at opening. */
static const char *advice(enum hr_err err, int rc)
{
    if (err == HR_READ_ONLY) {
        return "; the store needs a folder that it may write";
    }
    if (err == HR_DENIED) {
        return "; this user may not write there: change the folder's owner or mode";
    }
    if (err == HR_NO_SPACE) {
        return "; free some space or raise the limit";
    }
    if (rc == ENOTDIR || rc == EISDIR) {
        return "; the store needs a folder of its own";
    }
    if (rc == ENOENT) {
        return "; make the folder above it first";
    }
    return "";
}

/* "<what>: <error>; <advice>", for an error of LMDB's or the system's. */
static enum hr_err fail(struct hr_diag *diag, const char *what, int rc)
{
    enum hr_err err = hr_kv_lmdb_err(rc);
    return hr_diag_set(diag, err, "%s: %s%s", what, mdb_strerror(rc), advice(err, rc));
}

static bool read_size(struct hr_str text, size_t *ret_bytes)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    unsigned shift = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (hr_str_ends(text, hr_str_c(units[i].unit))) {
            shift = units[i].shift;
            text.len -= strlen(units[i].unit);
        }
    }
    uint64_t number;
    if (!hr_str_to_u64(text, &number) || number > (uint64_t)SIZE_MAX >> shift) {
        return false;
    }
    *ret_bytes = (size_t)number << shift;
    return true;
}

static bool read_option(struct hr_str option, struct hr_kv_lmdb_options *options)
{
    size_t equals = hr_str_find(option, '=', 0);
    if (equals == SIZE_MAX) {
        return false;
    }
    struct hr_str name = hr_str_of(option.ptr, equals);
    struct hr_str value = hr_str_from(option, equals + 1);
    if (hr_str_eq(name, HR_STR("start"))) {
        return read_size(value, &options->start_bytes);
    }
    if (hr_str_eq(name, HR_STR("max"))) {
        return read_size(value, &options->max_bytes);
    }
    uint64_t ms;
    if (hr_str_eq(name, HR_STR("lazy-ms")) && hr_str_to_u64(value, &ms) && ms >= 1 &&
        ms <= UINT32_MAX) {
        options->lazy_ms = (uint32_t)ms;
        return true;
    }
    return false;
}

/* Rounds the map's sizes to whole pages, at least two of them for each meta page. */
static void round_sizes(struct hr_kv_lmdb_options *options)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = 16 * page;
    options->start_bytes =
        options->start_bytes < least ? least : options->start_bytes & ~(page - 1);
    options->max_bytes = options->max_bytes < least ? least : options->max_bytes & ~(page - 1);
    if (options->start_bytes > options->max_bytes) {
        options->start_bytes = options->max_bytes;
    }
}

/* Takes the URL's rest apart: @ret_folder is what is before the last '?'. */
static enum hr_err read_url(struct hr_str rest, struct hr_str *ret_folder,
                            struct hr_kv_lmdb_options *options, struct hr_diag *diag)
{
    size_t mark = rest.len;
    while (mark > 0 && rest.ptr[mark - 1] != '?') {
        mark--;
    }
    *ret_folder = mark > 0 ? hr_str_of(rest.ptr, mark - 1) : rest;
    struct hr_str left = mark > 0 ? hr_str_from(rest, mark) : (struct hr_str){0};
    while (left.len > 0) {
        size_t end = hr_str_find(left, '&', 0);
        struct hr_str option = hr_str_of(left.ptr, end == SIZE_MAX ? left.len : end);
        if (!read_option(option, options)) {
            return hr_diag_set(diag, HR_BAD_INPUT,
                               "option \"%.*s\" is not one of start=<size>, max=<size> "
                               "(bytes, or KiB, MiB, GiB), lazy-ms=<number>",
                               (int)(option.len < 80 ? option.len : 80), option.ptr);
        }
        left = end == SIZE_MAX ? (struct hr_str){0} : hr_str_from(left, end + 1);
    }
    round_sizes(options);
    if (ret_folder->len == 0 || hr_str_find(*ret_folder, '\0', 0) != SIZE_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "names no folder");
    }
    return HR_OK;
}

/* Puts a new folder's name on disk. */
static int sync_parent(const char *folder)
{
    char parent[HR_KV_LMDB_PATH_BYTES_MAX];
    int n = snprintf(parent, sizeof parent, "%s/..", folder);
    if (n < 0 || (size_t)n >= sizeof parent) {
        return ENAMETOOLONG;
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == EACCES ? 0 : errno; /* a folder above that we may not read is not ours */
    }
    int rc = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

static enum hr_err make_folder(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    if (mkdir(kv->folder, 0700) == 0) {
        int rc = sync_parent(kv->folder);
        if (rc) {
            return fail(diag, "syncing the folder above", rc);
        }
    } else if (errno != EEXIST) {
        return fail(diag, "making the folder", errno);
    }
    kv->folder_fd = open(kv->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return kv->folder_fd >= 0 ? HR_OK : fail(diag, "opening the folder", errno);
}

/* Another process's number, if it left one; for the message only. */
static void read_holder(int fd, char *to, size_t size)
{
    ssize_t n = pread(fd, to, size - 1, 0);
    to[n > 0 ? n : 0] = '\0';
    to[strcspn(to, "\n")] = '\0';
    if (to[strspn(to, "0123456789")] != '\0') {
        to[0] = '\0';
    }
}

/* Takes the folder for this process. The lock ends with the process, however that ends. */
static enum hr_err lock_folder(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    kv->lock_fd = openat(kv->folder_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (kv->lock_fd < 0) {
        return fail(diag, LOCK_NAME, errno);
    }
    char number[24];
    if (flock(kv->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return fail(diag, "locking " LOCK_NAME, errno);
        }
        read_holder(kv->lock_fd, number, sizeof number);
        return hr_diag_set(diag, HR_LOCKED, "in use by process %s; a store has one host at a time",
                           number[0] ? number : "(unknown)");
    }
    int n = snprintf(number, sizeof number, "%ld\n", (long)getpid());
    /* The number serves a message only: a full disk is noticed where it matters. */
    HR_IGNORE(ftruncate(kv->lock_fd, 0));
    HR_IGNORE(pwrite(kv->lock_fd, number, (size_t)n, 0) != n);
    return HR_OK;
}

/* Gives the readers' table its blocks. LMDB does not have the file open yet: closing it later would
 * drop LMDB's lock on it. */
static enum hr_err reserve_readers(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    int fd = openat(kv->folder_fd, READERS_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(diag, READERS_NAME, errno);
    }
    int rc = posix_fallocate(fd, 0, READERS_BYTES);
    close(fd);
    return rc ? fail(diag, READERS_NAME, rc) : HR_OK;
}

/* Looks at the data file, after going back to the checkpoint if need be. */
static enum hr_err check_data(struct hr_kv_lmdb *kv, int fd, struct hr_diag *diag)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return fail(diag, DATA_NAME, errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return hr_diag_set(diag, HR_BAD_INPUT, DATA_NAME " is not a file");
    }
    bool lossy;
    enum hr_err err = hr_kv_lmdb_checkpoint_recover(kv, fd, &lossy, diag);
    if (err) {
        return err;
    }
    struct hr_lmdb_meta_page page;
    err = hr_lmdb_file_meta(fd, &page, diag);
    if (!err) {
        err = hr_lmdb_file_check(fd, &page.meta, HR_KV_LMDB_CHECK_PAGES_MAX, diag);
    }
    if (err) {
        return hr_diag_prefix(diag, err, DATA_NAME);
    }
    size_t used = (page.meta.last_page + 1) * hr_lmdb_page_bytes(&page.meta);
    while (kv->map_bytes < used && kv->map_bytes < kv->options.max_bytes) {
        kv->map_bytes =
            kv->map_bytes > kv->options.max_bytes / 2 ? kv->options.max_bytes : kv->map_bytes * 2;
    }
    kv->base.past = lossy ? HR_KV_LOSSY : kv->base.past;
    return HR_OK;
}

/* Writes the layout's record, the first of a database. */
static int put_layout(MDB_env *env)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    int rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc) {
        return rc;
    }
    unsigned char bytes[LAYOUT_BYTES] = {0};
    memcpy(bytes, layout_magic, sizeof layout_magic);
    bytes[LAYOUT_BYTES - 1] = HR_KV_LMDB_LAYOUT;
    _Static_assert(HR_KV_LMDB_LAYOUT < 256, "the version's low byte is all that is written");
    MDB_val key = {sizeof layout_key, (void *)layout_key};
    MDB_val value = {sizeof bytes, bytes};
    rc = mdb_dbi_open(txn, NULL, 0, &dbi);
    if (!rc) {
        rc = mdb_put(txn, dbi, &key, &value, 0);
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* Makes an empty database at @path, synced. */
static int make_database(const char *path)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);
    if (rc) {
        return rc;
    }
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (!rc) {
        rc = put_layout(env);
    }
    mdb_env_close(env);
    return rc;
}

/* Makes the data file; a checkpoint can only be of one that is gone. */
static int make_data(struct hr_kv_lmdb *kv)
{
    char path[HR_KV_LMDB_PATH_BYTES_MAX];
    int n = snprintf(path, sizeof path, "%s/" NEW_DATA_NAME, kv->folder);
    if (n < 0 || (size_t)n >= sizeof path) {
        return ENAMETOOLONG;
    }
    if (unlinkat(kv->folder_fd, NEW_DATA_NAME, 0) != 0 && errno != ENOENT) {
        return errno;
    }
    int rc = hr_kv_lmdb_checkpoint_unlink(kv);
    if (!rc) {
        rc = make_database(path);
    }
    if (!rc && renameat(kv->folder_fd, NEW_DATA_NAME, kv->folder_fd, DATA_NAME) != 0) {
        rc = errno;
    }
    if (!rc && fsync(kv->folder_fd) != 0) {
        rc = errno;
    }
    return rc;
}

static enum hr_err prepare_data(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    kv->map_bytes = kv->options.start_bytes;
    kv->base.past = HR_KV_INTACT;
    int fd = openat(kv->folder_fd, DATA_NAME, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int rc = make_data(kv);
        if (rc) {
            return fail(diag, "making " DATA_NAME, rc);
        }
        kv->base.past = HR_KV_FRESH;
        fd = openat(kv->folder_fd, DATA_NAME, O_RDWR | O_CLOEXEC);
    }
    if (fd < 0) {
        return fail(diag, DATA_NAME, errno);
    }
    enum hr_err err = check_data(kv, fd, diag);
    close(fd);
    return err;
}

static uint32_t read_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum hr_err check_record(MDB_val value, struct hr_diag *diag)
{
    if (value.mv_size < LAYOUT_BYTES ||
        memcmp(value.mv_data, layout_magic, sizeof layout_magic) != 0) {
        return hr_diag_set(diag, HR_CORRUPT, DATA_NAME ": the layout's record is garbled");
    }
    uint32_t version = read_u32((const unsigned char *)value.mv_data + sizeof layout_magic);
    if (version != HR_KV_LMDB_LAYOUT) {
        return hr_diag_set(diag, HR_UNSUPPORTED,
                           DATA_NAME " has layout %u and this version knows %u; use the version of "
                                     "hedgerow that made it, or a newer one",
                           version, HR_KV_LMDB_LAYOUT);
    }
    return HR_OK;
}

static enum hr_err check_layout(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        return fail(diag, DATA_NAME, rc);
    }
    MDB_val key = {sizeof layout_key, (void *)layout_key};
    MDB_val value;
    enum hr_err err = HR_OK;
    rc = mdb_get(txn, kv->dbi, &key, &value);
    if (rc == MDB_NOTFOUND) {
        err = hr_diag_set(diag, HR_UNSUPPORTED,
                          DATA_NAME " is an LMDB database of another program; use an empty folder");
    } else if (rc) {
        err = fail(diag, DATA_NAME, rc);
    } else {
        err = check_record(value, diag);
    }
    mdb_txn_abort(txn);
    return err;
}

static enum hr_err open_database(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    enum hr_err err = prepare_data(kv, diag);
    if (!err) {
        err = reserve_readers(kv, diag);
    }
    if (err) {
        return err;
    }
    int rc = hr_kv_lmdb_env_open(kv);
    if (rc) {
        return fail(diag, DATA_NAME, rc);
    }
    err = check_layout(kv, diag);
    if (err) {
        return err;
    }
    rc = kv->base.durability == HR_KV_LAZY ? hr_kv_lmdb_checkpoint_write(kv)
                                           : hr_kv_lmdb_checkpoint_remove(kv);
    return rc ? fail(diag, "the checkpoint", rc) : HR_OK;
}

/* Everything that the threads share; half-made is fine for release. */
static struct hr_kv_lmdb *new_store(enum hr_kv_durability durability, struct hr_str folder)
{
    struct hr_kv_lmdb *kv = hr_alloc(sizeof *kv);
    if (!kv) {
        return NULL;
    }
    kv->folder = hr_alloc_cstr(folder);
    if (!kv->folder) {
        hr_free(kv);
        return NULL;
    }
    kv->base.durability = durability;
    kv->folder_fd = -1;
    kv->lock_fd = -1;
    hr_list_init(&kv->ports);
    hr_list_init(&kv->queue);
    return kv;
}

void hr_kv_lmdb_release(struct hr_kv_lmdb *kv)
{
    hr_kv_lmdb_env_close(kv);
    if (kv->lock_fd >= 0) {
        close(kv->lock_fd);
    }
    if (kv->folder_fd >= 0) {
        close(kv->folder_fd);
    }
    hr_free(kv->folder);
    hr_free(kv);
}

enum hr_err hr_kv_lmdb_open_folder(struct hr_str rest, enum hr_kv_durability durability,
                                   struct hr_kv_lmdb **ret_kv, struct hr_diag *diag)
{
    struct hr_kv_lmdb_options options = {HR_KV_LMDB_START_BYTES, HR_KV_LMDB_MAX_BYTES,
                                         HR_KV_LMDB_LAZY_MS};
    struct hr_str folder = {0};
    enum hr_err err = read_url(rest, &folder, &options, diag);
    struct hr_kv_lmdb *kv = NULL;
    if (!err) {
        kv = new_store(durability, folder);
        err = kv ? HR_OK : hr_diag_set(diag, HR_NO_MEMORY, "out of memory");
    }
    if (!err) {
        kv->options = options;
        err = make_folder(kv, diag);
    }
    if (!err) {
        err = lock_folder(kv, diag);
    }
    if (!err) {
        err = open_database(kv, diag);
    }
    if (err) {
        if (kv) {
            hr_kv_lmdb_release(kv);
        }
        return hr_diag_prefix(diag, err, "store %.*s", (int)(folder.len < 240 ? folder.len : 240),
                              folder.ptr ? folder.ptr : "");
    }
    *ret_kv = kv;
    return HR_OK;
}
