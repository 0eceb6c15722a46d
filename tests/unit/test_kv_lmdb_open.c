/* links: hr_kv */
/* What opening an LMDB store refuses, and how it says so; every cause is brought about for real. */
#include "tests/unit/kv_rig.h"
#include "tests/unit/own_mounts.h"

#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>

#include "host/kv/lmdb.h"
#include "host/kv/lmdb_file.h"

#define PATH_BYTES 512
static bool have_mounts;

struct place {
    char folder[256]; /* exists */
    char store[PATH_BYTES];
    char url[PATH_BYTES + 64];
    char data[PATH_BYTES + 64];
};

static int place_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    folder_make(place->folder, sizeof place->folder);
    snprintf(place->store, sizeof place->store, "%s/store", place->folder);
    snprintf(place->url, sizeof place->url, "lmdb:%s?start=64KiB", place->store);
    snprintf(place->data, sizeof place->data, "%s/data.mdb", place->store);
    *state = place;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *place = *state;
    folder_remove(place->folder);
    free(place);
    return 0;
}

/* Opening fails with @want, and the message has @text. */
static void assert_refused(const char *url, enum hr_err want, const char *text)
{
    struct hr_diag diag = {{0}};
    struct hr_kv *kv = NULL;
    enum hr_err err = hr_kv_open(hr_str_c(url), HR_KV_SYNC, &kv, &diag);
    if (err == HR_OK) {
        hr_kv_close(kv);
    }
    assert_err(err, want);
    assert_null(kv);
    if (!strstr(diag.text, text)) {
        fail_msg("\"%s\" does not say \"%s\"", diag.text, text);
    }
}

static void assert_opens(const char *url)
{
    struct rig rig;
    rig_open(&rig, url);
    assert_err(rig_put(&rig, "opened", "yes"), HR_OK);
    rig_close(&rig);
}

/* An URL of no known kind is refused with a list of what is known. */
static void open_refuses_unknown_urls(void **state)
{
    (void)state;
    assert_refused("mysql:here", HR_BAD_INPUT, "known: lmdb:<folder>");
    assert_refused("./data", HR_BAD_INPUT, "\"./data\"");
    assert_refused("", HR_BAD_INPUT, "known:");
    assert_refused("lmdb:", HR_BAD_INPUT, "names no folder");
    struct hr_kv *kv;
    struct hr_diag diag;
    assert_err(hr_kv_open(HR_STR("lmdb:/tmp/a\0b"), HR_KV_SYNC, &kv, &diag), HR_BAD_INPUT);
}

/* Options are known ones with sound values. */
static void open_refuses_unknown_options(void **state)
{
    struct place *place = *state;
    const char *wrong[] = {"size=1",
                           "start",
                           "start=",
                           "start=1MB",
                           "max=-1",
                           "max=0x10",
                           "lazy-ms=0",
                           "lazy-ms=5000000000",
                           "max=99999999GiB999",
                           "=",
                           "max=1GiB&&start=1MiB",
                           "max=18014398509481984KiB"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char url[PATH_BYTES + 64];
        snprintf(url, sizeof url, "lmdb:%s?%s", place->store, wrong[i]);
        assert_refused(url, HR_BAD_INPUT, "option");
    }
    assert_int_equal(access(place->store, F_OK), -1);
    char url[PATH_BYTES + 128];
    snprintf(url, sizeof url, "lmdb:%s?start=1MiB&max=100000KiB&lazy-ms=50", place->store);
    assert_opens(url);
    snprintf(url, sizeof url, "lmdb:%s/odd?name?", place->folder); /* an empty option list */
    assert_opens(url);
    snprintf(url, sizeof url, "%s/odd?name/data.mdb", place->folder);
    assert_int_equal(access(url, F_OK), 0);
}

/* A folder that is not there is made, for its owner only; the one above it is not. */
static void open_makes_the_folder(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open(&rig, place->url);
    assert_int_equal(rig.kv->past, HR_KV_FRESH);
    rig_close(&rig);
    struct stat st;
    assert_int_equal(stat(place->store, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(place->data, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    rig_open(&rig, place->url);
    assert_int_equal(rig.kv->past, HR_KV_INTACT);
    rig_close(&rig);
    char url[PATH_BYTES + 64];
    snprintf(url, sizeof url, "lmdb:%s/no/store", place->folder);
    assert_refused(url, HR_BAD_INPUT, "make the folder above it first");
}

/* A path that cannot be a folder is refused by name. */
static void open_refuses_impossible_paths(void **state)
{
    struct place *place = *state;
    FILE *file = fopen(place->store, "w");
    fclose(file);
    assert_refused(place->url, HR_BAD_INPUT, place->store);
    assert_refused(place->url, HR_BAD_INPUT, "a folder of its own");
    char url[8192];
    snprintf(url, sizeof url, "lmdb:%s/below", place->store);
    assert_refused(url, HR_BAD_INPUT, "Not a directory");
    snprintf(url, sizeof url, "lmdb:%s/%0300d", place->folder, 0);
    assert_refused(url, HR_BAD_INPUT, "File name too long");
    snprintf(url, sizeof url, "lmdb:%s/%06000d", place->folder, 0);
    assert_refused(url, HR_BAD_INPUT, "File name too long");
    unlink(place->store);
    assert_int_equal(mkdir(place->store, 0700), 0);
    assert_int_equal(mkdir(place->data, 0700), 0);
    assert_refused(place->url, HR_BAD_INPUT, "data.mdb");
}

/* On a read-only file system neither a new nor an old store opens. */
static void open_refuses_a_read_only_folder(void **state)
{
    struct place *place = *state;
    if (!have_mounts) {
        skip();
    }
    assert_opens(place->url);
    assert_int_equal(mount(place->folder, place->folder, NULL, MS_BIND, NULL), 0);
    assert_int_equal(mount(NULL, place->folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_refused(place->url, HR_READ_ONLY, "a folder that it may write");
    char url[PATH_BYTES + 64];
    snprintf(url, sizeof url, "lmdb:%s/new", place->folder);
    assert_refused(url, HR_READ_ONLY, url + strlen("lmdb:"));
    assert_int_equal(umount(place->folder), 0);
    assert_opens(place->url);
}

/* Runs @body in a process of its own and returns how that ended. */
static int in_child(void (*body)(void *arg), void *arg)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(arg);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void open_as_nobody(void *arg)
{
    struct place *place = arg;
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        _exit(99);
    }
    struct hr_kv *kv;
    struct hr_diag diag = {{0}};
    enum hr_err err = hr_kv_open(hr_str_c(place->url), HR_KV_SYNC, &kv, &diag);
    bool said = strstr(diag.text, place->store) && strstr(diag.text, "may not write there");
    _exit(err != HR_OK && !said ? 98 : (int)err);
}

/* Without the permission to write, the error says so. */
static void open_refuses_without_permission(void **state)
{
    struct place *place = *state;
    assert_int_equal(chmod(place->folder, 0755), 0);
    assert_opens(place->url);
    assert_int_equal(chmod(place->store, getuid() == 0 ? 0700 : 0), 0);
    int status = in_child(open_as_nobody, place);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99) {
        print_message("skipped: this process may not become another user\n");
        skip();
    }
    assert_err((enum hr_err)WEXITSTATUS(status), HR_DENIED);
    assert_int_equal(chmod(place->store, 0700), 0);
}

/* A store that this process has open is not opened again; nor one of another process, until that has
 * ended, by a kill too. */
static void open_refuses_a_store_in_use(void **state)
{
    struct place *place = *state;
    struct rig rig;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        rig_open(&rig, place->url);
        HR_IGNORE(write(ready[1], "r", 1));
        pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    char number[32];
    snprintf(number, sizeof number, "in use by process %ld", (long)pid);
    assert_refused(place->url, HR_LOCKED, number);
    assert_refused(place->url, HR_LOCKED, place->store);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    rig_open(&rig, place->url);
    assert_refused(place->url, HR_LOCKED, "in use");
    assert_err(rig_put(&rig, "k", "v"), HR_OK);
    rig_close(&rig);
    assert_opens(place->url);
    close(ready[0]);
    close(ready[1]);
}

/* Fills a store with values that take leaf, branch and overflow pages, and returns the bytes of its
 * file that are in use. */
static size_t fill(const struct place *place)
{
    struct rig rig;
    rig_open(&rig, place->url);
    char value[9000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 40; i++) {
        struct hr_kv_entry puts[20];
        char keys[20][32];
        for (int j = 0; j < 20; j++) {
            snprintf(keys[j], sizeof keys[j], "key%04d-%02d", i * 7919 % 40, j);
            puts[j] =
                (struct hr_kv_entry){hr_str_c(keys[j]), hr_str_of(value, j == 0 ? 9000 : 300)};
        }
        struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .puts = puts, .put_count = 20};
        assert_err(rig_commit(&rig, &commit).err, HR_OK);
    }
    struct hr_kv_stats stats;
    hr_kv_stats(rig.kv, &stats);
    rig_close(&rig);
    return (size_t)stats.map_bytes;
}

/* A truncated file is refused, wherever it ends: no read of it would be safe. */
static void open_refuses_a_truncated_file(void **state)
{
    struct place *place = *state;
    size_t used = fill(place);
    const size_t lengths[] = {used - 1, used - 4096, used / 2, 8192, 8191, 4096, 4095, 100, 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(truncate(place->data, (off_t)lengths[i]), 0);
        assert_refused(place->url, HR_CORRUPT, "data.mdb");
    }
}

/* A file that was cut within a value's bytes is refused too, though all of its tree is there. */
static void open_refuses_a_file_cut_within_a_value(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open(&rig, place->url);
    static char value[100000];
    struct hr_str bytes = hr_str_of(value, sizeof value);
    struct hr_kv_stats stats;
    assert_err(rig_put_str(&rig, HR_STR("bucket"), HR_STR("k"), bytes), HR_OK);
    hr_kv_stats(rig.kv, &stats);
    rig_close(&rig);
    assert_int_equal(truncate(place->data, (off_t)stats.map_bytes), 0);
    assert_opens(place->url);
    assert_int_equal(truncate(place->data, (off_t)stats.map_bytes - 30000), 0);
    assert_refused(place->url, HR_CORRUPT, "truncated");
}

/* Pages that a commit takes and gives back may never be written, and LMDB's file then ends before
 * them; the store's does not, and is not called truncated for it. */
static void open_knows_pages_that_were_never_written(void **state)
{
    struct place *place = *state;
    static char value[100000];
    struct hr_kv_entry puts[] = {{HR_STR("k00000"), hr_str_of(value, sizeof value)},
                                 {HR_STR("k00001"), hr_str_of(value, sizeof value)},
                                 {HR_STR("k00002"), hr_str_of(value, sizeof value)}};
    struct hr_str deletes[] = {puts[1].key, puts[2].key};
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"),
                                  .puts = puts,
                                  .put_count = 3,
                                  .deletes = deletes,
                                  .delete_count = 2};
    for (int i = 0; i < 6; i++) {
        struct rig rig;
        rig_open(&rig, place->url);
        assert_err(rig_commit(&rig, &commit).err, HR_OK);
        rig_close(&rig);
    }
}

static void overwrite(const char *path, const void *bytes, size_t len, size_t at)
{
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
    close(fd);
}

static void read_back(const char *path, void *bytes, size_t len, size_t at)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, len, (off_t)at), len);
    close(fd);
}

/* A file of something else is refused. */
static void open_refuses_garbage(void **state)
{
    struct place *place = *state;
    assert_int_equal(mkdir(place->store, 0700), 0);
    FILE *file = fopen(place->data, "w");
    for (int i = 0; i < 10000; i++) {
        fprintf(file, "This is not a database. ");
    }
    fclose(file);
    assert_refused(place->url, HR_CORRUPT, "not an LMDB database");
}

/* Reads all that a damaged store gives; it may be wrong, but it must not end the process. */
static void read_all(const char *url)
{
    struct rig rig;
    rig_open(&rig, url);
    struct hr_kv_scan scan = {.bucket = HR_STR("bucket"), .limit = 4096};
    bool more = true;
    while (more) {
        struct hr_kv_page page;
        enum hr_err err = hr_kv_scan_now(rig.port, &scan, &rig.arena, &page);
        assert_true(err == HR_OK || err == HR_CORRUPT);
        more = !err && page.more;
        if (more) {
            scan.after = page.entries[page.count - 1].key;
        }
    }
    rig_close(&rig);
}

/* With any one page overwritten by noise, or by another page, the store is refused, unless the page
 * was free or held only a value's bytes; no damage ends the process. */
static void open_finds_garbled_pages(void **state)
{
    struct place *place = *state;
    struct dice dice = dice_from("open_finds_garbled_pages");
    size_t used = fill(place);
    size_t pages = used / 4096;
    size_t refused = 0;
    size_t opened = 0;
    for (size_t page = 2; page < pages; page++) {
        for (int kind = 0; kind < 2; kind++) {
            char old[4096];
            char noise[4096];
            read_back(place->data, old, sizeof old, page * 4096);
            read_back(place->data, noise, sizeof noise, (2 + dice_roll(&dice, pages - 2)) * 4096);
            for (size_t i = 0; kind == 0 && i < sizeof noise; i++) {
                noise[i] = (char)dice_roll(&dice, 256);
            }
            overwrite(place->data, noise, sizeof noise, page * 4096);
            struct hr_kv *kv;
            struct hr_diag diag;
            enum hr_err err = hr_kv_open(hr_str_c(place->url), HR_KV_SYNC, &kv, &diag);
            if (err == HR_OK) {
                hr_kv_close(kv);
                read_all(place->url);
                opened++;
            } else {
                assert_err(err, HR_CORRUPT);
                refused++;
            }
            overwrite(place->data, old, sizeof old, page * 4096);
        }
    }
    print_message("%zu pages: %zu refused, %zu opened\n", pages, refused, opened);
    assert_true(refused > pages / 3);
    read_all(place->url);
}

/* Noise in the fields of a live page's header and entries: refused or harmless. Every byte of the
 * data's root page is changed in turn. */
static void open_survives_any_byte_of_the_root(void **state)
{
    struct place *place = *state;
    fill(place);
    int fd = open(place->data, O_RDONLY);
    struct hr_lmdb_meta_page meta;
    assert_err(hr_lmdb_file_meta(fd, &meta, NULL), HR_OK);
    close(fd);
    size_t root = meta.meta.trees[1].root * 4096;
    size_t refused = 0;
    for (size_t i = 0; i < 4096; i += i < 200 ? 1 : 13) {
        unsigned char byte;
        read_back(place->data, &byte, 1, root + i);
        for (int bit = 0; bit < 8; bit += 3) {
            unsigned char flipped = (unsigned char)(byte ^ (1u << bit));
            overwrite(place->data, &flipped, 1, root + i);
            struct hr_kv *kv;
            struct hr_diag diag;
            enum hr_err err = hr_kv_open(hr_str_c(place->url), HR_KV_SYNC, &kv, &diag);
            if (err == HR_OK) {
                hr_kv_close(kv);
            }
            assert_true(err == HR_OK || err == HR_CORRUPT);
            refused += err == HR_CORRUPT;
        }
        overwrite(place->data, &byte, 1, root + i);
    }
    assert_true(refused > 50);
    read_all(place->url);
}

/* Opens the folder by LMDB alone and puts one record. */
static void put_raw(const char *folder, MDB_val key, MDB_val value)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* A newer layout, a garbled one, and a database of somebody else are refused, each by its name. */
static void open_refuses_what_is_not_its_layout(void **state)
{
    struct place *place = *state;
    assert_opens(place->url);
    MDB_val key = {9, "\0hedgerow"};
    put_raw(place->store, key, (MDB_val){12, "hedgerow\0\0\0\2"});
    assert_refused(place->url, HR_UNSUPPORTED, "layout 2 and this version knows 1");
    put_raw(place->store, key, (MDB_val){12, "hedgehog\0\0\0\1"});
    assert_refused(place->url, HR_CORRUPT, "garbled");
    put_raw(place->store, key, (MDB_val){3, "hed"});
    assert_refused(place->url, HR_CORRUPT, "garbled");
    put_raw(place->store, key, (MDB_val){12, "hedgerow\0\0\0\1"});
    assert_opens(place->url);

    char url[PATH_BYTES + 64];
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/foreign", place->folder);
    snprintf(url, sizeof url, "lmdb:%s", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    put_raw(folder, (MDB_val){4, "mail"}, (MDB_val){4, "data"});
    assert_refused(url, HR_UNSUPPORTED, "of another program");
}

/* Another data format of LMDB's is refused, not called corrupt. */
static void open_refuses_another_lmdb_format(void **state)
{
    struct place *place = *state;
    assert_opens(place->url);
    uint32_t version = 2;
    overwrite(place->data, &version, sizeof version, sizeof(struct hr_lmdb_page_header) + 4);
    assert_refused(place->url, HR_UNSUPPORTED, "data format 2");
}

/* What a creation that died has left is made anew; but a data file is there as a whole or not at all,
 * so an empty one was cut. */
static void open_makes_a_half_made_store_anew(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/data.mdb.new", place->store);
    assert_int_equal(mkdir(place->store, 0700), 0);
    FILE *file = fopen(path, "w");
    fputs("half of a page", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/hedgerow.checkpoint", place->store);
    file = fopen(path, "w");
    fputs("of a database that is gone", file);
    fclose(file);
    struct rig rig;
    rig_open(&rig, place->url);
    assert_int_equal(rig.kv->past, HR_KV_FRESH);
    assert_err(rig_put(&rig, "k", "v"), HR_OK);
    rig_close(&rig);
    assert_opens(place->url);
    assert_int_equal(truncate(place->data, 0), 0);
    assert_refused(place->url, HR_CORRUPT, "ends at byte 0");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void)
{
    have_mounts = own_mounts_begin();
    const struct CMUnitTest tests[] = {
        CASE(open_refuses_unknown_urls),
        CASE(open_refuses_unknown_options),
        CASE(open_makes_the_folder),
        CASE(open_refuses_impossible_paths),
        CASE(open_refuses_a_read_only_folder),
        CASE(open_refuses_without_permission),
        CASE(open_refuses_a_store_in_use),
        CASE(open_refuses_a_truncated_file),
        CASE(open_refuses_a_file_cut_within_a_value),
        CASE(open_knows_pages_that_were_never_written),
        CASE(open_refuses_garbage),
        CASE(open_finds_garbled_pages),
        CASE(open_survives_any_byte_of_the_root),
        CASE(open_refuses_what_is_not_its_layout),
        CASE(open_refuses_another_lmdb_format),
        CASE(open_makes_a_half_made_store_anew),
    };
    return cmocka_run_group_tests_name("kv_lmdb_open", tests, NULL, NULL);
}
