/* clouds.json: written whole into a file beside it, which then takes its place. What is read is checked in full: it may
 * be anything by now. */
#include "cli/clouds_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/buf.h"

#define STATE_FILE "clouds.json"
#define STATE_FILE_NEW "clouds.json.new"
#define LOCK_FILE "lock"
#define VERSION 1u
#define BOOT_ID_BYTES_MAX 64u

/* A process' name in the file; nats_server, because nats is the address. */
static const char *const part_keys[CLOUDS_PARTS] = {"host", "redis", "nats_server"};

static enum hr_err of_errno(int error)
{
    return error == EACCES || error == EPERM || error == EROFS ? HR_DENIED
           : error == ENOSPC || error == EDQUOT                ? HR_NO_SPACE
           : error == ENOENT                                   ? HR_NOT_FOUND
                                                               : HR_IO;
}

/* Each start of the machine has its own; empty when the system has none. */
static void read_boot_id(char boot[BOOT_ID_BYTES_MAX])
{
    boot[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(boot, BOOT_ID_BYTES_MAX, file)) {
            boot[0] = '\0';
        }
        fclose(file);
        boot[strcspn(boot, "\n")] = '\0';
    }
}

/* ---- Folders ---- */

const char *clouds_state_path(const struct clouds_state *state, size_t site, const char *name,
                              char *path)
{
    if (site < CLOUDS_SITES) {
        snprintf(path, CLOUDS_PATH_BYTES_MAX, "%s/%s/%s", state->folder, clouds_site_name(site),
                 name);
    } else {
        snprintf(path, CLOUDS_PATH_BYTES_MAX, "%s/%s", state->folder, name);
    }
    return path;
}

static enum hr_err make_folder(const char *path, struct hr_diag *diag)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) {
        return HR_OK;
    }
    return hr_diag_set(diag, of_errno(errno), "make folder %s: %s", path, strerror(errno));
}

static enum hr_err resolve(const char *dir, char folder[CLOUDS_FOLDER_BYTES_MAX],
                           struct hr_diag *diag)
{
    char *full = realpath(dir, NULL);
    if (!full) {
        return hr_diag_set(diag, of_errno(errno), "%s: %s", dir, strerror(errno));
    }
    enum hr_err err = HR_OK;
    if (strlen(full) >= CLOUDS_FOLDER_BYTES_MAX) {
        err = hr_diag_set(diag, HR_TOO_BIG, "%s: the path is longer than %u bytes", dir,
                          CLOUDS_FOLDER_BYTES_MAX - 1);
    } else {
        strcpy(folder, full);
    }
    free(full);
    return err;
}

enum hr_err clouds_state_create(const char *dir, uint32_t base_port, struct clouds_state *ret_state,
                                struct hr_diag *diag)
{
    struct clouds_state state = {0};
    char path[CLOUDS_PATH_BYTES_MAX];
    state.base_port = base_port;
    enum hr_err err = make_folder(dir, diag);
    err = err ? err : resolve(dir, state.folder, diag);
    for (size_t site = 0; !err && site < CLOUDS_SITES; site++) {
        err = make_folder(clouds_state_path(&state, CLOUDS_SITES, clouds_site_name(site), path),
                          diag);
        err = err ? err : make_folder(clouds_state_path(&state, site, "data", path), diag);
    }
    if (!err) {
        *ret_state = state;
    }
    return err;
}

enum hr_err clouds_state_lock(const char *dir, int *ret_fd, struct hr_diag *diag)
{
    struct clouds_state state = {0};
    char path[CLOUDS_PATH_BYTES_MAX];
    enum hr_err err = make_folder(dir, diag);
    err = err ? err : resolve(dir, state.folder, diag);
    if (err) {
        return err;
    }
    clouds_state_path(&state, CLOUDS_SITES, LOCK_FILE, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return hr_diag_set(diag, of_errno(errno), "open %s: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        return error == EWOULDBLOCK
                   ? hr_diag_set(diag, HR_LOCKED, "%s: another `hedgerow clouds` is at work there",
                                 dir)
                   : hr_diag_set(diag, of_errno(error), "lock %s: %s", path, strerror(error));
    }
    *ret_fd = fd;
    return HR_OK;
}

bool clouds_state_alive(const struct clouds_state *state)
{
    bool alive = clouds_process_life(state->proxies) != CLOUDS_DOWN;
    for (size_t i = 0; !alive && i < CLOUDS_SITES * (size_t)CLOUDS_PARTS; i++) {
        alive =
            clouds_process_life(state->parts[i / CLOUDS_PARTS][i % CLOUDS_PARTS]) != CLOUDS_DOWN;
    }
    return alive;
}

/* ---- Writing ---- */

static bool add_process(yyjson_mut_doc *doc, yyjson_mut_val *object, struct clouds_process process)
{
    return yyjson_mut_obj_add_uint(doc, object, "pid", (uint64_t)process.pid) &&
           yyjson_mut_obj_add_uint(doc, object, "started", process.started);
}

static bool add_address(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                        const char *scheme, uint16_t port)
{
    char text[64];
    snprintf(text, sizeof text, "%s127.0.0.1:%u", scheme, port);
    return yyjson_mut_obj_add_strcpy(doc, object, key, text);
}

static bool add_site(yyjson_mut_doc *doc, yyjson_mut_val *sites, const struct clouds_state *state,
                     size_t site)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, sites);
    uint32_t base = state->base_port;
    bool good =
        object && yyjson_mut_obj_add_str(doc, object, "name", clouds_site_name(site)) &&
        add_address(doc, object, "http", "", clouds_port_of(base, CLOUDS_PORT_HTTP, site)) &&
        add_address(doc, object, "admin", "", clouds_port_of(base, CLOUDS_PORT_ADMIN, site)) &&
        add_address(doc, object, "store", "redis://",
                    clouds_port_of(base, CLOUDS_PORT_REDIS, site)) &&
        add_address(doc, object, "nats", "nats://", clouds_port_of(base, CLOUDS_PORT_NATS, site)) &&
        add_address(doc, object, "nats_http", "", clouds_port_of(base, CLOUDS_PORT_MONITOR, site));
    for (size_t part = 0; good && part < CLOUDS_PARTS; part++) {
        yyjson_mut_val *process = yyjson_mut_obj_add_obj(doc, object, part_keys[part]);
        good = process && add_process(doc, process, state->parts[site][part]);
    }
    return good;
}

static char *to_json(const struct clouds_state *state, size_t *ret_len)
{
    char boot[BOOT_ID_BYTES_MAX];
    char *text = NULL;
    read_boot_id(boot);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, root);
    bool good = yyjson_mut_obj_add_uint(doc, root, "version", VERSION) &&
                yyjson_mut_obj_add_strcpy(doc, root, "boot", boot) &&
                yyjson_mut_obj_add_uint(doc, root, "base_port", state->base_port) &&
                yyjson_mut_obj_add_str(doc, root, "nats_server", state->nats_server);
    yyjson_mut_val *proxies = good ? yyjson_mut_obj_add_obj(doc, root, "proxies") : NULL;
    good = proxies &&
           add_address(doc, proxies, "http", "", clouds_port_proxies(state->base_port)) &&
           add_process(doc, proxies, state->proxies);
    yyjson_mut_val *sites = good ? yyjson_mut_obj_add_arr(doc, root, "sites") : NULL;
    good = sites != NULL;
    for (size_t site = 0; good && site < CLOUDS_SITES; site++) {
        good = add_site(doc, sites, state, site);
    }
    if (good) {
        text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, ret_len);
    }
    yyjson_mut_doc_free(doc);
    return text;
}

enum hr_err clouds_state_save(const struct clouds_state *state, struct hr_diag *diag)
{
    char path[CLOUDS_PATH_BYTES_MAX];
    char fresh[CLOUDS_PATH_BYTES_MAX];
    size_t len = 0;
    enum hr_err err = HR_OK;
    clouds_state_path(state, CLOUDS_SITES, STATE_FILE, path);
    clouds_state_path(state, CLOUDS_SITES, STATE_FILE_NEW, fresh);
    char *text = to_json(state, &len);
    if (!text) {
        return hr_diag_set(diag, HR_NO_MEMORY, "write %s: out of memory", path);
    }
    FILE *file = fopen(fresh, "we");
    bool good = file && fwrite(text, 1, len, file) == len && fputc('\n', file) != EOF;
    good = file && fclose(file) == 0 && good && rename(fresh, path) == 0;
    if (!good) {
        err = hr_diag_set(diag, of_errno(errno), "write %s: %s", path, strerror(errno));
    }
    free(text);
    return err;
}

enum hr_err clouds_state_remove(const struct clouds_state *state, struct hr_diag *diag)
{
    char path[CLOUDS_PATH_BYTES_MAX];
    clouds_state_path(state, CLOUDS_SITES, STATE_FILE, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        return hr_diag_set(diag, of_errno(errno), "remove %s: %s", path, strerror(errno));
    }
    return HR_OK;
}

/* ---- Reading ---- */

static bool read_process(yyjson_val *object, struct clouds_process *ret_process)
{
    yyjson_val *pid = yyjson_obj_get(object, "pid");
    yyjson_val *started = yyjson_obj_get(object, "started");
    if (!yyjson_is_uint(pid) || yyjson_get_uint(pid) > INT_MAX || !yyjson_is_uint(started)) {
        return false;
    }
    *ret_process = (struct clouds_process){.pid = (pid_t)yyjson_get_uint(pid),
                                           .started = yyjson_get_uint(started)};
    return true;
}

static bool read_site(yyjson_val *object, size_t site, struct clouds_state *state)
{
    bool good = yyjson_equals_str(yyjson_obj_get(object, "name"), clouds_site_name(site));
    for (size_t part = 0; good && part < CLOUDS_PARTS; part++) {
        good = read_process(yyjson_obj_get(object, part_keys[part]), &state->parts[site][part]);
    }
    return good;
}

static bool read_root(yyjson_val *root, struct clouds_state *state)
{
    char boot[BOOT_ID_BYTES_MAX];
    yyjson_val *version = yyjson_obj_get(root, "version");
    yyjson_val *base_port = yyjson_obj_get(root, "base_port");
    yyjson_val *nats_server = yyjson_obj_get(root, "nats_server");
    yyjson_val *sites = yyjson_obj_get(root, "sites");
    yyjson_val *recorded = yyjson_obj_get(root, "boot");
    uint64_t base = yyjson_is_uint(base_port) ? yyjson_get_uint(base_port) : UINT64_MAX;
    bool good = yyjson_is_uint(version) && yyjson_get_uint(version) == VERSION &&
                (base == 0 || (base >= CLOUDS_BASE_PORT_MIN && base <= CLOUDS_BASE_PORT_MAX)) &&
                yyjson_is_str(nats_server) &&
                yyjson_get_len(nats_server) < sizeof state->nats_server &&
                yyjson_is_str(recorded) && yyjson_arr_size(sites) == CLOUDS_SITES &&
                read_process(yyjson_obj_get(root, "proxies"), &state->proxies);
    for (size_t site = 0; good && site < CLOUDS_SITES; site++) {
        good = read_site(yyjson_arr_get(sites, site), site, state);
    }
    if (!good) {
        return false;
    }
    state->base_port = (uint32_t)base;
    strcpy(state->nats_server, yyjson_get_str(nats_server));
    read_boot_id(boot);
    if (!yyjson_equals_str(recorded, boot)) {
        state->proxies = (struct clouds_process){0};
        memset(state->parts, 0, sizeof state->parts);
    }
    return true;
}

static enum hr_err read_file(const char *path, struct hr_buf *text, struct hr_diag *diag)
{
    char chunk[4096];
    enum hr_err err = HR_OK;
    FILE *file = fopen(path, "re");
    if (!file) {
        return hr_diag_set(diag, of_errno(errno), "open %s: %s", path, strerror(errno));
    }
    for (size_t len; !err && (len = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        err = hr_buf_append(text, hr_str_of(chunk, len));
    }
    if (err) {
        hr_diag_set(diag, err, "read %s: %s", path, hr_err_text(err));
    } else if (ferror(file)) {
        err = hr_diag_set(diag, HR_IO, "read %s: %s", path, strerror(errno));
    }
    fclose(file);
    return err;
}

enum hr_err clouds_state_load(const char *dir, struct clouds_state *ret_state, struct hr_diag *diag)
{
    struct clouds_state state = {0};
    char path[CLOUDS_PATH_BYTES_MAX];
    struct hr_buf text = {.max = CLOUDS_STATE_BYTES_MAX};
    enum hr_err err = resolve(dir, state.folder, diag);
    if (!err) {
        err = read_file(clouds_state_path(&state, CLOUDS_SITES, STATE_FILE, path), &text, diag);
    }
    if (err == HR_NOT_FOUND) {
        err = hr_diag_set(diag, err, "no clouds in %s; `hedgerow clouds up` starts some", dir);
    }
    if (!err) {
        yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);
        if (!doc || !read_root(yyjson_doc_get_root(doc), &state)) {
            err = hr_diag_set(diag, HR_CORRUPT,
                              "%s is not what `hedgerow clouds` wrote: end the processes that it "
                              "may name by hand, then remove it",
                              path);
        }
        yyjson_doc_free(doc);
    }
    hr_buf_release(&text);
    if (!err) {
        *ret_state = state;
    }
    return err;
}
