/* links: hr_kv */
/* The LMDB store's space: the map grows under readers, and a full map, a full disk or a limit on file
 * sizes refuses commits without losing any; all brought about for real. */
#include "tests/unit/kv_rig.h"
#include "tests/unit/own_mounts.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "host/kv/lmdb.h"

#define PATH_BYTES 512
static bool have_mounts;

struct place {
    char folder[256];
    char store[PATH_BYTES];
    char url[PATH_BYTES + 64];
};

static int place_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    folder_make(place->folder, sizeof place->folder);
    snprintf(place->store, sizeof place->store, "%s/store", place->folder);
    snprintf(place->url, sizeof place->url, "lmdb:%s?start=64KiB", place->store);
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

static char filler[HR_KV_VALUE_BYTES_MAX];

static enum hr_err put_sized(struct rig *rig, size_t number, size_t bytes, char *detail,
                             size_t size)
{
    char key[32];
    snprintf(key, sizeof key, "fill%06zu", number);
    struct hr_kv_entry put = {hr_str_c(key), hr_str_of(filler, bytes)};
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .puts = &put, .put_count = 1};
    struct answer answer = rig_commit(rig, &commit);
    if (detail) {
        snprintf(detail, size, "%s", answer.detail);
    }
    return answer.err;
}

/* Puts values until the store is full; returns how many it has taken. */
static size_t put_until_full(struct rig *rig, size_t from, size_t bytes, const char *reason)
{
    for (size_t i = from; i < 100000; i++) {
        char detail[256];
        enum hr_err err = put_sized(rig, i, bytes, detail, sizeof detail);
        if (err) {
            assert_err(err, HR_NO_SPACE);
            if (!strstr(detail, reason)) {
                fail_msg("\"%s\" does not say \"%s\"", detail, reason);
            }
            return i;
        }
    }
    fail_msg("it never became full");
    return 0;
}

/* Whether the first @count values are there with their bytes, and no more. */
static void assert_filled(struct rig *rig, size_t count, size_t bytes)
{
    struct hr_kv_scan scan = {
        .bucket = HR_STR("bucket"), .prefix = HR_STR("fill"), .limit = HR_KV_SCAN_ITEMS_MAX};
    size_t seen = 0;
    for (bool more = true; more;) {
        struct hr_kv_page page;
        struct hr_arena arena;
        static char last[32];
        hr_arena_init(&arena, 0);
        assert_err(hr_kv_scan_now(rig->port, &scan, &arena, &page), HR_OK);
        for (size_t i = 0; i < page.count; i++, seen++) {
            snprintf(last, sizeof last, "fill%06zu", seen);
            assert_str(page.entries[i].key, hr_str_c(last));
            assert_str(page.entries[i].value, hr_str_of(filler, bytes));
        }
        scan.after = hr_str_c(last);
        more = page.more;
        hr_arena_release(&arena);
    }
    assert_int_equal(seen, count);
}

struct looker {
    struct hr_kv *kv;
    struct hr_loop loop;
    struct hr_kv_port *port;
    struct hr_task start;
    struct hr_task again;
    pthread_t thread;
    _Atomic bool stop;
    size_t reads;
    size_t wrong;
};

static void look(void *arg)
{
    struct looker *looker = arg;
    if (atomic_load(&looker->stop)) {
        hr_kv_port_close(looker->port, rig_stop, &looker->loop);
        return;
    }
    for (int i = 0; i < 50; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, 0);
        struct hr_str value;
        enum hr_err err =
            hr_kv_get_now(looker->port, HR_STR("bucket"), HR_STR("fill000000"), &arena, &value);
        looker->wrong += err != HR_OK || value.len != 2000 || memcmp(value.ptr, filler, 2000) != 0;
        looker->reads++;
        hr_arena_release(&arena);
    }
    hr_loop_post(&looker->loop, &looker->again);
}

static void look_start(void *arg)
{
    struct looker *looker = arg;
    struct hr_diag diag;
    enum hr_err err = hr_kv_port_open(looker->kv, &looker->loop, &looker->port, &diag);
    looker->wrong += err != HR_OK;
    look(looker);
}

static void *look_main(void *arg)
{
    struct looker *looker = arg;
    hr_loop_run(&looker->loop);
    return NULL;
}

/* From 64 KiB to several MiB the map grows as it is filled, while loops on other threads read from it
 * all the time and never see anything wrong. */
static void space_map_grows_under_readers(void **state)
{
    struct place *place = *state;
    enum { LOOKERS = 3, VALUES = 2500 };
    static struct looker lookers[LOOKERS];
    struct rig rig;
    struct hr_diag diag;
    rig_open(&rig, place->url);
    assert_err(put_sized(&rig, 0, 2000, NULL, 0), HR_OK);
    for (size_t i = 0; i < LOOKERS; i++) {
        struct looker *looker = &lookers[i];
        *looker = (struct looker){.kv = rig.kv};
        assert_err(hr_loop_init(&looker->loop, &diag), HR_OK);
        hr_task_init(&looker->start, look_start, looker);
        hr_task_init(&looker->again, look, looker);
        hr_loop_post(&looker->loop, &looker->start);
        assert_int_equal(pthread_create(&looker->thread, NULL, look_main, looker), 0);
    }
    for (size_t i = 1; i < VALUES; i++) {
        assert_err(put_sized(&rig, i, 2000, NULL, 0), HR_OK);
    }
    for (size_t i = 0; i < LOOKERS; i++) {
        atomic_store(&lookers[i].stop, true);
        pthread_join(lookers[i].thread, NULL);
        hr_loop_release(&lookers[i].loop);
        assert_int_equal(lookers[i].wrong, 0);
        assert_true(lookers[i].reads > 0);
    }
    assert_filled(&rig, VALUES, 2000);
    struct hr_kv_stats stats;
    hr_kv_stats(rig.kv, &stats);
    assert_true(stats.map_bytes > 5000000);
    rig_close(&rig);
    rig_open(&rig, place->url);
    assert_filled(&rig, VALUES, 2000);
    rig_close(&rig);
}

/* One commit that is larger than the map makes it grow as often as it takes. */
static void space_map_grows_for_one_large_commit(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open(&rig, place->url);
    assert_err(put_sized(&rig, 0, sizeof filler, NULL, 0), HR_OK);
    assert_filled(&rig, 1, sizeof filler);
    rig_close(&rig);
}

/* At max= a commit is refused and nothing is lost; deleting makes room again. */
static void space_full_map_refuses(void **state)
{
    struct place *place = *state;
    char url[PATH_BYTES + 128];
    snprintf(url, sizeof url, "%s&max=1MiB", place->url);
    struct rig rig;
    rig_open(&rig, url);
    size_t count = put_until_full(&rig, 0, 2000, "max=");
    assert_true(count > 200);
    assert_filled(&rig, count, 2000);
    rig_close(&rig);
    rig_open(&rig, url);
    assert_filled(&rig, count, 2000);
    for (size_t i = count / 2; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "fill%06zu", i);
        assert_err(rig_delete(&rig, key), HR_OK);
    }
    assert_filled(&rig, count / 2, 2000);
    for (size_t i = count / 2; i < count * 3 / 4; i++) {
        assert_err(put_sized(&rig, i, 2000, NULL, 0), HR_OK);
    }
    assert_filled(&rig, count * 3 / 4, 2000);
    rig_close(&rig);
}

struct mixed {
    struct rig *rig;
    size_t left;
    enum hr_err errs[9];
};

struct mixed_one {
    struct mixed *mixed;
    size_t index;
};

static void on_mixed(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    (void)detail;
    struct mixed_one *one = arg;
    one->mixed->errs[one->index] = err;
    if (--one->mixed->left == 0) {
        hr_loop_stop(&one->mixed->rig->loop);
    }
}

/* Of commits that wait together, only the one that does not fit is refused. */
static void space_refuses_only_what_does_not_fit(void **state)
{
    struct place *place = *state;
    char url[PATH_BYTES + 128];
    snprintf(url, sizeof url, "%s&max=1MiB", place->url);
    struct rig rig;
    rig_open(&rig, url);
    struct mixed mixed = {.rig = &rig, .left = 9};
    struct mixed_one ones[9];
    for (size_t i = 0; i < 9; i++) {
        ones[i] = (struct mixed_one){&mixed, i};
        char key[] = {(char)('a' + i), '\0'};
        struct hr_kv_entry put = {hr_str_c(key), hr_str_of(filler, i == 4 ? 2000000 : 100)};
        struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .puts = &put, .put_count = 1};
        assert_err(hr_kv_commit(rig.port, &commit, on_mixed, &ones[i]), HR_OK);
    }
    hr_loop_run(&rig.loop);
    for (size_t i = 0; i < 9; i++) {
        char key[] = {(char)('a' + i), '\0'};
        assert_err(mixed.errs[i], i == 4 ? HR_NO_SPACE : HR_OK);
        assert_err(rig_get(&rig, key).err, i == 4 ? HR_NOT_FOUND : HR_OK);
    }
    rig_close(&rig);
}

static void write_ballast(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < bytes; i += 4096) {
        if (fwrite(filler, 1, 4096, file) != 4096) {
            break;
        }
    }
    fclose(file); /* when the disk is full that is the point */
}

/* On a full disk commits are refused, all that was acknowledged stays, in this process and the next,
 * and once there is space again commits work without restarting. */
static void space_full_disk_refuses_until_there_is_space(void **state)
{
    struct place *place = *state;
    if (!have_mounts) {
        skip();
    }
    for (size_t bytes = 100; bytes <= 30000; bytes = bytes * 17 + 300) {
        char ballast[PATH_BYTES];
        snprintf(ballast, sizeof ballast, "%s/ballast", place->folder);
        assert_true(own_mounts_tmpfs(place->folder, "3m", 0));
        write_ballast(ballast, 1 << 20);
        struct rig rig;
        rig_open(&rig, place->url);
        size_t count = put_until_full(&rig, 0, bytes, "No space left on device");
        assert_true(count > 10);
        assert_filled(&rig, count, bytes);
        rig_close(&rig);
        rig_open(&rig, place->url);
        assert_filled(&rig, count, bytes);
        count = put_until_full(&rig, count, bytes, "No space left on device");
        assert_int_equal(unlink(ballast), 0);
        for (size_t i = 0; i < 10; i++) {
            assert_err(put_sized(&rig, count++, bytes, NULL, 0), HR_OK);
        }
        assert_filled(&rig, count, bytes);
        rig_close(&rig);
        rig_open(&rig, place->url);
        assert_filled(&rig, count, bytes);
        rig_close(&rig);
        assert_int_equal(umount(place->folder), 0);
    }
}

/* Opening on a disk without a free block is an error, not a SIGBUS. */
static void space_full_disk_refuses_opening(void **state)
{
    struct place *place = *state;
    if (!have_mounts) {
        skip();
    }
    assert_true(own_mounts_tmpfs(place->folder, "1m", 0));
    char ballast[PATH_BYTES];
    snprintf(ballast, sizeof ballast, "%s/ballast", place->folder);
    for (size_t blocks = 0; blocks < 12; blocks++) { /* at each step of opening */
        write_ballast(ballast, 1 << 20);
        struct stat st;
        assert_int_equal(stat(ballast, &st), 0);
        assert_int_equal(truncate(ballast, st.st_size - (off_t)(blocks * 4096)), 0);
        struct rig rig;
        struct hr_diag diag;
        enum hr_err err = rig_try_open(&rig, place->url, HR_KV_SYNC, &diag);
        if (err == HR_OK) {
            rig_close(&rig);
            assert_true(blocks > 0);
        } else {
            assert_err(err, HR_NO_SPACE);
            assert_non_null(strstr(diag.text, "free some space"));
            assert_true(blocks < 11);
        }
        unlink(ballast);
        rig_open(&rig, place->url);
        assert_err(rig_put(&rig, "k", "v"), HR_OK);
        rig_close(&rig);
        folder_remove(place->store);
    }
    assert_int_equal(umount(place->folder), 0);
}

/* A limit on the size of files is a full disk too. */
static void space_file_size_limit_refuses(void **state)
{
    struct place *place = *state;
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit low = {256 << 10, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    struct rig rig;
    rig_open(&rig, place->url);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    size_t count = put_until_full(&rig, 0, 5000, "File too large");
    assert_filled(&rig, count, 5000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t i = 0; i < 50; i++) {
        assert_err(put_sized(&rig, count++, 5000, NULL, 0), HR_OK);
    }
    assert_filled(&rig, count, 5000);
    rig_close(&rig);
}

/* Another process grows the file behind the store's back, past its map. */
static void grow_from_outside(const char *folder)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    bool ok = mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 64 << 20) == 0 &&
              mdb_env_open(env, folder, 0, 0600) == 0 && mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
              mdb_dbi_open(txn, NULL, 0, &dbi) == 0;
    for (int i = 0; ok && i < 1000; i++) {
        char key[32];
        MDB_val name = {(size_t)snprintf(key, sizeof key, "%cbucketout%05d", 6, i), key};
        MDB_val value = {4000, filler};
        ok = mdb_put(txn, dbi, &name, &value, 0) == 0;
    }
    ok = ok && mdb_txn_commit(txn) == 0;
    if (ok) {
        mdb_env_close(env);
    }
    _exit(ok ? 0 : 1);
}

/* If somebody else makes the file larger than the map, reads and commits go on with the new size. */
static void space_adopts_a_size_given_from_outside(void **state)
{
    struct place *place = *state;
    for (int first = 0; first < 3; first++) { /* who notices: a read, a commit, a new port */
        int go[2];
        assert_int_equal(pipe(go), 0);
        pid_t pid = fork(); /* before the store has threads */
        if (pid == 0) {
            char byte;
            HR_IGNORE(read(go[0], &byte, 1));
            grow_from_outside(place->store);
        }
        struct rig rig;
        rig_open(&rig, place->url);
        assert_err(rig_put(&rig, "mine", "1"), HR_OK);
        assert_int_equal(write(go[1], "g", 1), 1);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        if (first == 0) {
            assert_holds(&rig, "mine", "1");
        } else if (first == 1) {
            assert_err(rig_put(&rig, "mine", "2"), HR_OK);
        } else {
            struct hr_kv_port *port;
            struct hr_diag diag;
            assert_err(hr_kv_port_open(rig.kv, &rig.loop, &port, &diag), HR_OK);
            hr_kv_port_close(port, rig_stop, &rig.loop);
            hr_loop_run(&rig.loop);
        }
        assert_int_equal(rig_get(&rig, "out00999").value.len, 4000);
        assert_err(rig_put(&rig, "mine", "3"), HR_OK);
        assert_holds(&rig, "mine", "3");
        rig_close(&rig);
        folder_remove(place->store);
        close(go[0]);
        close(go[1]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void)
{
    have_mounts = own_mounts_begin();
    for (size_t i = 0; i < sizeof filler; i++) {
        filler[i] = (char)(i * 31 >> 3);
    }
    const struct CMUnitTest tests[] = {
        CASE(space_map_grows_under_readers),
        CASE(space_map_grows_for_one_large_commit),
        CASE(space_full_map_refuses),
        CASE(space_refuses_only_what_does_not_fit),
        CASE(space_full_disk_refuses_until_there_is_space),
        CASE(space_full_disk_refuses_opening),
        CASE(space_file_size_limit_refuses),
        CASE(space_adopts_a_size_given_from_outside),
    };
    return cmocka_run_group_tests_name("kv_lmdb_space", tests, NULL, NULL);
}
