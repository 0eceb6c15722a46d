/* What is known of clouds that were started: the folder they live in, their ports, and the processes that were
 * recorded there. Kept as <folder>/clouds.json, which is replaced in one step at every change:
 *
 *     {"version": 1, "boot": "<boot id>", "base_port": 0, "nats_server": "/usr/sbin/nats-server",
 *      "proxies": {"http": "127.0.0.1:8474", "pid": 100, "started": 5000},
 *      "sites": [{"name": "aws", "http": "127.0.0.1:8082", "admin": "127.0.0.1:9092",
 *                 "store": "redis://127.0.0.1:6382/0", "nats": "nats://127.0.0.1:4222",
 *                 "host": {"pid": 101, "started": 5001}, "redis": {...}, "nats_server": {...}}, ...]}
 *
 * Only version, boot, base_port, nats_server and the processes are read back; the addresses are there for scripts.
 * Processes that were recorded before the machine's last start are none. */
#ifndef CLI_CLOUDS_STATE_H
#define CLI_CLOUDS_STATE_H

#include "base/diag.h"
#include "base/err.h"
#include "cli/clouds_plan.h"
#include "cli/clouds_process.h"

/* The longest folder, and anything that lies in it. */
#define CLOUDS_FOLDER_BYTES_MAX 1024u
#define CLOUDS_PATH_BYTES_MAX (CLOUDS_FOLDER_BYTES_MAX + 128u)
#define CLOUDS_STATE_BYTES_MAX 65536u

struct clouds_state {
    char folder[CLOUDS_FOLDER_BYTES_MAX]; /* absolute */
    char nats_server[CLOUDS_FOLDER_BYTES_MAX];
    uint32_t base_port;
    struct clouds_process proxies;
    struct clouds_process parts[CLOUDS_SITES][CLOUDS_PARTS];
};

/* Makes @dir and the sites' folders in it where they are not there yet, and begins an empty state.
 * Errors: HR_TOO_BIG (the path), HR_DENIED, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_state_create(const char *dir, uint32_t base_port,
                                              struct clouds_state *ret_state, struct hr_diag *diag);
/* Errors: HR_NOT_FOUND (there are no clouds in @dir), HR_CORRUPT, HR_TOO_BIG, HR_DENIED, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_state_load(const char *dir, struct clouds_state *ret_state,
                                            struct hr_diag *diag);
HR_MUST_CHECK enum hr_err clouds_state_save(const struct clouds_state *state, struct hr_diag *diag);
/* Forgets the clouds; the sites' folders stay. */
HR_MUST_CHECK enum hr_err clouds_state_remove(const struct clouds_state *state,
                                              struct hr_diag *diag);

/* Takes the folder for this process until it ends or closes *@ret_fd, so that two commands do not change
 * it at once. The folder is made if it is not there. Errors: HR_LOCKED, HR_DENIED, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_state_lock(const char *dir, int *ret_fd, struct hr_diag *diag);

/* "<folder>/<site>/<name>", or "<folder>/<name>" with CLOUDS_SITES as @site, into CLOUDS_PATH_BYTES_MAX bytes. Returns
 * @path. */
const char *clouds_state_path(const struct clouds_state *state, size_t site, const char *name,
                              char *path);

/* Whether any of the recorded processes is not down. */
bool clouds_state_alive(const struct clouds_state *state);

#endif
