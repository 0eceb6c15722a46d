/* What the store's tests share: temporary folders, and a rig of one store, one loop and one port on
 * the test's own thread. The rig's calls run the loop until their callback has come, and check the
 * asynchronous contract by the way: never before the call returns, exactly once. */
#ifndef KV_RIG_H
#define KV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/kv/kv.h"
#include "host/loop/loop.h"
#include "tests/unit/dice.h"

static inline void folder_make(char *to, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(to, size, "%s/hedgerow-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(to));
}

static inline int folder_remove_entry(const char *path, const struct stat *st, int kind,
                                      struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void folder_remove(const char *path)
{
    assert_int_equal(nftw(path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

struct rig {
    struct hr_kv *kv;
    struct hr_loop loop;
    struct hr_kv_port *port;
    struct hr_arena arena; /* values live here until rig_close */
};

static inline enum hr_err rig_try_open(struct rig *rig, const char *url,
                                       enum hr_kv_durability durability, struct hr_diag *diag)
{
    *rig = (struct rig){0};
    diag->text[0] = '\0';
    enum hr_err err = hr_kv_open(hr_str_c(url), durability, &rig->kv, diag);
    if (err) {
        return err;
    }
    assert_int_equal(hr_loop_init(&rig->loop, diag), HR_OK);
    assert_int_equal(hr_kv_port_open(rig->kv, &rig->loop, &rig->port, diag), HR_OK);
    hr_arena_init(&rig->arena, 0);
    return HR_OK;
}

static inline void rig_open_as(struct rig *rig, const char *url, enum hr_kv_durability durability)
{
    struct hr_diag diag;
    enum hr_err err = rig_try_open(rig, url, durability, &diag);
    if (err) {
        fail_msg("opening %s: %s", url, diag.text);
    }
}

static inline void rig_open(struct rig *rig, const char *url)
{
    rig_open_as(rig, url, HR_KV_SYNC);
}

static inline void rig_stop(void *arg)
{
    struct hr_loop *loop = arg;
    hr_loop_stop(loop);
}

static inline void rig_close_port(struct rig *rig)
{
    hr_kv_port_close(rig->port, rig_stop, &rig->loop);
    hr_loop_run(&rig->loop);
    rig->port = NULL;
}

static inline void rig_close(struct rig *rig)
{
    if (rig->port) {
        rig_close_port(rig);
    }
    hr_kv_close(rig->kv);
    hr_loop_release(&rig->loop);
    hr_arena_release(&rig->arena);
}

/* One answer of any kind. */
struct answer {
    struct rig *rig;
    int calls;
    enum hr_err err;
    size_t conflict;
    uint64_t number;
    struct hr_str value; /* in the rig's arena */
    struct hr_kv_page page;
    char detail[256];
};

static inline void answered(struct answer *answer, enum hr_err err)
{
    answer->calls++;
    answer->err = err;
    hr_loop_stop(&answer->rig->loop);
}

static inline void on_commit(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    struct answer *answer = arg;
    assert_non_null(detail);
    snprintf(answer->detail, sizeof answer->detail, "%s", detail);
    answer->conflict = conflict;
    answered(answer, err);
}

static inline void on_get(void *arg, enum hr_err err, struct hr_str value)
{
    struct answer *answer = arg;
    if (!err) {
        answer->value = hr_arena_copy(&answer->rig->arena, value);
    }
    answered(answer, err);
}

static inline void on_scan(void *arg, enum hr_err err, const struct hr_kv_page *page)
{
    struct answer *answer = arg;
    if (!err) {
        answer->page = *page;
    } else {
        assert_null(page);
    }
    answered(answer, err);
}

static inline void on_increment(void *arg, enum hr_err err, uint64_t value)
{
    struct answer *answer = arg;
    answer->number = value;
    answered(answer, err);
}

/* Runs the loop until the answer has come, if the call was taken. */
static inline void rig_wait(struct rig *rig, struct answer *answer, enum hr_err taken)
{
    assert_int_equal(answer->calls, 0);
    if (taken) {
        answer->err = taken;
        return;
    }
    hr_loop_run(&rig->loop);
    assert_int_equal(answer->calls, 1);
}

static inline struct answer rig_commit(struct rig *rig, const struct hr_kv_commit *commit)
{
    struct answer answer = {.rig = rig};
    rig_wait(rig, &answer, hr_kv_commit(rig->port, commit, on_commit, &answer));
    return answer;
}

static inline enum hr_err rig_put_str(struct rig *rig, struct hr_str bucket, struct hr_str key,
                                      struct hr_str value)
{
    struct hr_kv_entry put = {key, value};
    struct hr_kv_commit commit = {.bucket = bucket, .puts = &put, .put_count = 1};
    return rig_commit(rig, &commit).err;
}

static inline enum hr_err rig_put(struct rig *rig, const char *key, const char *value)
{
    return rig_put_str(rig, HR_STR("bucket"), hr_str_c(key), hr_str_c(value));
}

static inline enum hr_err rig_delete(struct rig *rig, const char *key)
{
    struct hr_str name = hr_str_c(key);
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .deletes = &name, .delete_count = 1};
    return rig_commit(rig, &commit).err;
}

static inline struct answer rig_get_str(struct rig *rig, struct hr_str bucket, struct hr_str key)
{
    struct answer answer = {.rig = rig};
    rig_wait(rig, &answer, hr_kv_get(rig->port, bucket, key, on_get, &answer));
    return answer;
}

static inline struct answer rig_get(struct rig *rig, const char *key)
{
    return rig_get_str(rig, HR_STR("bucket"), hr_str_c(key));
}

static inline struct answer rig_scan(struct rig *rig, const struct hr_kv_scan *scan)
{
    struct answer answer = {.rig = rig};
    rig_wait(rig, &answer, hr_kv_scan(rig->port, scan, &rig->arena, on_scan, &answer));
    return answer;
}

static inline struct answer rig_increment(struct rig *rig, const char *key, uint64_t delta)
{
    struct answer answer = {.rig = rig};
    rig_wait(
        rig, &answer,
        hr_kv_increment(rig->port, HR_STR("bucket"), hr_str_c(key), delta, on_increment, &answer));
    return answer;
}

#define assert_err(got, want) assert_string_equal(hr_err_name(got), hr_err_name(want))

#define assert_str(got, want)                            \
    do {                                                 \
        struct hr_str g_ = (got);                        \
        struct hr_str w_ = (want);                       \
        assert_int_equal(g_.len, w_.len);                \
        if (w_.len > 0) {                                \
            assert_memory_equal(g_.ptr, w_.ptr, w_.len); \
        }                                                \
    } while (0)

#define assert_holds(rig, key, text)              \
    do {                                          \
        struct answer a_ = rig_get((rig), (key)); \
        assert_err(a_.err, HR_OK);                \
        assert_str(a_.value, hr_str_c(text));     \
    } while (0)

#define assert_absent(rig, key) assert_err(rig_get((rig), (key)).err, HR_NOT_FOUND)

#endif
