/* Lazy durability without the risk of a corrupt file. LMDB's MDB_NOSYNC commits into the page cache
 * only; after a loss of power its newest meta page may point at pages that were never written. So:
 *
 *   - Every lazy-ms the file is synced, and the meta page of that moment is kept in a file of its own,
 *     the checkpoint. A read transaction of that moment (the pin) stays open until the next
 *     checkpoint is on disk, so that LMDB overwrites none of the checkpoint's pages before.
 *   - The checkpoint names the machine's boot. Opening a folder with a checkpoint of this boot means
 *     that only the process died: the page cache has everything. One of another boot means that the
 *     machine stopped: the kept meta page is put back, which undoes what came after the checkpoint.
 *   - An orderly close syncs and removes the checkpoint.
 *
 * A sync that fails leaves no way to know what is on disk; the store then takes no more commits, and
 * the checkpoint is marked to be gone back to at the next opening.
 *
 * File: struct checkpoint as it lies in memory (the machine's own order, as LMDB's file), replaced
 * by rename. Under env_lock, or before the store has threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "host/kv/lmdb_impl.h"

#define FILE_NAME "hedgerow.checkpoint"
#define NEW_NAME "hedgerow.checkpoint.new"
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_BYTES 40u
#define MAGIC "hrckpt1"
#define DISTRUSTED "a sync failed" /* no boot has this name */

struct checkpoint {
    char magic[8];
    char boot[BOOT_BYTES];
    struct hr_lmdb_meta_page page;
    uint32_t crc; /* of all before it */
};

static uint32_t checksum(const struct checkpoint *checkpoint)
{
    return hr_crc32c(hr_str_of(checkpoint, offsetof(struct checkpoint, crc)));
}

static int read_boot(char boot[BOOT_BYTES])
{
    int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    memset(boot, 0, BOOT_BYTES);
    ssize_t n = read(fd, boot, BOOT_BYTES - 1);
    int rc = n > 0 ? 0 : (n < 0 ? errno : EIO);
    close(fd);
    return rc;
}

/* Writes the whole struct to a new file, syncs it and puts it in the old one's place. */
static int replace_file(struct hr_kv_lmdb *kv, const struct checkpoint *checkpoint)
{
    int fd = openat(kv->folder_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    ssize_t n = write(fd, checkpoint, sizeof *checkpoint);
    int rc = n == (ssize_t)sizeof *checkpoint ? 0 : (n < 0 ? errno : ENOSPC);
    if (!rc && fsync(fd) != 0) {
        rc = errno;
    }
    if (close(fd) != 0 && !rc) {
        rc = errno;
    }
    if (!rc && renameat(kv->folder_fd, NEW_NAME, kv->folder_fd, FILE_NAME) != 0) {
        rc = errno;
    }
    if (!rc && fsync(kv->folder_fd) != 0) {
        rc = errno;
    }
    return rc;
}

/* Reads the checkpoint. HR_NOT_FOUND if there is none. */
static enum hr_err read_file(struct hr_kv_lmdb *kv, struct checkpoint *ret_checkpoint,
                             struct hr_diag *diag)
{
    int fd = openat(kv->folder_fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return HR_NOT_FOUND;
    }
    if (fd < 0) {
        return hr_diag_set(diag, hr_kv_lmdb_err(errno), FILE_NAME ": %s", strerror(errno));
    }
    ssize_t n = read(fd, ret_checkpoint, sizeof *ret_checkpoint);
    int rc = errno;
    close(fd);
    if (n < 0) {
        return hr_diag_set(diag, HR_IO, FILE_NAME ": %s", strerror(rc));
    }
    if (n != (ssize_t)sizeof *ret_checkpoint ||
        memcmp(ret_checkpoint->magic, MAGIC, sizeof ret_checkpoint->magic) != 0 ||
        ret_checkpoint->crc != checksum(ret_checkpoint)) {
        return hr_diag_set(diag, HR_CORRUPT,
                           FILE_NAME " is damaged, so what data.mdb can be trusted with is unknown;"
                                     " remove the folder and let the site recover from others");
    }
    return HR_OK;
}

/* Keeps the meta page that @data_fd has now. */
static int keep_meta(struct hr_kv_lmdb *kv, int data_fd, const char *boot)
{
    struct checkpoint checkpoint;
    memset(&checkpoint, 0, sizeof checkpoint); /* padding too: it is part of the checksum */
    memcpy(checkpoint.magic, MAGIC, sizeof checkpoint.magic);
    memcpy(checkpoint.boot, boot, BOOT_BYTES);
    if (hr_lmdb_file_meta(data_fd, &checkpoint.page, NULL) != HR_OK) {
        return MDB_CORRUPTED;
    }
    checkpoint.crc = checksum(&checkpoint);
    return replace_file(kv, &checkpoint);
}

static int move_pin(struct hr_kv_lmdb *kv)
{
    if (!kv->pin) {
        return mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &kv->pin);
    }
    mdb_txn_reset(kv->pin);
    return mdb_txn_renew(kv->pin);
}

/* A failed sync may have dropped pages that a later one would not miss. */
static void distrust(struct hr_kv_lmdb *kv, int rc)
{
    snprintf(kv->failure, sizeof kv->failure,
             "a sync failed (%s); restart to go back to the last checkpoint", mdb_strerror(rc));
    struct checkpoint checkpoint;
    if (read_file(kv, &checkpoint, NULL) == HR_OK) {
        memset(checkpoint.boot, 0, sizeof checkpoint.boot);
        memcpy(checkpoint.boot, DISTRUSTED, sizeof DISTRUSTED);
        checkpoint.crc = checksum(&checkpoint);
        HR_IGNORE(
            replace_file(kv, &checkpoint)); /* the disk is failing: what can be done is done */
    }
}

int hr_kv_lmdb_checkpoint_write(struct hr_kv_lmdb *kv)
{
    char boot[BOOT_BYTES];
    int data_fd;
    int rc = read_boot(boot);
    if (!rc) {
        rc = mdb_env_get_fd(kv->env, &data_fd);
    }
    if (!rc) {
        rc = mdb_env_set_flags(kv->env, MDB_NOSYNC, 1);
    }
    if (rc) {
        return rc;
    }
    rc = mdb_env_sync(kv->env, 1);
    if (rc) {
        distrust(kv, rc);
        return rc;
    }
    rc = keep_meta(kv, data_fd, boot);
    if (!rc) {
        rc = move_pin(kv);
    }
    if (!rc) {
        kv->unsynced_ns = 0;
    }
    return rc;
}

int hr_kv_lmdb_checkpoint_unlink(struct hr_kv_lmdb *kv)
{
    if (unlinkat(kv->folder_fd, FILE_NAME, 0) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    /* Were it to come back after later synced commits, those would be undone. */
    return fsync(kv->folder_fd) == 0 ? 0 : errno;
}

int hr_kv_lmdb_checkpoint_remove(struct hr_kv_lmdb *kv)
{
    if (kv->failure[0]) {
        return MDB_PANIC; /* the checkpoint is what the next opening needs */
    }
    int rc = mdb_env_sync(kv->env, 1);
    return rc ? rc : hr_kv_lmdb_checkpoint_unlink(kv);
}

enum hr_err hr_kv_lmdb_checkpoint_recover(struct hr_kv_lmdb *kv, int data_fd, bool *ret_lossy,
                                          struct hr_diag *diag)
{
    struct checkpoint checkpoint;
    enum hr_err err = read_file(kv, &checkpoint, diag);
    *ret_lossy = false;
    if (err) {
        return err == HR_NOT_FOUND ? HR_OK : err;
    }
    char boot[BOOT_BYTES];
    int rc = read_boot(boot);
    if (rc) {
        return hr_diag_set(diag, HR_IO, BOOT_FILE ": %s", strerror(rc));
    }
    if (memcmp(checkpoint.boot, boot, sizeof boot) == 0) {
        return HR_OK;
    }
    err = hr_lmdb_file_set_meta(data_fd, &checkpoint.page, diag);
    if (err) {
        return err;
    }
    if (fdatasync(data_fd) != 0) {
        return hr_diag_set(diag, HR_IO, "data.mdb: %s", strerror(errno));
    }
    *ret_lossy = true;
    return HR_OK;
}
