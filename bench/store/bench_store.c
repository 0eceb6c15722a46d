/* How much of LMDB's own speed the store passes on: the same work through host/kv/kv.h (loop, queue,
 * writer thread, answers) and by LMDB called directly from a plain loop, in turns within one run, so
 * that both see the same machine. Prints the medians of both and their ratio.
 *
 *   commits, n outstanding: n commits of one put are always under way; LMDB puts n in each transaction
 *   reads: one key looked up and copied out, in a view of its own
 *   lazy: against LMDB with MDB_NOSYNC, which a loss of power may leave corrupt
 *   nested: LMDB with MDB_NOSYNC in groups of 64, with a nested transaction around each put (first
 *           column) and without; what it would cost to undo one commit of a group
 *
 * Usage: bench_store <folder on the disk to be measured> */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "host/kv/kv.h"
#include "host/loop/loop.h"

#define ROUNDS 7
#define SLICE_NS 180000000u /* one measurement */
#define KEYS 10000u
#define KEY_BYTES 16
#define VALUE_BYTES 128
#define BUCKET HR_STR("bench")
#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x

static char value[VALUE_BYTES];
static uint64_t dice = 88172645463325252u;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

static struct hr_str random_key(char to[KEY_BYTES + 1])
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    snprintf(to, KEY_BYTES + 1, "key%013u", (unsigned)(dice % KEYS));
    return hr_str_of(to, KEY_BYTES);
}

/* LMDB, bare. */
struct bare {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reader;
};

static void check(int rc, const char *what)
{
    if (rc) {
        die(what, mdb_strerror(rc));
    }
}

static void bare_open(struct bare *bare, const char *folder, unsigned flags)
{
    MDB_txn *txn;
    if (mkdir(folder, 0700) != 0) {
        die(folder, "must not exist yet");
    }
    check(mdb_env_create(&bare->env), "create");
    check(mdb_env_set_mapsize(bare->env, (size_t)1 << 30), "map size");
    check(mdb_env_open(bare->env, folder, MDB_NOTLS | flags, 0600), folder);
    check(mdb_txn_begin(bare->env, NULL, 0, &txn), "begin");
    check(mdb_dbi_open(txn, NULL, 0, &bare->dbi), "open");
    check(mdb_txn_commit(txn), "commit");
    check(mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &bare->reader), "begin");
    mdb_txn_reset(bare->reader);
}

static void bare_put(struct bare *bare, MDB_txn *txn)
{
    char key[KEY_BYTES + 1];
    struct hr_str name = random_key(key);
    MDB_val k = {name.len, (void *)name.ptr};
    MDB_val v = {sizeof value, value};
    check(mdb_put(txn, bare->dbi, &k, &v, 0), "put");
}

static double bare_commits(struct bare *bare, unsigned group, bool nested)
{
    uint64_t from = hr_now_ns();
    uint64_t count = 0;
    while (hr_now_ns() - from < SLICE_NS) {
        MDB_txn *txn;
        MDB_txn *child;
        check(mdb_txn_begin(bare->env, NULL, 0, &txn), "begin");
        for (unsigned i = 0; i < group; i++) {
            if (nested) {
                check(mdb_txn_begin(bare->env, txn, 0, &child), "begin nested");
            }
            bare_put(bare, nested ? child : txn);
            if (nested) {
                check(mdb_txn_commit(child), "commit nested");
            }
        }
        check(mdb_txn_commit(txn), "commit");
        count += group;
    }
    return (double)count * 1e9 / (double)(hr_now_ns() - from);
}

/* Both sides read as a request does: a fresh arena for every so many reads. */
#define READS_PER_REQUEST 20

static double bare_reads(struct bare *bare)
{
    uint64_t from = hr_now_ns();
    uint64_t count = 0;
    while (hr_now_ns() - from < SLICE_NS) {
        struct hr_arena arena;
        hr_arena_init(&arena, 0);
        for (int i = 0; i < READS_PER_REQUEST; i++, count++) {
            char key[KEY_BYTES + 1];
            struct hr_str name = random_key(key);
            MDB_val k = {name.len, (void *)name.ptr};
            MDB_val v;
            check(mdb_txn_renew(bare->reader), "renew");
            int rc = mdb_get(bare->reader, bare->dbi, &k, &v);
            check(rc == MDB_NOTFOUND ? 0 : rc, "get");
            if (!rc && !hr_arena_copy(&arena, hr_str_of(v.mv_data, v.mv_size)).ptr) {
                die("read", "no memory");
            }
            mdb_txn_reset(bare->reader);
        }
        hr_arena_release(&arena);
    }
    return (double)count * 1e9 / (double)(hr_now_ns() - from);
}

/* The store, through its front. */
struct store {
    struct hr_kv *kv;
    struct hr_loop loop;
    struct hr_kv_port *port;
    uint64_t from_ns;
    uint64_t until_ns;
    uint64_t count;
    unsigned under_way;
};

static void store_open(struct store *store, const char *folder, enum hr_kv_durability durability)
{
    struct hr_diag diag;
    char url[1024];
    snprintf(url, sizeof url, "lmdb:%s", folder);
    if (hr_kv_open(hr_str_c(url), durability, &store->kv, &diag) != HR_OK ||
        hr_loop_init(&store->loop, &diag) != HR_OK ||
        hr_kv_port_open(store->kv, &store->loop, &store->port, &diag) != HR_OK) {
        die("store", diag.text);
    }
}

static void store_commit(struct store *store);

static void on_commit(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    struct store *store = arg;
    if (err) {
        die("commit", detail);
    }
    store->count++;
    store->under_way--;
    if (hr_now_ns() < store->until_ns) {
        store_commit(store);
    } else if (store->under_way == 0) {
        hr_loop_stop(&store->loop);
    }
}

static void store_commit(struct store *store)
{
    char key[KEY_BYTES + 1];
    struct hr_kv_entry put = {random_key(key), hr_str_of(value, sizeof value)};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    if (hr_kv_commit(store->port, &commit, on_commit, store) != HR_OK) {
        die("commit", "refused");
    }
    store->under_way++;
}

static double store_commits(struct store *store, unsigned outstanding)
{
    store->count = 0;
    store->from_ns = hr_now_ns();
    store->until_ns = store->from_ns + SLICE_NS;
    for (unsigned i = 0; i < outstanding; i++) {
        store_commit(store);
    }
    hr_loop_run(&store->loop);
    return (double)store->count * 1e9 / (double)(hr_now_ns() - store->from_ns);
}

static double store_reads(struct store *store)
{
    uint64_t from = hr_now_ns();
    uint64_t count = 0;
    while (hr_now_ns() - from < SLICE_NS) {
        struct hr_arena arena;
        hr_arena_init(&arena, 0);
        for (int i = 0; i < READS_PER_REQUEST; i++, count++) {
            char key[KEY_BYTES + 1];
            struct hr_str found;
            enum hr_err err = hr_kv_get_now(store->port, BUCKET, random_key(key), &arena, &found);
            if (err && err != HR_NOT_FOUND) {
                die("read", hr_err_name(err));
            }
        }
        hr_arena_release(&arena);
    }
    return (double)count * 1e9 / (double)(hr_now_ns() - from);
}

static void on_closed(void *arg)
{
    struct store *store = arg;
    hr_loop_stop(&store->loop);
}

static void store_close(struct store *store)
{
    hr_kv_port_close(store->port, on_closed, store);
    hr_loop_run(&store->loop);
    hr_kv_close(store->kv);
    hr_loop_release(&store->loop);
}

struct row {
    const char *name;
    double ours[ROUNDS];
    double theirs[ROUNDS];
};

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

static void print_row(struct row *row)
{
    double ratios[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ratios[i] = row->ours[i] / row->theirs[i];
    }
    double ratio = median(ratios);
    printf("%-28s %10.0f %10.0f %7.2f (%.2f to %.2f)\n", row->name, median(row->ours),
           median(row->theirs), ratio, ratios[0], ratios[ROUNDS - 1]);
}

enum { SYNC_1, SYNC_8, SYNC_64, READS, LAZY_1, LAZY_64, NESTED, ROWS };
static struct row rows[ROWS] = {
    {.name = "commits/s, 1 outstanding"},
    {.name = "commits/s, 8 outstanding"},
    {.name = "commits/s, 64 outstanding"},
    {.name = "reads/s"},
    {.name = "lazy commits/s, 1"},
    {.name = "lazy commits/s, 64"},
    {.name = "nested"},
};

static void open_below(const char *folder, struct store stores[2], struct bare bares[2])
{
    char path[1024];
    snprintf(path, sizeof path, "%s/sync", folder);
    store_open(&stores[0], path, HR_KV_SYNC);
    snprintf(path, sizeof path, "%s/lazy", folder);
    store_open(&stores[1], path, HR_KV_LAZY);
    snprintf(path, sizeof path, "%s/bare-sync", folder);
    bare_open(&bares[0], path, 0);
    snprintf(path, sizeof path, "%s/bare-nosync", folder);
    bare_open(&bares[1], path, MDB_NOSYNC);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        die("usage", "bench_store <folder>");
    }
    static struct store stores[2];
    struct bare bares[2];
    open_below(argv[1], stores, bares);
    const unsigned groups[] = {1, 8, 64};
    double group_size = 0;
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = SYNC_1; j <= SYNC_64; j++) {
            struct hr_kv_stats before;
            struct hr_kv_stats after;
            hr_kv_stats(stores[0].kv, &before);
            rows[j].ours[i] = store_commits(&stores[0], groups[j]);
            hr_kv_stats(stores[0].kv, &after);
            group_size = (double)(after.commits - before.commits) /
                         (double)(after.syncs - before.syncs); /* the last one's: of 64 */
            rows[j].theirs[i] = bare_commits(&bares[0], groups[j], false);
        }
        rows[READS].ours[i] = store_reads(&stores[0]);
        rows[READS].theirs[i] = bare_reads(&bares[0]);
        rows[LAZY_1].ours[i] = store_commits(&stores[1], 1);
        rows[LAZY_1].theirs[i] = bare_commits(&bares[1], 1, false);
        rows[LAZY_64].ours[i] = store_commits(&stores[1], 64);
        rows[LAZY_64].theirs[i] = bare_commits(&bares[1], 64, false);
        rows[NESTED].ours[i] = bare_commits(&bares[1], 64, true);
        rows[NESTED].theirs[i] = rows[LAZY_64].theirs[i];
    }
    printf("%-28s %10s %10s %7s\n", "medians of " STRING(ROUNDS) " rounds", "store", "LMDB",
           "ratio");
    for (size_t i = 0; i < ROWS; i++) {
        print_row(&rows[i]);
    }
    printf("commits a group, 64 outstanding: %.1f\n", group_size);
    for (int i = 0; i < 2; i++) {
        mdb_txn_abort(bares[i].reader);
        mdb_env_close(bares[i].env);
        store_close(&stores[i]);
    }
    return 0;
}
