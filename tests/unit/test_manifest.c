/* links: hr_manifest
 * Manifests that are good, what they come out as, and the variables that override them. */
#include "manifest_fixture.h"

#define LINKS(a, b) ((1u << (a)) | (1u << (b)))

/* Without a manifest there is the TODO application, ready to be reached at localhost:8080. */
static void manifest_built_in_is_the_todo_application(void **state)
{
    (void)state;
    struct hr_manifest *m = NULL;
    assert_int_equal(hr_manifest_load(NULL, NULL, &m, &report), HR_OK);
    assert_int_equal(report.problem_count + report.warning_count, 0);
    assert_str(m->lattice, "default");
    assert_str(m->site, "local");
    assert_int_equal(m->site_id, 0);
    assert_str(m->http, "127.0.0.1:8080");
    assert_str(m->admin, "127.0.0.1:9090");
    assert_str(m->store, "lmdb:./data");
    assert_int_equal(m->durability, HR_KV_SYNC);
    assert_int_equal(m->nats.count, 0);
    assert_int_equal(m->site_count, 0);
    assert_int_equal(m->workers, 0);
    assert_int_equal(m->log, HR_LOG_INFO);
    assert_int_equal(m->actor_count, 3);

    const struct hr_manifest_actor *todo = &m->actors[0];
    assert_str(todo->name, "todo");
    assert_str(todo->file, "");
    assert_false(todo->has_digest);
    assert_list(todo->routes, "/");
    assert_list(todo->publish, "wasmkv.get wasmkv.get.> wasmkv.set.> wasmkv.del wasmkv.del.>");
    assert_list(todo->safe, "wasmkv.get wasmkv.get.>");
    assert_list(todo->idempotent, "wasmkv.set.> wasmkv.del wasmkv.del.>");
    assert_int_equal(todo->subscription_count, 0);
    assert_str(todo->assets, "ui");
    assert_int_equal(todo->links, LINKS(HR_LINK_HTTP, HR_LINK_MESSAGING) |
                                      LINKS(HR_LINK_ASSETS, HR_LINK_CONFIG) |
                                      LINKS(HR_LINK_LOGGING, HR_LINK_CLOCKS) |
                                      LINKS(HR_LINK_RANDOM, HR_LINK_LATTICE));
    assert_str(m->actors[1].name, "ui");
    assert_int_equal(m->actors[1].links, 0);

    const struct hr_manifest_actor *kv = &m->actors[2];
    assert_str(kv->name, "kv");
    assert_list(kv->buckets, "default");
    assert_str(kv->store, "lmdb:./data");
    assert_list(kv->publish, "_INBOX.> wasmkv.peer.> _LOCAL.wasmkv.> wasmkv.set.>");
    assert_int_equal(kv->subscription_count, 17);
    assert_str(kv->subscriptions[0].subject, "wasmkv.get");
    assert_str(kv->subscriptions[0].queue, "kv");
    assert_int_equal(kv->subscriptions[0].batch, 0);
    assert_str(kv->subscriptions[2].subject, "wasmkv.set.>");
    assert_true(kv->subscriptions[1].unordered);
    assert_int_equal(kv->subscriptions[2].batch, 64);
    assert_false(kv->subscriptions[2].unordered);
    assert_str(kv->subscriptions[5].subject, "wasmkv.peer.default.w");
    assert_str(kv->subscriptions[5].queue, "${site}");
    assert_true(kv->subscriptions[5].no_echo);
    assert_str(kv->subscriptions[16].subject, "_LOCAL.wasmkv.default.tick");
    assert_int_equal(kv->subscriptions[16].every_ms, 500);
    assert_true(hr_manifest_has_link(kv, HR_LINK_COMMIT));
    assert_true(hr_manifest_has_link(kv, HR_LINK_GATHER));
    assert_false(hr_manifest_has_link(kv, HR_LINK_HTTP));
    hr_manifest_free(m);
}

static void assert_same(const struct hr_manifest *a, const struct hr_manifest *b)
{
    assert_true(hr_str_eq(a->lattice, b->lattice));
    assert_true(hr_str_eq(a->site, b->site));
    assert_int_equal(a->site_id, b->site_id);
    assert_true(hr_str_eq(a->http, b->http));
    assert_true(hr_str_eq(a->admin, b->admin));
    assert_true(hr_str_eq(a->store, b->store));
    assert_int_equal(a->durability, b->durability);
    assert_int_equal(a->nats.count, b->nats.count);
    assert_int_equal(a->site_count, b->site_count);
    assert_true(hr_str_eq(a->host, b->host));
    assert_true(hr_str_eq(a->write_acks, b->write_acks));
    assert_int_equal(a->hedge, b->hedge);
    assert_int_equal(a->workers, b->workers);
    assert_int_equal(a->log, b->log);
    assert_int_equal(a->actor_count, b->actor_count);
    for (size_t i = 0; i < a->actor_count; i++) {
        assert_true(hr_str_eq(a->actors[i].name, b->actors[i].name));
        assert_int_equal(a->actors[i].links, b->actors[i].links);
        assert_int_equal(a->actors[i].subscription_count, b->actors[i].subscription_count);
    }
}

/* A key that is left out has the value that the built-in manifest writes: also all of them at once, in
 * each way in which a file can say nothing. */
static void manifest_keys_default_to_the_built_in(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "# nothing\n", "---\n", "{}", "~", "---\n...\n"};
    struct hr_manifest *built_in = NULL;
    assert_int_equal(hr_manifest_load(NULL, NULL, &built_in, &report), HR_OK);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct hr_manifest *m = parse_good(empty[i], NULL);
        assert_same(m, built_in);
        hr_manifest_free(m);
    }
    hr_manifest_free(built_in);
}

static const char everything[] =
    "lattice: prod-1\n"
    "site: aws\n"
    "site-id: 65535\n"
    "http: :8443\n"
    "admin: \"[::1]:0\"\n"
    "store: redis://user:secret@red_is.example.com:6379/15\n"
    "durability: lazy\n"
    "nats: [nats://a:4222, 'tls://[::1]:4223', nats://c]\n"
    "sites: [gcp, aws=65535]\n"
    "workers: 256\n"
    "log: trace\n"
    "actors:\n"
    "  ui:\n"
    "    digest: sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
    "    limits: {memory: 64KiB, cpu: 1ms, wall: 1h, concurrent: 1, queue: 0, body: 1B}\n"
    "    links:\n"
    "      http:\n"
    "      messaging: {publish: [a.*, b.>], subscribe: [plain, {subject: s.>, queue: q.1}]}\n"
    "      keyvalue: {buckets: [one, two], store: lmdb:/var/x}\n"
    "      commit: ~\n"
    "      config: {values: {name: 'a value', number: 12, empty: \"\", long: \"a\\nb\"}}\n"
    "      gather: {publish: [\"g.>\"]}\n"
    "      cli: null\n"
    "      assets: {actor: ui}\n"
    "  kv: {limits: {memory: 4GiB, body: 256MiB, wall: 90s, cpu: 2m}}\n"
    "  todo: {limits: {memory: 64MB, body: 5kB}, links: {keyvalue: {}}}\n";

/* Every key, in each form that it may have, at the ends of its range. */
static void manifest_reads_every_key(void **state)
{
    (void)state;
    struct hr_manifest *m = parse_good(everything, NULL);
    assert_str(m->lattice, "prod-1");
    assert_str(m->site, "aws");
    assert_int_equal(m->site_id, 65535);
    assert_str(m->http, ":8443");
    assert_str(m->admin, "[::1]:0");
    assert_str(m->store, "redis://user:secret@red_is.example.com:6379/15");
    assert_int_equal(m->durability, HR_KV_LAZY);
    assert_list(m->nats, "nats://a:4222 tls://[::1]:4223 nats://c");
    assert_int_equal(m->site_count, 2);
    assert_str(m->sites[0].name, "gcp");
    assert_str(m->sites[1].name, "aws");
    assert_int_equal(m->sites[1].id, 65535);
    assert_int_equal(m->workers, 256);
    assert_int_equal(m->log, HR_LOG_TRACE);
    assert_int_equal(m->actor_count, 3);

    const struct hr_manifest_actor *ui = &m->actors[0];
    assert_true(ui->has_digest);
    assert_int_equal(ui->digest[0], 0x00);
    assert_int_equal(ui->digest[1], 0x11);
    assert_int_equal(ui->digest[31], 0xff);
    assert_int_equal(ui->limits.memory_bytes, 65536);
    assert_int_equal(ui->limits.cpu_ms, 1);
    assert_int_equal(ui->limits.wall_ms, 3600000);
    assert_int_equal(ui->limits.concurrent, 1);
    assert_int_equal(ui->limits.queue, 0);
    assert_int_equal(ui->limits.body_bytes, 1);
    assert_list(ui->routes, "/");
    assert_list(ui->publish, "a.* b.>");
    assert_int_equal(ui->subscription_count, 2);
    assert_str(ui->subscriptions[0].subject, "plain");
    assert_str(ui->subscriptions[0].queue, "");
    assert_str(ui->subscriptions[1].subject, "s.>");
    assert_str(ui->subscriptions[1].queue, "q.1");
    assert_list(ui->buckets, "one two");
    assert_str(ui->store, "lmdb:/var/x");
    assert_int_equal(ui->value_count, 4);
    assert_str(ui->values[0].key, "name");
    assert_str(ui->values[0].value, "a value");
    assert_str(ui->values[1].value, "12");
    assert_str(ui->values[2].value, "");
    assert_str(ui->values[3].value, "a\nb");
    assert_list(ui->gather, "g.>");
    assert_str(ui->assets, "ui");
    assert_int_equal(ui->links, LINKS(HR_LINK_HTTP, HR_LINK_MESSAGING) |
                                    LINKS(HR_LINK_KEYVALUE, HR_LINK_COMMIT) |
                                    LINKS(HR_LINK_CONFIG, HR_LINK_GATHER) |
                                    LINKS(HR_LINK_CLI, HR_LINK_ASSETS));

    assert_int_equal(m->actors[1].limits.memory_bytes, 4ull << 30);
    assert_int_equal(m->actors[1].limits.body_bytes, 256u << 20);
    assert_int_equal(m->actors[1].limits.wall_ms, 90000);
    assert_int_equal(m->actors[1].limits.cpu_ms, 120000);
    assert_int_equal(m->actors[2].limits.memory_bytes, 64000000);
    assert_int_equal(m->actors[2].limits.body_bytes, 5000);
    assert_str(m->actors[2].store, "redis://user:secret@red_is.example.com:6379/15");
    assert_list(m->actors[2].buckets, "default");
    hr_manifest_free(m);
}

/* Limits that are left out are those of the reference table. */
static void manifest_limits_have_defaults(void **state)
{
    (void)state;
    struct hr_manifest *m = parse_good("actors: {ui: }", NULL);
    const struct hr_manifest_limits *limits = &m->actors[0].limits;
    assert_int_equal(limits->memory_bytes, 64u << 20);
    assert_int_equal(limits->cpu_ms, 1000);
    assert_int_equal(limits->wall_ms, 30000);
    assert_int_equal(limits->concurrent, 1000);
    assert_int_equal(limits->queue, 1000);
    assert_int_equal(limits->body_bytes, 8u << 20);
    assert_str(m->actors[0].store, "");
    hr_manifest_free(m);
}

/* Each of these settings is taken as it is written. */
static void manifest_takes_each_form_of_a_setting(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http: 0.0.0.0:65535",
        "http: localhost:8080",
        "http: \"[2001:db8::1]:80\"",
        "admin: none",
        "http: :0\nadmin: :0",
        "http: 127.0.0.1:1\nadmin: 127.0.0.2:1",
        "store: lmdb:data",
        "store: \"lmdb:/a b/c\"",
        "store: redis://h",
        "store: rediss://h/",
        "store: redis://:pw@h",
        "store: redis://[::1]:1/0",
        "store: redis://h?answer-ms=500",
        "store: redis://user:p%40ss@h:1/2?answer-ms=500&reconnect-ms=50",
        "workers: \"4\"",
        "site: 0-9",
        "site: no",
        "nats: []",
        "log: critical",
        /* Actor-to-actor calls in a circle. */
        "actors: {ui: {links: {assets: {actor: kv}}}, kv: {links: {assets: {actor: ui}}}}",
        "actors: {ui: {links: {http: {routes: [/, /api/, /a%20b]}}}}",
        "actors: {ui: {links: {http: {routes: []}}}}",
        "actors: {ui: {links: {messaging: {subscribe: [{subject: a, batch: 64}, {subject: a, "
        "queue: q}]}}}}",
        "\xef\xbb\xbfsite: with-a-byte-order-mark\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        print_message("%s\n", good[i]);
        hr_manifest_free(parse_good(good[i], NULL));
    }
}

/* Every variable overrides its key, and says nothing about the others. */
static void manifest_variables_override_the_file(void **state)
{
    (void)state;
    static const char *const environment[] = {
        "HOME=/root",
        "HEDGEROW_LATTICE=l",
        "HEDGEROW_SITE=s",
        "HEDGEROW_SITE_ID=7",
        "HEDGEROW_HTTP=127.0.0.1:1",
        "HEDGEROW_ADMIN=none",
        "HEDGEROW_STORE=lmdb:here",
        "HEDGEROW_DURABILITY=sync",
        "HEDGEROW_NATS= nats://x:1 ,tls://y",
        "HEDGEROW_SITES=s=7 , t=8",
        "HEDGEROW_WORKERS=3",
        "HEDGEROW_LOG=error",
        "HEDGEROW_TEST_ANYTHING=1",
        NULL,
    };
    struct hr_manifest *m = parse_good(everything, environment);
    assert_int_equal(report.warning_count, 0);
    assert_str(m->lattice, "l");
    assert_str(m->site, "s");
    assert_int_equal(m->site_id, 7);
    assert_str(m->http, "127.0.0.1:1");
    assert_str(m->admin, "");
    assert_str(m->store, "lmdb:here");
    assert_str(m->actors[2].store, "lmdb:here"); /* what has none of its own follows */
    assert_str(m->actors[0].store, "lmdb:/var/x");
    assert_int_equal(m->durability, HR_KV_SYNC);
    assert_list(m->nats, "nats://x:1 tls://y");
    assert_int_equal(m->site_count, 2);
    assert_str(m->sites[1].name, "t");
    assert_int_equal(m->sites[1].id, 8);
    assert_int_equal(m->workers, 3);
    assert_int_equal(m->log, HR_LOG_ERROR);
    hr_manifest_free(m);
}

/* An empty HEDGEROW_NATS takes the file's servers away. */
static void manifest_empty_nats_variable_means_none(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_NATS=", NULL};
    struct hr_manifest *m = parse_good("nats: [nats://a]", environment);
    assert_int_equal(m->nats.count, 0);
    hr_manifest_free(m);
}

/* A variable that nobody knows is ignored with a warning, with what was probably meant. */
static void manifest_warns_of_unknown_variables(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_HTPP=x", "HEDGEROW_SIET", "HEDGEROWX=1",
                                              "HEDGEROW_=", NULL};
    hr_manifest_free(parse_good("", environment));
    assert_int_equal(report.warning_count, 3);
    assert_string_equal(
        report.warnings[0].text,
        "variable HEDGEROW_HTPP is unknown and ignored; did you mean `HEDGEROW_HTTP`?");
    assert_string_equal(
        report.warnings[1].text,
        "variable HEDGEROW_SIET is unknown and ignored; did you mean `HEDGEROW_SITE`?");
    assert_non_null(strstr(report.warnings[2].text, "known are HEDGEROW_LATTICE, HEDGEROW_SITE,"));
}

/* A module that is not the one of the digest is refused, with both digests; without one all are fine. */
static void manifest_digest_refuses_another_module(void **state)
{
    (void)state;
    /* FIPS 180-4's example: SHA-256 of "abc". */
    struct hr_manifest *m = parse_good(
        "actors:\n  ui: {digest: "
        "'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'}\n  kv: {}\n",
        NULL);
    struct hr_diag diag = {0};
    assert_int_equal(hr_manifest_check_digest(&m->actors[0], HR_STR("abc"), &diag), HR_OK);
    assert_int_equal(hr_manifest_check_digest(&m->actors[0], HR_STR("abd"), &diag), HR_DENIED);
    assert_string_equal(
        diag.text,
        "its module has the digest "
        "sha256:a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9, the manifest "
        "wants sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(hr_manifest_check_digest(&m->actors[1], HR_STR("abd"), &diag), HR_OK);
    hr_manifest_free(m);
}

/* Whichever allocation fails: HR_NO_MEMORY, a report that says so, nothing left behind. */
static void manifest_survives_lack_of_memory(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_SITE=s", "HEDGEROW_SITES=s=65535,t", NULL};
    struct hr_manifest *m = NULL;
    enum hr_err err;
    int64_t countdown = 0;
    do {
        hr_alloc_fail_after(countdown++);
        err = parse(everything, environment, &m);
        hr_alloc_fail_after(-1);
        if (err) {
            assert_int_equal(err, HR_NO_MEMORY);
            assert_int_equal(hr_alloc_live(), 0);
            assert_string_equal(report.problems[report.problem_count - 1].text,
                                "m.yaml: out of memory");
        }
    } while (err);
    assert_true(countdown > 4);
    hr_manifest_free(m);
    hr_manifest_free(NULL);
    assert_int_equal(hr_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_built_in_is_the_todo_application),
        cmocka_unit_test(manifest_keys_default_to_the_built_in),
        cmocka_unit_test(manifest_reads_every_key),
        cmocka_unit_test(manifest_limits_have_defaults),
        cmocka_unit_test(manifest_takes_each_form_of_a_setting),
        cmocka_unit_test(manifest_variables_override_the_file),
        cmocka_unit_test(manifest_empty_nats_variable_means_none),
        cmocka_unit_test(manifest_warns_of_unknown_variables),
        cmocka_unit_test(manifest_digest_refuses_another_module),
        cmocka_unit_test(manifest_survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
