/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <yyjson.h>

#include "test_dkv_check.h"

static struct fake fake;

static int setup(void **state)
{
    (void)state;
    fake = fake_new(3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_release(&fake);
    return 0;
}

static void set(const char *key)
{
    char subject[300];
    snprintf(subject, sizeof subject, "wasmkv.set.%s", key);
    assert_non_null(strstr(fake_send(&fake, subject, "{\"n\":1}"), "\"created\":true"));
}

static void del(const char *key)
{
    char subject[300];
    snprintf(subject, sizeof subject, "wasmkv.del.%s", key);
    assert_non_null(strstr(fake_send(&fake, subject, ""), "\"deleted\":true"));
}

/* The keys of a listing, each with a comma after it, and "|" and where to go on. */
static const char *keys_of(const char *body)
{
    static char keys[4096];
    const char *reply = fake_send(&fake, "wasmkv.get", body);
    assert_non_null(reply);
    yyjson_doc *doc = yyjson_read(reply, strlen(reply), 0);
    assert_non_null(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *items = yyjson_obj_get(root, "items");
    yyjson_val *next = yyjson_obj_get(root, "next");
    yyjson_val *item;
    size_t i, max, at = 0;
    assert_true(yyjson_is_arr(items) && next);
    yyjson_arr_foreach(items, i, max, item)
    {
        assert_int_equal(yyjson_get_len(yyjson_obj_get(item, "version")), 32);
        assert_true(yyjson_is_obj(yyjson_obj_get(item, "value")));
        at += (size_t)snprintf(keys + at, sizeof keys - at, "%s,",
                               yyjson_get_str(yyjson_obj_get(item, "key")));
    }
    snprintf(keys + at, sizeof keys - at, "|%s", yyjson_is_null(next) ? "" : yyjson_get_str(next));
    yyjson_doc_free(doc);
    return keys;
}

/* Values come in the bytewise order of their keys, whatever the store's pages are. */
static void list_is_in_order(void **state)
{
    (void)state;
    const char *keys[] = {"b", "a.z", "a", "B", "a-1", "c.0"};
    for (size_t i = 0; i < 6; i++) {
        set(keys[i]);
    }
    for (fake.page_max = 1; fake.page_max < 8; fake.page_max++) {
        assert_string_equal(keys_of(""), "B,a,a-1,a.z,b,c.0,|");
    }
}

/* A limit ends the listing, and `next` leads through the rest without a value twice or missing. */
static void list_goes_on_from_next(void **state)
{
    (void)state;
    const char *keys[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        set(keys[i]);
    }
    del("c");
    for (fake.page_max = 1; fake.page_max < 8; fake.page_max++) {
        assert_string_equal(keys_of("{\"limit\":2}"), "a,b,|c");
        assert_string_equal(keys_of("{\"limit\":2,\"after\":\"c\"}"), "d,e,|");
        assert_string_equal(keys_of("{\"limit\":1,\"after\":\"c\"}"), "d,|d");
        assert_string_equal(keys_of("{\"limit\":1,\"after\":\"d\"}"), "e,|");
        assert_string_equal(keys_of("{\"after\":\"b5\"}"), "d,e,|");
        assert_string_equal(keys_of("{\"after\":\"e\"}"), "|");
    }
}

/* A prefix is bytes, not tokens. */
static void list_takes_a_prefix(void **state)
{
    (void)state;
    const char *keys[] = {"todo.1", "todo.2", "todo", "todos", "t"};
    for (size_t i = 0; i < 5; i++) {
        set(keys[i]);
    }
    assert_string_equal(keys_of("{\"prefix\":\"todo.\"}"), "todo.1,todo.2,|");
    assert_string_equal(keys_of("{\"prefix\":\"todo\"}"), "todo,todo.1,todo.2,todos,|");
    assert_string_equal(keys_of("{\"prefix\":\"todo.\",\"after\":\"todo.1\"}"), "todo.2,|");
    assert_string_equal(keys_of("{\"prefix\":\"todo.\",\"after\":\"a\",\"limit\":1}"),
                        "todo.1,|todo.1");
    assert_string_equal(keys_of("{\"prefix\":\"x\"}"), "|");
}

/* Deleted and cleared values are passed over, however many. */
static void list_passes_over_what_is_deleted(void **state)
{
    (void)state;
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        set(key);
        if (i != 150) {
            del(key);
        }
    }
    fake.page_max = 7;
    assert_string_equal(keys_of("{\"limit\":1}"), "k150,|");
    fake_send(&fake, "wasmkv.del", "");
    assert_string_equal(keys_of(""), "|");
    set("k299");
    assert_string_equal(keys_of(""), "k299,|");
}

/* A reply ends at about 512 KiB. */
static void list_ends_at_a_size(void **state)
{
    (void)state;
    char *body = malloc(60 * 1024);
    char subject[32];
    size_t seen = 0;
    unsigned replies = 0;
    assert_non_null(body);
    memset(body, 'v', 60 * 1024);
    memcpy(body, "{\"a\":\"", 6);
    strcpy(body + 60 * 1024 - 8, "\"}");
    for (int i = 0; i < 20; i++) {
        snprintf(subject, sizeof subject, "wasmkv.set.k%02d", i);
        fake_send(&fake, subject, body);
    }
    strcpy(body, "{}");
    for (const char *next = ""; next; replies++) {
        const char *keys = keys_of(body);
        assert_in_range(strlen(fake.replies[0].body), 60 * 1024, (512 + 64) * 1024);
        next = strchr(keys, '|') + 1;
        seen += (size_t)(next - 1 - keys) / 4;
        snprintf(body, 64, "{\"after\":\"%s\"}", next);
        next = next[0] ? next : NULL;
    }
    assert_int_equal(seen, 20);
    assert_int_equal(replies, 3);
    free(body);
}

/* One reply looks at so many records at most; then it says where to go on. */
static void list_looks_at_so_many_records(void **state)
{
    (void)state;
    struct hr_str record;
    char name[32];
    fake.sites = "2"; /* so that nothing is collected */
    fake_serve(&fake);
    set("k");
    del("k");
    record = fake_get(&fake, "r/k");
    char *copy = fake_copy(record.ptr, record.len);
    record.ptr = copy;
    /* Straight into the store, in order, which is quick. */
    for (int i = 0; i < 21000; i++) {
        snprintf(name, sizeof name, "r/z%05d", i);
        fake_put(&fake, hr_str_c(name), record);
    }
    free(copy);
    set("zz");
    assert_string_equal(keys_of(""), "|z19998");
    assert_string_equal(keys_of("{\"after\":\"z19998\"}"), "zz,|");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(list_is_in_order),    CASE(list_goes_on_from_next),
        CASE(list_takes_a_prefix), CASE(list_passes_over_what_is_deleted),
        CASE(list_ends_at_a_size), CASE(list_looks_at_so_many_records),
    };
    return cmocka_run_group_tests_name("dkv_list", tests, NULL, NULL);
}
