/* links: hr_manifest
 * Manifests as files: where they are, what they point at, and what is said when something is not there.
 * Each test works in a fresh folder of its own. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manifest_fixture.h"

static char folder[] = "/tmp/hedgerow-manifest-XXXXXX";
static char path[256];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    static const char *const names[] = {"m.yaml", "a.wasm", "aws.json", "pipe", "sub/m.yaml"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(in_folder(names[i]));
    }
    rmdir(in_folder("sub"));
    return rmdir(folder);
}

/* Loads m.yaml of the folder, or what @name says. */
static enum hr_err load(const char *name, struct hr_manifest **ret_manifest)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", in_folder(name));
    return hr_manifest_load(copy, NULL, ret_manifest, &report);
}

/* Checks the first problem, which begins with the folder's name. */
static void assert_problem(const char *want)
{
    assert_true(report.problem_count >= 1);
    assert_int_equal(strncmp(report.problems[0].text, folder, strlen(folder)), 0);
    assert_string_equal(report.problems[0].text + strlen(folder), want);
}

/* Paths in a manifest start at its own folder: the module's, the store's, also the default one. */
static void manifest_paths_start_at_its_folder(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    char want[256];
    write_file("a.wasm", "module");
    write_file("m.yaml", "actors: {a: {file: a.wasm, links: {keyvalue: {store: 'lmdb:x/y'}}}}");
    assert_int_equal(load("m.yaml", &m), HR_OK);
    snprintf(want, sizeof want, "%s/a.wasm", folder);
    assert_str(m->actors[0].file, want);
    snprintf(want, sizeof want, "lmdb:%s/x/y", folder);
    assert_str(m->actors[0].store, want);
    snprintf(want, sizeof want, "lmdb:%s/./data", folder);
    assert_str(m->store, want);
    hr_manifest_free(m);

    snprintf(want, sizeof want, "actors: {a: {file: %s/a.wasm}}", folder);
    write_file("m.yaml", want);
    assert_int_equal(load("m.yaml", &m), HR_OK);
    assert_str(m->actors[0].file, in_folder("a.wasm"));
    hr_manifest_free(m);
}

/* A path in a variable starts at the current folder, as for every other program. */
static void manifest_variables_paths_start_here(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_STORE=lmdb:./data", NULL};
    struct hr_manifest *m = NULL;
    write_file("m.yaml", "store: lmdb:elsewhere");
    assert_int_equal(hr_manifest_load(in_folder("m.yaml"), environment, &m, &report), HR_OK);
    assert_str(m->store, "lmdb:./data");
    hr_manifest_free(m);
}

/* A manifest that cannot be read is told apart by why. */
static void manifest_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    assert_int_equal(load("m.yaml", &m), HR_NOT_FOUND);
    assert_problem("/m.yaml: no such file");
    assert_int_equal(load("m.yaml/x", &m), HR_NOT_FOUND);
    assert_int_equal(load(".", &m), HR_BAD_INPUT);
    assert_problem("/.: is a folder, not a file");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(load("pipe", &m), HR_BAD_INPUT);
    assert_problem("/pipe: is something else, not a file");
    write_file("m.yaml", "");
    assert_int_equal(truncate(in_folder("m.yaml"), HR_MANIFEST_BYTES_MAX + 1), 0);
    assert_int_equal(load("m.yaml", &m), HR_TOO_BIG);
    assert_problem("/m.yaml: is larger than 1048576 bytes");
    if (geteuid() != 0) { /* nothing is closed to root */
        assert_int_equal(chmod(in_folder("m.yaml"), 0), 0);
        assert_int_equal(load("m.yaml", &m), HR_DENIED);
        assert_problem("/m.yaml: may not be read: Permission denied");
    }
}

/* A module that is not there is a problem of the manifest, at the line that names it. */
static void manifest_names_a_missing_module(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    char want[512];
    write_file("m.yaml", "actors:\n  a:\n    file: a.wasm\n");
    assert_int_equal(load("m.yaml", &m), HR_BAD_INPUT);
    snprintf(want, sizeof want, "/m.yaml:3:5: actors.a.file: `%s`: no such file",
             in_folder("a.wasm"));
    assert_problem(want);
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    write_file("m.yaml", "actors:\n  a:\n    file: sub\n");
    assert_int_equal(load("m.yaml", &m), HR_BAD_INPUT);
    snprintf(want, sizeof want, "/m.yaml:3:5: actors.a.file: `%s`: is a folder, not a file",
             in_folder("sub"));
    assert_problem(want);
}

/* A keyvalue link may point at a JSON file with the store's URL, as in the first version of the
 * application. */
static void manifest_reads_a_links_json(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    write_file("aws.json", "{\"url\": \"redis://elasticache_url.aws.com:6379\"}");
    write_file("m.yaml", "actors: {kv: {links: {keyvalue: {config: aws.json}}}}");
    assert_int_equal(load("m.yaml", &m), HR_OK);
    assert_str(m->actors[0].store, "redis://elasticache_url.aws.com:6379");
    hr_manifest_free(m);
}

/* What is wrong with such a file is said at the line that names it. */
static void manifest_refuses_a_bad_links_json(void **state)
{
    (void)state;
    static const char *const shape =
        "the file must be {\"url\": \"<the store's URL>\"} and nothing else";
    const struct {
        const char *json;
        const char *problem;
    } rows[] = {
        {"", "the file is not JSON: byte 1: input length is 0"},
        {"{\"url\": ", "the file is not JSON: byte 9: unexpected end of data"},
        {"[]", shape},
        {"{}", shape},
        {"{\"url\": 1}", shape},
        {"{\"URL\": \"redis://h\"}", shape},
        {"{\"url\": \"redis://h\", \"x\": 1}", shape},
        {"{\"url\": \"redis://h\\u0000\"}", "the file's url holds a NUL byte"},
        {"{\"url\": \"http://h\"}", "`http://h` is not a store's URL: lmdb:<folder> or "
                                    "redis://<host>:<port>/<database>"},
    };
    write_file("m.yaml", "actors: {kv: {links: {keyvalue: {config: aws.json}}}}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_manifest *m = NULL;
        char want[512];
        write_file("aws.json", rows[i].json);
        assert_int_equal(load("m.yaml", &m), HR_BAD_INPUT);
        assert_int_equal(report.problem_count, 1);
        snprintf(want, sizeof want, "/m.yaml:1:34: actors.kv.links.keyvalue.config: %s",
                 rows[i].problem);
        assert_problem(want);
    }
    struct hr_manifest *m = NULL;
    assert_int_equal(truncate(in_folder("aws.json"), HR_MANIFEST_CONFIG_BYTES_MAX + 1), 0);
    assert_int_equal(load("m.yaml", &m), HR_BAD_INPUT);
    assert_problem("/m.yaml:1:34: actors.kv.links.keyvalue.config: the file is larger than 65536 "
                   "bytes");
}

/* Reading a manifest leaves no file, folder or descriptor behind. */
static void manifest_reading_has_no_side_effects(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    write_file("m.yaml", "store: lmdb:sub\n");
    int before = open("/dev/null", O_RDONLY);
    close(before);
    assert_int_equal(load("m.yaml", &m), HR_OK);
    hr_manifest_free(m);
    write_file("m.yaml", "store: lmdb:sub\nactors: {a: {file: m.yaml, x: 1}}\n");
    assert_int_equal(load("m.yaml", &m), HR_BAD_INPUT);
    int after = open("/dev/null", O_RDONLY);
    close(after);
    assert_int_equal(before, after);
    assert_int_equal(access(in_folder("sub"), F_OK), -1);
    assert_int_equal(hr_alloc_live(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(manifest_paths_start_at_its_folder),    CASE(manifest_variables_paths_start_here),
        CASE(manifest_that_cannot_be_read_says_why), CASE(manifest_names_a_missing_module),
        CASE(manifest_reads_a_links_json),           CASE(manifest_refuses_a_bad_links_json),
        CASE(manifest_reading_has_no_side_effects),
    };
    return cmocka_run_group_tests_name("manifest_file", tests, NULL, NULL);
}
