/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/json.h"
#include "actors/todo/core/todo.h"
#include "base/alloc.h"

static const struct gw_identity self = {{ID1, sizeof ID1 - 1},
                                        {BASE "/api/" ID1, sizeof BASE "/api/" ID1 - 1}};

static void assert_written(const struct gw_patch *patch, const char *want)
{
    struct hr_buf out = {0};
    assert_int_equal(gw_patch_write(patch, &out), HR_OK);
    assert_str(hr_buf_str(&out), want);
    hr_buf_release(&out);
}

/* Valid bodies, and what of them goes to the kv actor. */
static void todo_takes_valid_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const struct gw_identity *identity;
        const char *written;
    } rows[] = {
        {"{\"title\":\"a\"}", NULL, "\"title\":\"a\","},
        {"{\"order\":-1.5,\"completed\":true,\"title\":\"\\u00e4\\n\"}", NULL,
         "\"title\":\"\xc3\xa4\\n\",\"completed\":true,\"order\":-1.5,"},
        {"{\"title\":\"a\",\"order\":null}", NULL, "\"title\":\"a\",\"order\":null,"},
        {"{\"title\":\" \"}", NULL, "\"title\":\" \","},
        {"{\"title\":\"\xf0\x9f\x8c\xbf\\u0001\\ud83c\\udf3f\"}", NULL,
         "\"title\":\"\xf0\x9f\x8c\xbf\\u0001\xf0\x9f\x8c\xbf\","},
        {"{}", &self, ""},
        {"{\"completed\":false}", &self, "\"completed\":false,"},
        {"{\"order\":10}", &self, "\"order\":10,"},
        {"{\"order\":null}", &self, "\"order\":null,"},
        {"{\"id\":\"" ID1 "\",\"url\":\"" BASE "/api/" ID1 "\",\"title\":\"b\"}", &self,
         "\"title\":\"b\","},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_patch patch = {0};
        struct hr_diag diag;
        if (gw_patch_read(hr_str_c(rows[i].body), rows[i].identity, &patch, &diag)) {
            fail_msg("%s: %s", rows[i].body, diag.text);
        }
        assert_int_equal(gw_patch_is_empty(&patch), rows[i].written[0] == '\0');
        assert_written(&patch, rows[i].written);
        gw_patch_release(&patch);
    }
}

/* Bad bodies are refused with a sentence that names the field. */
static void todo_refuses_bad_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const struct gw_identity *identity;
        const char *why;
    } rows[] = {
        {"", NULL, "not valid: malformed JSON"},
        {"nope", NULL, "malformed JSON at line 1, column 1"},
        {"[]", NULL, "must be a JSON object"},
        {"\"a\"", &self, "must be a JSON object"},
        {"null", &self, "must be a JSON object"},
        {"{}", NULL, "'title' is missing"},
        {"{\"completed\":true}", NULL, "'title' is missing"},
        {"{\"title\":null}", NULL, "'title' cannot be removed"},
        {"{\"title\":null}", &self, "'title' cannot be removed"},
        {"{\"title\":1}", &self, "'title' must be a string"},
        {"{\"title\":[[[[]]]]}", &self, "'title' must be a string"},
        {"{\"title\":\"\"}", NULL, "1 to 4096 bytes"},
        {"{\"title\":\"a\\u0000b\"}", NULL, "U+0000 (at byte 1)"},
        {"{\"title\":\"a\",\"completed\":null}", NULL, "'completed' must"},
        {"{\"completed\":0}", &self, "'completed' must"},
        {"{\"completed\":\"true\"}", &self, "'completed' must"},
        {"{\"order\":\"1\"}", &self, "'order' must"},
        {"{\"order\":true}", &self, "'order' must"},
        {"{\"order\":1e400}", &self, "infinity"},
        {"{\"title\":\"a\",\"title\":\"a\"}", NULL, "'title' is given twice"},
        {"{\"order\":1,\"order\":null}", &self, "'order' is given twice"},
        {"{\"t\\u0069tle\":\"a\",\"title\":\"a\"}", NULL, "'title' is given twice"},
        {"{\"id\":\"" ID1 "\",\"id\":\"" ID1 "\"}", &self, "'id' is given twice"},
        {"{\"title\":\"a\",\"due\":1}", NULL, "Unknown field 'due'"},
        {"{\"Title\":\"a\"}", NULL, "Unknown field 'Title'"},
        {"{\"$if-absent\":true}", &self, "Unknown field '$if-absent'"},
        {"{\"\":1}", &self, "Unknown field ''"},
        {"{\"title\":\"a\",\"id\":\"" ID1 "\"}", NULL, "'id' is read-only"},
        {"{\"title\":\"a\",\"url\":\"x\"}", NULL, "'url' is read-only"},
        {"{\"id\":\"" ID2 "\"}", &self, "'id' is read-only"},
        {"{\"id\":null}", &self, "'id' is read-only"},
        {"{\"url\":\"/api/" ID1 "\"}", &self, "'url' is read-only"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_patch patch = {0};
        struct hr_diag diag;
        enum hr_err err = gw_patch_read(hr_str_c(rows[i].body), rows[i].identity, &patch, &diag);
        if (err != HR_BAD_INPUT) {
            fail_msg("taken: %s", rows[i].body);
        }
        assert_has(hr_str_c(diag.text), rows[i].why);
        assert_null(patch.doc);
    }
}

/* 4096 bytes are the longest title, counted after the escapes. */
static void todo_counts_the_title_in_bytes(void **state)
{
    (void)state;
    struct hr_buf body = {0};
    struct hr_diag diag;
    for (int extra = 0; extra < 2; extra++) {
        struct gw_patch patch = {0};
        hr_buf_clear(&body);
        assert_int_equal(hr_buf_append(&body, HR_STR("{\"title\":\"")), HR_OK);
        for (size_t i = 0; i < GW_TITLE_BYTES_MAX / 2; i++) {
            assert_int_equal(hr_buf_append(&body, HR_STR("\\u00e4")), HR_OK);
        }
        assert_int_equal(hr_buf_append(&body, extra ? HR_STR("a\"}") : HR_STR("\"}")), HR_OK);
        enum hr_err err = gw_patch_read(hr_buf_str(&body), NULL, &patch, &diag);
        assert_int_equal(err, extra ? HR_BAD_INPUT : HR_OK);
        if (extra) {
            assert_has(hr_str_c(diag.text), "it has 4097");
        } else {
            gw_patch_release(&patch);
        }
    }
    hr_buf_release(&body);
}

/* A very long name of an unknown field is cut between characters. */
static void todo_clips_unknown_names(void **state)
{
    (void)state;
    struct hr_buf body = {0};
    struct gw_patch patch = {0};
    struct hr_diag diag;
    assert_int_equal(hr_buf_append(&body, HR_STR("{\"x")), HR_OK);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(hr_buf_append(&body, HR_STR("\xc3\xa4")), HR_OK);
    }
    assert_int_equal(hr_buf_append(&body, HR_STR("\":1}")), HR_OK);
    assert_int_equal(gw_patch_read(hr_buf_str(&body), NULL, &patch, &diag), HR_BAD_INPUT);
    assert_true(strlen(diag.text) < 150);
    assert_true(hr_str_is_utf8(hr_str_c(diag.text)));
    hr_buf_release(&body);
}

/* Stored values: with a title they are todos, whatever else is missing; odd ones are not. */
static void todo_reads_stored_values(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *shown; /* NULL: not a todo */
    } rows[] = {
        {"{\"title\":\"a\",\"completed\":true,\"order\":3}",
         "\"title\":\"a\",\"completed\":true,\"order\":3}"},
        {"{\"title\":\"a\"}", "\"title\":\"a\",\"completed\":false,\"order\":null}"},
        {"{\"title\":\"\",\"order\":null,\"more\":{}}",
         "\"title\":\"\",\"completed\":false,\"order\":null}"},
        {"{\"title\":\"\\u0000\\\"\",\"order\":1.25}",
         "\"title\":\"\\u0000\\\"\",\"completed\":false,\"order\":1.25}"},
        {"{}", NULL},
        {"{\"completed\":true}", NULL},
        {"{\"title\":null}", NULL},
        {"{\"title\":5}", NULL},
        {"{\"title\":\"a\",\"completed\":null}", NULL},
        {"{\"title\":\"a\",\"completed\":1}", NULL},
        {"{\"title\":\"a\",\"order\":\"1\"}", NULL},
        {"[]", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        yyjson_doc *doc = NULL;
        struct gw_todo todo;
        struct hr_diag diag;
        struct hr_buf out = {0};
        assert_int_equal(gw_json_read(hr_str_c(rows[i].value), &doc, &diag), HR_OK);
        bool is_todo = gw_todo_from_value(HR_STR("k"), yyjson_doc_get_root(doc), &todo);
        assert_int_equal(is_todo, rows[i].shown != NULL);
        if (is_todo) {
            assert_int_equal(gw_todo_write(&todo, HR_STR(BASE), &out), HR_OK);
            assert_has(hr_buf_str(&out), "{\"id\":\"k\",\"url\":\"" BASE "/api/k\",\"title\":");
            assert_has(hr_buf_str(&out), rows[i].shown);
        }
        hr_buf_release(&out);
        yyjson_doc_free(doc);
    }
}

/* Writing beyond a limit says so. */
static void todo_write_stops_at_the_limit(void **state)
{
    (void)state;
    struct gw_todo todo = {.id = HR_STR("k"), .title = HR_STR("0123456789")};
    struct hr_buf out = {.max = 60};
    assert_int_equal(gw_todo_write(&todo, HR_STR(BASE), &out), HR_TOO_BIG);
    hr_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(todo_takes_valid_bodies),
        cmocka_unit_test(todo_refuses_bad_bodies),
        cmocka_unit_test(todo_counts_the_title_in_bytes),
        cmocka_unit_test(todo_clips_unknown_names),
        cmocka_unit_test(todo_reads_stored_values),
        cmocka_unit_test(todo_write_stops_at_the_limit),
    };
    return cmocka_run_group_tests_name("gw_todo", tests, NULL, NULL);
}
