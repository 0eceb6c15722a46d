/* LMDB's environment: opening, growing and reopening it. The file on disk is always made as long as
 * the map before LMDB maps it (sparsely), so that no read of the map can end in SIGBUS, and a file
 * that is shorter than its last page is known to be truncated. Everything here runs under env_lock.
 * Knows nothing of operations and queues. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/kv/lmdb_impl.h"

/* Reader slots: one a port, the pin, and a few for tools that look in from other processes. */
#define READERS_MAX (HR_KV_PORTS_MAX + 16)

/* Makes the data file at least @bytes long. */
static int extend_file(MDB_env *env, size_t bytes)
{
    int fd;
    int rc = mdb_env_get_fd(env, &fd);
    if (rc) {
        return rc;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return errno;
    }
    if ((size_t)st.st_size >= bytes) {
        return 0;
    }
    return ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
}

static int open_main(MDB_env *env, MDB_dbi *ret_dbi)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        return rc;
    }
    rc = mdb_dbi_open(txn, NULL, 0, ret_dbi);
    mdb_txn_abort(txn);
    return rc;
}

int hr_kv_lmdb_env_open(struct hr_kv_lmdb *kv)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);
    if (rc) {
        return rc;
    }
    rc = mdb_env_set_maxreaders(env, READERS_MAX);
    if (!rc) {
        rc = mdb_env_set_mapsize(env, kv->map_bytes);
    }
    if (!rc) {
        rc = mdb_env_open(env, kv->folder, MDB_NOTLS, 0600);
    }
    MDB_envinfo info;
    if (!rc) {
        rc = mdb_env_info(env, &info); /* a larger file has made the map larger */
    }
    if (!rc) {
        rc = extend_file(env, info.me_mapsize);
    }
    if (!rc) {
        rc = open_main(env, &kv->dbi);
    }
    if (rc) {
        mdb_env_close(env);
        return rc;
    }
    kv->env = env;
    kv->map_bytes = info.me_mapsize;
    return 0;
}

void hr_kv_lmdb_env_close(struct hr_kv_lmdb *kv)
{
    if (kv->pin) {
        mdb_txn_abort(kv->pin);
        kv->pin = NULL;
    }
    if (kv->env) {
        mdb_env_close(kv->env);
        kv->env = NULL;
    }
}

int hr_kv_lmdb_env_reader(struct hr_kv_lmdb *kv, MDB_txn **ret_txn)
{
    if (!kv->env) {
        return MDB_PANIC;
    }
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, ret_txn);
    if (!rc) {
        mdb_txn_reset(*ret_txn);
    }
    return rc;
}

static void stop_reads(struct hr_kv_lmdb *kv)
{
    uv_mutex_lock(&kv->ports_lock);
    for (struct hr_list *node = kv->ports.next; node != &kv->ports; node = node->next) {
        uv_mutex_lock(&HR_LIST_OWNER(node, struct hr_kv_lmdb_port, node)->read_lock);
    }
}

static void resume_reads(struct hr_kv_lmdb *kv)
{
    for (struct hr_list *node = kv->ports.next; node != &kv->ports; node = node->next) {
        uv_mutex_unlock(&HR_LIST_OWNER(node, struct hr_kv_lmdb_port, node)->read_lock);
    }
    uv_mutex_unlock(&kv->ports_lock);
}

/* Closes the environment and opens it with map_bytes; reads are stopped. */
static int replace_env(struct hr_kv_lmdb *kv)
{
    for (struct hr_list *node = kv->ports.next; node != &kv->ports; node = node->next) {
        struct hr_kv_lmdb_port *port = HR_LIST_OWNER(node, struct hr_kv_lmdb_port, node);
        if (port->read_txn) {
            mdb_txn_abort(port->read_txn);
            port->read_txn = NULL;
        }
    }
    hr_kv_lmdb_env_close(kv);
    int rc = hr_kv_lmdb_env_open(kv);
    for (struct hr_list *node = kv->ports.next; !rc && node != &kv->ports; node = node->next) {
        struct hr_kv_lmdb_port *port = HR_LIST_OWNER(node, struct hr_kv_lmdb_port, node);
        rc = hr_kv_lmdb_env_reader(kv, &port->read_txn);
    }
    return rc;
}

/* Gives the map @bytes; 0 = what the file says. LMDB has no map left if this fails, so the
 * environment is then opened anew at the old size. */
static int resize(struct hr_kv_lmdb *kv, size_t bytes)
{
    if (kv->base.durability == HR_KV_LAZY) {
        int rc = hr_kv_lmdb_checkpoint_write(kv); /* the pin cannot outlive the map */
        if (rc) {
            return rc;
        }
    }
    stop_reads(kv);
    if (kv->pin) {
        mdb_txn_reset(kv->pin);
    }
    int rc = mdb_env_set_mapsize(kv->env, bytes);
    if (!rc && kv->pin) {
        rc = mdb_txn_renew(kv->pin);
    }
    MDB_envinfo info;
    if (!rc) {
        rc = mdb_env_info(kv->env, &info);
    }
    if (!rc) {
        kv->map_bytes = info.me_mapsize;
    } else {
        int reopened = replace_env(kv);
        rc = reopened ? MDB_PANIC : rc;
    }
    resume_reads(kv);
    if (rc && rc != MDB_PANIC && kv->base.durability == HR_KV_LAZY) {
        HR_IGNORE(hr_kv_lmdb_checkpoint_write(kv)); /* pins again; rc is what is reported */
    }
    return rc;
}

int hr_kv_lmdb_env_grow(struct hr_kv_lmdb *kv)
{
    size_t bytes = kv->map_bytes;
    if (bytes >= kv->options.max_bytes) {
        return MDB_MAP_FULL;
    }
    bytes = bytes > kv->options.max_bytes / 2 ? kv->options.max_bytes : bytes * 2;
    int rc = extend_file(kv->env, bytes);
    return rc ? rc : resize(kv, bytes);
}

int hr_kv_lmdb_env_adopt(struct hr_kv_lmdb *kv)
{
    int rc = kv->env ? resize(kv, 0) : MDB_PANIC;
    return rc ? rc : extend_file(kv->env, kv->map_bytes);
}

int hr_kv_lmdb_env_reopen(struct hr_kv_lmdb *kv)
{
    stop_reads(kv);
    int rc = replace_env(kv);
    resume_reads(kv);
    if (!rc && kv->base.durability == HR_KV_LAZY) {
        rc = hr_kv_lmdb_checkpoint_write(kv);
    }
    return rc;
}
