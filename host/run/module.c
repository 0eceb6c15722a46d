/* Loading a module: digest, cache, compiler. What can go wrong with the cache costs time, never
 * correctness: every failure in it ends in compiling. */
#include "host/run/module.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define PATH_BYTES 4096
#define SEAL_BYTES crypto_generichash_BYTES
#define KEY_BYTES crypto_generichash_KEYBYTES

void hr_module_digest(struct hr_str bytes, char ret_digest[HR_MODULE_DIGEST_CHARS + 1])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)bytes.ptr, bytes.len);
    sodium_bin2hex(ret_digest, HR_MODULE_DIGEST_CHARS + 1, hash, sizeof hash);
}

/* Reads an open file of @size bytes whole. */
static enum hr_err read_all(int fd, size_t size, char **ret_data)
{
    char *data = hr_alloc(size);
    if (!data) {
        return HR_NO_MEMORY;
    }
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, data + have, size - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            hr_free(data);
            return HR_IO;
        }
        have += (size_t)n;
    }
    *ret_data = data;
    return HR_OK;
}

enum hr_err hr_module_read_file(const char *path, struct hr_str *ret_bytes, struct hr_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return hr_diag_set(diag, errno == ENOENT ? HR_NOT_FOUND : HR_IO, "open %s: %s", path,
                           strerror(errno));
    }
    struct stat st;
    enum hr_err err = HR_OK;
    char *data = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err = hr_diag_set(diag, HR_BAD_INPUT, "%s is not a regular file", path);
    } else if (st.st_size > (off_t)HR_MODULE_BYTES_MAX) {
        err = hr_diag_set(diag, HR_TOO_BIG, "%s has %lld bytes; the limit is %u", path,
                          (long long)st.st_size, HR_MODULE_BYTES_MAX);
    } else {
        err = read_all(fd, (size_t)st.st_size, &data);
        if (err) {
            hr_diag_set(diag, err, "read %s: %s", path, hr_err_text(err));
        }
    }
    close(fd);
    if (!err) {
        *ret_bytes = hr_str_of(data, (size_t)st.st_size);
    }
    return err;
}

/* Makes @path and its parents, 0700. False when it cannot be trusted afterwards. */
static bool make_private_folder(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0700);
        *slash = '/';
        if (rc != 0 && errno != EEXIST) {
            return false;
        }
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return false;
    }
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool cache_folder(char path[PATH_BYTES])
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n;
    if (xdg && xdg[0] == '/') {
        n = snprintf(path, PATH_BYTES, "%s/hedgerow/modules", xdg);
    } else if (home && home[0] == '/') {
        n = snprintf(path, PATH_BYTES, "%s/.cache/hedgerow/modules", home);
    } else {
        return false;
    }
    return n > 0 && n < PATH_BYTES - 200 && make_private_folder(path);
}

/* Opens a file of this user's that nobody else may write; -1 otherwise. */
static int open_private(const char *path, struct stat *ret_st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, ret_st) != 0 || !S_ISREG(ret_st->st_mode) || ret_st->st_uid != geteuid() ||
        (ret_st->st_mode & (S_IWGRP | S_IWOTH)) != 0 || ret_st->st_size <= 0 ||
        ret_st->st_size > (off_t)HR_MODULE_BYTES_MAX * 4) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Writes a new file and moves it to its place, so that a reader sees all of it or none. */
static bool write_private(const char *path, const void *head, size_t head_len, const void *body,
                          size_t body_len)
{
    char temporary[PATH_BYTES];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld.%08x", path, (long)getpid(),
                     randombytes_random());
    if (n < 0 || n >= (int)sizeof temporary) {
        return false;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    FILE *file = fdopen(fd, "wb");
    if (!file) {
        close(fd);
        unlink(temporary);
        return false;
    }
    bool ok = fwrite(head, 1, head_len, file) == head_len &&
              (body_len == 0 || fwrite(body, 1, body_len, file) == body_len);
    ok = fclose(file) == 0 && ok;
    ok = ok && rename(temporary, path) == 0;
    if (!ok) {
        unlink(temporary);
    }
    return ok;
}

/* The key that seals this user's cache; made at first use. */
static bool cache_key(const char *folder, unsigned char key[KEY_BYTES])
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/key", folder);
    struct stat st;
    int fd = open_private(path, &st);
    if (fd < 0) {
        randombytes_buf(key, KEY_BYTES);
        return write_private(path, key, KEY_BYTES, NULL, 0);
    }
    bool ok = st.st_size == KEY_BYTES && (st.st_mode & 077) == 0 &&
              read(fd, key, KEY_BYTES) == (ssize_t)KEY_BYTES;
    close(fd);
    return ok;
}

struct entry {
    char path[PATH_BYTES];
    const char *name; /* the path's end */
    unsigned char key[KEY_BYTES];
    bool usable;
};

static void entry_of(const char *digest, struct entry *ret_entry)
{
    char folder[PATH_BYTES];
    ret_entry->usable = cache_folder(folder) && cache_key(folder, ret_entry->key);
    if (ret_entry->usable) {
        int n = snprintf(ret_entry->path, sizeof ret_entry->path, "%.3800s/%s-%s-%s", folder,
                         digest, HEDGEROW_VERSION, WASMTIME_VERSION);
        ret_entry->usable = n > 0 && n < (int)sizeof ret_entry->path;
        ret_entry->name = strrchr(ret_entry->path, '/') + 1;
    }
}

/* The entry's name is sealed with the code, so that one cannot stand for another. */
static void make_seal(const struct entry *entry, const char *code, size_t len,
                      unsigned char ret_seal[SEAL_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, entry->key, sizeof entry->key, SEAL_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)entry->name, strlen(entry->name) + 1);
    crypto_generichash_update(&state, (const unsigned char *)code, len);
    crypto_generichash_final(&state, ret_seal, SEAL_BYTES);
}

/* The file is `seal | machine code`. */
static bool from_cache(struct hr_engine *engine, const struct entry *entry,
                       wasmtime_module_t **ret_module)
{
    struct stat st;
    int fd = open_private(entry->path, &st);
    if (fd < 0) {
        return false;
    }
    char *data = NULL;
    enum hr_err err =
        (size_t)st.st_size > SEAL_BYTES ? read_all(fd, (size_t)st.st_size, &data) : HR_CORRUPT;
    close(fd);
    if (err) {
        return false;
    }
    unsigned char seal[SEAL_BYTES];
    const char *code = data + SEAL_BYTES;
    size_t code_len = (size_t)st.st_size - SEAL_BYTES;
    make_seal(entry, code, code_len, seal);
    bool ok = sodium_memcmp(seal, data, SEAL_BYTES) == 0;
    if (ok) {
        wasmtime_error_t *error = wasmtime_module_deserialize(
            hr_engine_wasm(engine), (const uint8_t *)code, code_len, ret_module);
        if (error) {
            wasmtime_error_delete(error);
            ok = false;
        }
    }
    hr_free(data);
    return ok;
}

static void to_cache(const struct entry *entry, const wasmtime_module_t *module)
{
    wasm_byte_vec_t code;
    wasmtime_error_t *error = wasmtime_module_serialize(module, &code);
    if (error) {
        wasmtime_error_delete(error);
        return;
    }
    unsigned char seal[SEAL_BYTES];
    make_seal(entry, code.data, code.size, seal);
    write_private(entry->path, seal, sizeof seal, code.data, code.size);
    wasm_byte_vec_delete(&code);
}

/* The eight bytes that begin every binary: magic, then version 1 for a core module and 0d 00 01 00
 * for a component (Component Model, design/mvp/Binary.md). */
static enum hr_err check_header(struct hr_str bytes, struct hr_diag *diag)
{
    if (bytes.len > HR_MODULE_BYTES_MAX) {
        return hr_diag_set(diag, HR_TOO_BIG, "%zu bytes; the limit is %u", bytes.len,
                           HR_MODULE_BYTES_MAX);
    }
    if (bytes.len < 8 || memcmp(bytes.ptr, "\0asm", 4) != 0) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "not a WebAssembly module: it does not begin with \"\\0asm\"");
    }
    if (memcmp(bytes.ptr + 4, "\x0d\0\x01\0", 4) == 0) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "a component; Hedgerow runs core modules with the canonical ABI (link "
                           "without `wasm-tools component new`)");
    }
    if (memcmp(bytes.ptr + 4, "\1\0\0\0", 4) != 0) {
        return hr_diag_set(diag, HR_BAD_INPUT, "a WebAssembly binary of an unknown version");
    }
    return HR_OK;
}

enum hr_err hr_module_load(struct hr_engine *engine, struct hr_str bytes,
                           struct hr_module *ret_module, struct hr_diag *diag)
{
    enum hr_err err = check_header(bytes, diag);
    if (err) {
        return err;
    }
    struct hr_module module = {.size_bytes = bytes.len};
    hr_module_digest(bytes, module.digest);
    struct entry entry;
    entry_of(module.digest, &entry);
    module.from_cache = entry.usable && from_cache(engine, &entry, &module.wasm);
    if (!module.from_cache) {
        wasmtime_error_t *error = wasmtime_module_new(
            hr_engine_wasm(engine), (const uint8_t *)bytes.ptr, bytes.len, &module.wasm);
        if (error) {
            return hr_engine_error(error, HR_BAD_INPUT, diag);
        }
        if (entry.usable) {
            to_cache(&entry, module.wasm);
        }
    }
    sodium_memzero(entry.key, sizeof entry.key);
    *ret_module = module;
    return HR_OK;
}

void hr_module_release(struct hr_module *module)
{
    if (module->wasm) {
        wasmtime_module_delete(module->wasm);
        module->wasm = NULL;
    }
}
