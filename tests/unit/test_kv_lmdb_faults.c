/* links: hr_kv */
/* The LMDB store when the system fails it: this program has its own write, pwrite, writev, fdatasync
 * and mmap, which LMDB calls too, and which fail on demand. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/kv_rig.h"

#define PAGE 4096

/* What fails, and after how many more calls of that kind; it then fails until it is cleared. */
enum fault {
    NO_FAULT,
    FAULT_WRITEV,      /* data pages: an error */
    FAULT_SHORT_WRITE, /* data pages: half is written */
    FAULT_SHORT_ONCE,  /* the same, the first time only */
    FAULT_META,        /* the meta page: an error */
    FAULT_SYNC,        /* fdatasync */
    FAULT_MMAP         /* a larger map */
};

static _Atomic int fault;
static _Atomic int fault_errno;
static _Atomic int fault_after;
static _Atomic int fault_hits;

static bool fails(enum fault kind)
{
    if (atomic_load(&fault) != (int)kind || atomic_fetch_sub(&fault_after, 1) > 0) {
        return false;
    }
    atomic_fetch_add(&fault_hits, 1);
    errno = atomic_load(&fault_errno);
    return true;
}

static bool cuts(void)
{
    return fails(FAULT_SHORT_WRITE) || (atomic_load(&fault_hits) == 0 && fails(FAULT_SHORT_ONCE));
}

static void set_fault(enum fault kind, int err)
{
    atomic_store(&fault_errno, err);
    atomic_store(&fault_after, 0);
    atomic_store(&fault_hits, 0);
    atomic_store(&fault, (int)kind);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fails(FAULT_WRITEV)) {
        return -1;
    }
    if (cuts()) {
        return syscall(SYS_write, fd, parts[0].iov_base, parts[0].iov_len / 2);
    }
    return syscall(SYS_writev, fd, parts, count);
}

/* Data pages come one by one as whole pages, a meta page as less than one. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (len < PAGE && at < 2 * PAGE && fails(FAULT_META)) {
        return -1;
    }
    if (len >= PAGE && fails(FAULT_WRITEV)) {
        return -1;
    }
    if (len >= PAGE && cuts()) {
        return syscall(SYS_pwrite64, fd, bytes, len / 2, at);
    }
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

int fdatasync(int fd)
{
    return fails(FAULT_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && len > 65536 && fails(FAULT_MMAP)) {
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

struct place {
    char folder[256];
    char url[300];
    struct rig rig;
};

static int open_place(void **state, enum hr_kv_durability durability)
{
    struct place *place = calloc(1, sizeof *place);
    folder_make(place->folder, sizeof place->folder);
    snprintf(place->url, sizeof place->url, "lmdb:%s?start=64KiB&lazy-ms=600000", place->folder);
    rig_open_as(&place->rig, place->url, durability);
    assert_err(rig_put(&place->rig, "before", "1"), HR_OK);
    *state = place;
    return 0;
}

static int place_setup(void **state)
{
    return open_place(state, HR_KV_SYNC);
}

static int lazy_setup(void **state)
{
    return open_place(state, HR_KV_LAZY);
}

static int place_teardown(void **state)
{
    struct place *place = *state;
    set_fault(NO_FAULT, 0);
    rig_close(&place->rig);
    folder_remove(place->folder);
    free(place);
    return 0;
}

static struct answer put_big(struct rig *rig, const char *key)
{
    static char bytes[20000];
    struct hr_kv_entry put = {hr_str_c(key), hr_str_of(bytes, sizeof bytes)};
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .puts = &put, .put_count = 1};
    return rig_commit(rig, &commit);
}

/* With @kind failing a commit gets @want and changes nothing; after that all works, and again after
 * reopening. */
static void assert_refused_while(struct place *place, enum fault kind, int err, enum hr_err want)
{
    struct rig *rig = &place->rig;
    set_fault(kind, err);
    struct answer answer = put_big(rig, "during");
    assert_true(atomic_load(&fault_hits) > 0);
    assert_err(answer.err, want);
    assert_true(strlen(answer.detail) > 10);
    assert_holds(rig, "before", "1");
    assert_absent(rig, "during");
    set_fault(NO_FAULT, 0);
    assert_absent(rig, "during");
    assert_err(rig_put(rig, "after", "2"), HR_OK);
    rig_close(rig);
    rig_open(rig, place->url);
    assert_holds(rig, "before", "1");
    assert_holds(rig, "after", "2");
    assert_absent(rig, "during");
}

/* Errors of writing data pages: nothing is changed, and each is called by its name. */
static void faults_of_data_pages_change_nothing(void **state)
{
    assert_refused_while(*state, FAULT_WRITEV, ENOSPC, HR_NO_SPACE);
    assert_refused_while(*state, FAULT_WRITEV, EDQUOT, HR_NO_SPACE);
    assert_refused_while(*state, FAULT_WRITEV, EFBIG, HR_NO_SPACE);
    assert_refused_while(*state, FAULT_WRITEV, EIO, HR_IO);
}

/* A write that is cut short is what a disk does that becomes full: LMDB calls it EIO, the store does
 * not. If there is space after it, the cause is unknown: an error of input and output. */
static void faults_short_write_is_a_full_disk(void **state)
{
    assert_refused_while(*state, FAULT_SHORT_WRITE, 0, HR_NO_SPACE);
    assert_refused_while(*state, FAULT_SHORT_ONCE, 0, HR_IO);
}

/* A sync that fails before the meta page is written undoes the commit. */
static void faults_of_the_sync_change_nothing(void **state)
{
    assert_refused_while(*state, FAULT_SYNC, EIO, HR_IO);
    assert_refused_while(*state, FAULT_SYNC, ENOSPC, HR_NO_SPACE);
}

/* If the meta page cannot be written the outcome is unknown, and is said to be; the store opens the
 * database anew, under its open ports, and works on when the disk does. */
static void faults_of_the_meta_page_are_an_unknown_outcome(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    struct hr_kv_port *other;
    struct hr_diag diag;
    assert_err(hr_kv_port_open(rig->kv, &rig->loop, &other, &diag), HR_OK);
    const int errs[] = {EIO, ENOSPC};
    for (size_t i = 0; i < 2; i++) {
        set_fault(FAULT_META, errs[i]);
        struct answer answer = put_big(rig, "during");
        assert_true(atomic_load(&fault_hits) > 0);
        assert_err(answer.err, HR_UNKNOWN_OUTCOME);
        set_fault(NO_FAULT, 0);
        assert_holds(rig, "before", "1");
        struct hr_str value;
        enum hr_err err =
            hr_kv_get_now(other, HR_STR("bucket"), HR_STR("before"), &rig->arena, &value);
        assert_err(err, HR_OK);
        assert_err(rig_put(rig, "after", "2"), HR_OK);
    }
    hr_kv_port_close(other, rig_stop, &rig->loop);
    hr_loop_run(&rig->loop);
    rig_close(rig);
    rig_open(rig, place->url);
    assert_holds(rig, "before", "1");
    assert_holds(rig, "after", "2");
}

/* If there is no address space for a larger map, the commit is refused and the old map is back. */
static void faults_of_growing_leave_the_old_map(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    set_fault(FAULT_MMAP, ENOMEM);
    enum hr_err err = HR_OK;
    int taken = 0;
    for (; !err; taken++) {
        char key[16];
        snprintf(key, sizeof key, "big%d", taken);
        err = put_big(rig, key).err;
    }
    assert_err(err, HR_NO_MEMORY);
    assert_true(atomic_load(&fault_hits) > 0);
    assert_holds(rig, "before", "1");
    assert_err(rig_put(rig, "small", "fits"), HR_OK);
    set_fault(NO_FAULT, 0);
    for (int i = 0; i < 20; i++) {
        assert_err(put_big(rig, "more").err, HR_OK);
    }
    assert_holds(rig, "small", "fits");
}

/* If even the old map cannot be had again, every call says so and none crashes; a restart helps. */
static void faults_of_reopening_are_told(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    while (put_big(rig, "more").err == HR_OK && rig_increment(rig, "n", 1).number < 5) {
    }
    set_fault(FAULT_MMAP, ENOMEM);
    atomic_store(&fault_after, 0);
    for (int i = 0; i < 100 && atomic_load(&fault_hits) == 0; i++) {
        char key[16];
        snprintf(key, sizeof key, "grow%d", i);
        HR_IGNORE(put_big(rig, key).err); /* until it has to grow; then the old map fails too */
    }
    struct answer answer = put_big(rig, "during");
    assert_err(answer.err, HR_IO);
    assert_non_null(strstr(answer.detail, "restart"));
    assert_err(rig_get(rig, "before").err, HR_IO);
    struct hr_kv_port *port;
    struct hr_diag diag;
    assert_err(hr_kv_port_open(rig->kv, &rig->loop, &port, &diag), HR_IO);
    struct hr_kv_stats stats;
    hr_kv_stats(rig->kv, &stats);
    set_fault(NO_FAULT, 0);
    rig_close(rig);
    rig_open(rig, place->url);
    assert_holds(rig, "before", "1");
}

/* A lazy store whose sync fails takes no more commits: what is on disk is unknown. The next opening
 * goes back to the checkpoint. */
static void faults_of_a_lazy_sync_stop_the_store(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    rig_close(rig);
    rig_open_as(rig, place->url, HR_KV_LAZY); /* the checkpoint has "before" */
    assert_err(rig_put(rig, "unsynced", "x"), HR_OK);
    set_fault(FAULT_SYNC, EIO);
    enum hr_err err = HR_OK;
    for (int i = 0; i < 10 && !err; i++) { /* growing takes a checkpoint */
        char key[16];
        snprintf(key, sizeof key, "big%d", i);
        err = put_big(rig, key).err;
    }
    assert_err(err, HR_IO);
    set_fault(NO_FAULT, 0);
    struct answer answer = put_big(rig, "later");
    assert_err(answer.err, HR_IO);
    assert_non_null(strstr(answer.detail, "restart"));
    assert_holds(rig, "before", "1");
    rig_close(rig);
    rig_open_as(rig, place->url, HR_KV_LAZY);
    assert_int_equal(rig->kv->past, HR_KV_LOSSY);
    assert_holds(rig, "before", "1");
    assert_absent(rig, "unsynced");
    assert_err(rig_put(rig, "again", "works"), HR_OK);
}

/* A lazy store's meta page that cannot be written: as for a synced one. */
static void faults_of_a_lazy_meta_page(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    set_fault(FAULT_META, ENOSPC);
    assert_err(put_big(rig, "during").err, HR_UNKNOWN_OUTCOME);
    set_fault(NO_FAULT, 0);
    assert_holds(rig, "before", "1");
    assert_err(rig_put(rig, "after", "2"), HR_OK);
    rig_close(rig);
    rig_open_as(rig, place->url, HR_KV_SYNC);
    assert_int_equal(rig->kv->past, HR_KV_INTACT);
    assert_holds(rig, "before", "1");
    assert_holds(rig, "after", "2");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
#define LAZY_CASE(name) cmocka_unit_test_setup_teardown(name, lazy_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(faults_of_data_pages_change_nothing),
        CASE(faults_short_write_is_a_full_disk),
        CASE(faults_of_the_sync_change_nothing),
        CASE(faults_of_the_meta_page_are_an_unknown_outcome),
        CASE(faults_of_growing_leave_the_old_map),
        CASE(faults_of_reopening_are_told),
        LAZY_CASE(faults_of_a_lazy_sync_stop_the_store),
        LAZY_CASE(faults_of_a_lazy_meta_page),
    };
    return cmocka_run_group_tests_name("kv_lmdb_faults", tests, NULL, NULL);
}
