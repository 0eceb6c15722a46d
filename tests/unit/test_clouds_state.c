/* links: hr_clouds
 * What is recorded of clouds. Each test works in a fresh folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/clouds_state.h"

static char folder[] = "/tmp/hedgerow-clouds-XXXXXX";
static char dir[64];

static int begin(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(dir, sizeof dir, "%s/c", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char path[256];
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        snprintf(path, sizeof path, "%s/%s/data", dir, clouds_site_name(site));
        rmdir(path);
        snprintf(path, sizeof path, "%s/%s", dir, clouds_site_name(site));
        rmdir(path);
    }
    static const char *const names[] = {"clouds.json", "clouds.json.new", "lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    return rmdir(folder);
}

static struct clouds_state make(void)
{
    struct clouds_state made;
    struct hr_diag diag = {""};
    assert_int_equal(clouds_state_create(dir, 20000, &made, &diag), HR_OK);
    strcpy(made.nats_server, "/usr/sbin/nats-server");
    made.proxies = (struct clouds_process){.pid = 100, .started = 1000};
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        for (size_t part = 0; part < CLOUDS_PARTS; part++) {
            made.parts[site][part] = (struct clouds_process){.pid = (pid_t)(200 + site * 10 + part),
                                                             .started = UINT64_MAX - part};
        }
    }
    return made;
}

static void write_text(const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/clouds.json", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void read_text(char *text, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/clouds.json", dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* What is saved is loaded, by any name of the folder. */
static void state_is_loaded_as_it_was_saved(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state made = make();
    struct clouds_state loaded;
    char other_name[128];
    assert_int_equal(clouds_state_save(&made, &diag), HR_OK);
    snprintf(other_name, sizeof other_name, "%s/../c/.", dir);
    assert_int_equal(clouds_state_load(other_name, &loaded, &diag), HR_OK);
    assert_string_equal(loaded.folder, made.folder);
    assert_string_equal(loaded.nats_server, made.nats_server);
    assert_int_equal(loaded.base_port, 20000);
    assert_memory_equal(&loaded.proxies, &made.proxies, sizeof made.proxies);
    assert_memory_equal(loaded.parts, made.parts, sizeof made.parts);
    assert_int_equal(clouds_state_remove(&made, &diag), HR_OK);
    assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_NOT_FOUND);
}

/* Without clouds the answer says how to get some; a folder that is not there is as good as an empty one. */
static void state_says_that_there_are_none(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state loaded;
    char want[256];
    assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_NOT_FOUND);
    snprintf(want, sizeof want, "no clouds in %s; `hedgerow clouds up` starts some", dir);
    assert_string_equal(diag.text, want);
    make();
    assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_NOT_FOUND);
    assert_string_equal(diag.text, want);
}

/* Processes of an earlier start of the machine are none. */
static void state_forgets_processes_of_another_boot(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state made = make();
    struct clouds_state loaded;
    char text[8192];
    assert_int_equal(clouds_state_save(&made, &diag), HR_OK);
    read_text(text, sizeof text);
    char *boot = strstr(text, "\"boot\": \"");
    assert_non_null(boot);
    boot[9] = boot[9] == 'x' ? 'y' : 'x';
    write_text(text);
    assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_OK);
    assert_int_equal(loaded.base_port, 20000);
    assert_int_equal(loaded.proxies.pid, 0);
    for (size_t i = 0; i < CLOUDS_SITES * (size_t)CLOUDS_PARTS; i++) {
        assert_int_equal(loaded.parts[i / CLOUDS_PARTS][i % CLOUDS_PARTS].pid, 0);
    }
    assert_false(clouds_state_alive(&loaded));
}

/* Every cut of the file, and every byte of it replaced by another, is either refused as damaged or read without harm. */
static void state_survives_damage(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state made = make();
    struct clouds_state loaded;
    char text[8192];
    char copy[8192];
    static const char replacements[] = {'x', '"', '-', '9', '\0', (char)0xff};
    assert_int_equal(clouds_state_save(&made, &diag), HR_OK);
    read_text(text, sizeof text);
    size_t len = strlen(text);
    for (size_t i = 0; i + 2 < len; i++) {
        snprintf(copy, i + 1, "%s", text);
        write_text(copy);
        assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_CORRUPT);
        strcpy(copy, text);
        copy[i] = replacements[i % sizeof replacements];
        write_text(copy);
        enum hr_err err = clouds_state_load(dir, &loaded, &diag);
        assert_true(err == HR_OK || err == HR_CORRUPT);
    }
}

/* Well-formed JSON that says something impossible is damaged too. */
static void state_refuses_what_it_cannot_have_written(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state made = make();
    struct clouds_state loaded;
    char text[8192];
    char changed[8192];
    static const char *const changes[][2] = {
        {"\"version\": 1", "\"version\": 2"},
        {"\"base_port\": 20000", "\"base_port\": 80"},
        {"\"base_port\": 20000", "\"base_port\": 65535"},
        {"\"pid\": 100,", "\"pid\": 4294967396,"},
        {"\"pid\": 100,", "\"pid\": -100,"},
        {"\"name\": \"aws\"", "\"name\": \"abc\""},
        {"\"started\": 1000", "\"started\": \"1000\""},
    };
    assert_int_equal(clouds_state_save(&made, &diag), HR_OK);
    read_text(text, sizeof text);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char *at = strstr(text, changes[i][0]);
        assert_non_null(at);
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, changes[i][1],
                 at + strlen(changes[i][0]));
        write_text(changed);
        assert_int_equal(clouds_state_load(dir, &loaded, &diag), HR_CORRUPT);
    }
    assert_non_null(strstr(diag.text, "clouds.json is not what"));
}

/* Two commands cannot have the folder at once. */
static void state_lock_is_exclusive(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    int first = -1;
    int second = -1;
    assert_int_equal(clouds_state_lock(dir, &first, &diag), HR_OK);
    assert_int_equal(clouds_state_lock(dir, &second, &diag), HR_LOCKED);
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(clouds_state_lock(dir, &second, &diag), HR_OK);
    close(second);
}

/* A folder whose name is too long is refused, not cut. */
static void state_refuses_a_long_folder(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct clouds_state made;
    char path[CLOUDS_FOLDER_BYTES_MAX + 64];
    size_t made_count = 0;
    snprintf(path, sizeof path, "%s", folder);
    while (strlen(path) < CLOUDS_FOLDER_BYTES_MAX) {
        strcat(path, "/0123456789012345678901234567890123456789");
        assert_int_equal(mkdir(path, 0700), 0);
        made_count++;
    }
    assert_int_equal(clouds_state_create(path, 0, &made, &diag), HR_TOO_BIG);
    for (; made_count > 0; made_count--) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(state_is_loaded_as_it_was_saved, begin, end),
        cmocka_unit_test_setup_teardown(state_says_that_there_are_none, begin, end),
        cmocka_unit_test_setup_teardown(state_forgets_processes_of_another_boot, begin, end),
        cmocka_unit_test_setup_teardown(state_survives_damage, begin, end),
        cmocka_unit_test_setup_teardown(state_refuses_what_it_cannot_have_written, begin, end),
        cmocka_unit_test_setup_teardown(state_lock_is_exclusive, begin, end),
        cmocka_unit_test_setup_teardown(state_refuses_a_long_folder, begin, end),
    };
    return cmocka_run_group_tests_name("clouds_state", tests, NULL, NULL);
}
