/* links: hr_host */
#include "guest_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/run/module.h"

#define MODULE_A "(module (func (export \"a\") (result i32) (i32.const 1)))"
#define MODULE_B "(module (func (export \"b\") (result i32) (i32.const 2)))"

struct cache_rig {
    struct hr_engine *engine;
    char home[256];
    char folder[300]; /* where the entries are */
};

static void cache_open(struct cache_rig *rig)
{
    struct hr_diag diag = {""};
    const char *base = getenv("TMPDIR");
    const struct hr_engine_options options = {.slots = 1, .memory_bytes_max = 1 << 20};
    assert_int_equal(hr_engine_new(&options, &rig->engine, &diag), HR_OK);
    snprintf(rig->home, sizeof rig->home, "%s/hedgerow-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(rig->home));
    snprintf(rig->folder, sizeof rig->folder, "%s/hedgerow/modules", rig->home);
    assert_int_equal(setenv("XDG_CACHE_HOME", rig->home, 1), 0);
}

static void cache_close(struct cache_rig *rig)
{
    hr_engine_free(rig->engine);
    assert_int_equal(nftw(rig->home, rig_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
}

/* Loads @text; whether its code came out of the cache. @ret_export the module's first export's name. */
static bool is_cached(struct cache_rig *rig, const char *text, char *ret_export)
{
    struct hr_diag diag = {""};
    struct hr_module module;
    wasm_byte_vec_t wasm = rig_assemble(text);
    assert_int_equal(hr_module_load(rig->engine, hr_str_of(wasm.data, wasm.size), &module, &diag),
                     HR_OK);
    wasm_byte_vec_delete(&wasm);
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(module.wasm, &exports);
    const wasm_name_t *name = wasm_exporttype_name(exports.data[0]);
    *ret_export = name->data[0];
    wasm_exporttype_vec_delete(&exports);
    bool cached = module.from_cache;
    hr_module_release(&module);
    return cached;
}

/* The entry (not the key) that was made last; there is one only when @other is "". */
static void find_entry(const struct cache_rig *rig, const char *other, char *ret_path, size_t size)
{
    DIR *folder = opendir(rig->folder);
    assert_non_null(folder);
    ret_path[0] = '\0';
    struct dirent *item;
    while ((item = readdir(folder))) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", rig->folder, item->d_name);
        if (strcmp(item->d_name, "key") != 0 && item->d_name[0] != '.' &&
            strcmp(path, other) != 0) {
            snprintf(ret_path, size, "%s", path);
        }
    }
    closedir(folder);
    assert_true(ret_path[0] != '\0');
}

static void flip_byte(const char *path, off_t from_end)
{
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    off_t at = lseek(fd, -from_end, SEEK_END);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Code is compiled once, and taken from the cache after that. */
static void module_is_cached(void **state)
{
    (void)state;
    struct cache_rig rig;
    char export;
    cache_open(&rig);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_true(is_cached(&rig, MODULE_A, &export));
    assert_int_equal(export, 'a');
    assert_false(is_cached(&rig, MODULE_B, &export));
    struct stat st;
    assert_int_equal(stat(rig.folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    cache_close(&rig);
}

/* An entry that is not what this user wrote under that very name is compiled anew: one that was changed,
 * cut off, or is another module's. */
static void module_does_not_run_a_changed_entry(void **state)
{
    (void)state;
    struct cache_rig rig;
    char path_a[600];
    char path_b[600];
    char export;
    cache_open(&rig);
    is_cached(&rig, MODULE_A, &export);
    find_entry(&rig, "", path_a, sizeof path_a);
    struct stat st;
    assert_int_equal(stat(path_a, &st), 0);
    const off_t places[] = {1, st.st_size / 2, st.st_size};
    for (size_t i = 0; i < 3; i++) {
        flip_byte(path_a, places[i]);
        assert_false(is_cached(&rig, MODULE_A, &export));
        assert_true(is_cached(&rig, MODULE_A, &export)); /* it was replaced */
    }
    assert_int_equal(truncate(path_a, 16), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_int_equal(truncate(path_a, 0), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));

    is_cached(&rig, MODULE_B, &export);
    find_entry(&rig, path_a, path_b, sizeof path_b);
    assert_int_equal(rename(path_b, path_a), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_int_equal(export, 'a');
    cache_close(&rig);
}

/* Files and folders that others may write are not trusted, nor is a key that others can read; the module
 * is loaded all the same. */
static void module_does_not_trust_what_others_may_write(void **state)
{
    (void)state;
    struct cache_rig rig;
    char path[600];
    char key[400];
    char export;
    cache_open(&rig);
    is_cached(&rig, MODULE_A, &export);
    find_entry(&rig, "", path, sizeof path);
    assert_int_equal(chmod(path, 0622), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_true(is_cached(&rig, MODULE_A, &export));

    char moved[700];
    snprintf(moved, sizeof moved, "%s/elsewhere", rig.home);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_true(is_cached(&rig, MODULE_A, &export));

    snprintf(key, sizeof key, "%s/key", rig.folder);
    assert_int_equal(chmod(key, 0644), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_int_equal(chmod(key, 0600), 0);
    assert_true(is_cached(&rig, MODULE_A, &export));

    assert_int_equal(chmod(rig.folder, 0770), 0);
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_int_equal(chmod(rig.folder, 0700), 0);
    assert_true(is_cached(&rig, MODULE_A, &export));

    assert_int_equal(unlink(key), 0); /* a new key: nothing of the old one counts */
    assert_false(is_cached(&rig, MODULE_A, &export));
    assert_true(is_cached(&rig, MODULE_A, &export));
    cache_close(&rig);
}

/* What is no module is told apart, and nothing of it is cached. */
static void module_refuses_what_is_none(void **state)
{
    (void)state;
    static const struct {
        struct hr_str bytes;
        const char *reason;
    } cases[] = {
        {{"", 0}, "does not begin with"},
        {{"\0as", 3}, "does not begin with"},
        {{"(module)", 8}, "does not begin with"},
        {{"\0asm\x0d\0\1\0", 8}, "a component"},
        {{"\0asm\2\0\0\0", 8}, "unknown version"},
        {{"\0asm\1\0\0\0\1\xff\xff\xff\xff\x0f", 14}, "unexpected end"},
        {{"\0asm\1\0\0\0\7\7", 10}, "unexpected end"},
    };
    struct cache_rig rig;
    cache_open(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hr_diag diag = {""};
        struct hr_module module;
        enum hr_err err = hr_module_load(rig.engine, cases[i].bytes, &module, &diag);
        if (err != HR_BAD_INPUT || !strstr(diag.text, cases[i].reason)) {
            fail_msg("case %zu: %s %s", i, hr_err_name(err), diag.text);
        }
    }
    cache_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(module_is_cached),
        cmocka_unit_test(module_does_not_run_a_changed_entry),
        cmocka_unit_test(module_does_not_trust_what_others_may_write),
        cmocka_unit_test(module_refuses_what_is_none),
    };
    return cmocka_run_group_tests_name("module", tests, NULL, NULL);
}
