/* links: hr_manifest
 * Manifests that are wrong: what is said of them, word for word, because the words are what a person
 * has to go by. */
#include "manifest_fixture.h"

#define ACTOR(rest) "actors:\n  ui:\n    " rest "\n"
#define LINK(rest) "actors:\n  ui:\n    links:\n      " rest "\n"

struct bad {
    const char *text;
    const char *problem; /* all of the first one */
};

static void check_all(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hr_manifest *m = NULL;
        print_message("%s\n", rows[i].text);
        assert_int_equal(parse(rows[i].text, NULL, &m), HR_BAD_INPUT);
        assert_null(m);
        assert_int_equal(report.problem_count, 1);
        assert_string_equal(report.problems[0].text, rows[i].problem);
    }
    assert_int_equal(hr_alloc_live(), 0);
}

/* Text that is no YAML, or more of YAML than a manifest takes, is refused where it goes wrong. */
static void manifest_refuses_bad_yaml(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"site: [a", "m.yaml:2:1: not YAML: did not find expected ',' or ']', while parsing a flow "
                     "sequence"},
        {"a: b: c", "m.yaml:1:5: not YAML: mapping values are not allowed in this context"},
        {"\tsite: a", "m.yaml:1:1: not YAML: found character that cannot start any token, while "
                      "scanning for the next token"},
        {"site: a\nhttp: \xff", "m.yaml:2:7: not UTF-8 text: invalid leading UTF-8 octet"},
        {"site: \x01", "m.yaml:1:7: not UTF-8 text: control characters are not allowed"},
        {"site: &a x", "m.yaml:1:7: anchors are not supported: write the value out"},
        {"actors: &a {}", "m.yaml:1:9: anchors are not supported: write the value out"},
        {"nats: &a []", "m.yaml:1:7: anchors are not supported: write the value out"},
        {"site: *a", "m.yaml:1:7: aliases are not supported: write the value out"},
        {"site: !!str a", "m.yaml:1:7: tags are not supported: write the value without"},
        {"site: !x a", "m.yaml:1:7: tags are not supported: write the value without"},
        {"site: a\n---\nsite: b", "m.yaml:2:1: a manifest is one document, this is a second"},
        {"%YAML 1.1\n---\nsite: a", "m.yaml:1:1: a line must not begin with %: directives are not "
                                    "supported (text can be indented)"},
        {"site: a\n...\n%TAG !a! b\n", "m.yaml:3:1: a line must not begin with %: directives are "
                                       "not supported (text can be indented)"},
        {"# \xe2\x80\xa8%TAG !a! b\n", "m.yaml:1:1: a line must not begin with %: directives are "
                                       "not supported (text can be indented)"},
        {"{a: b}: c", "m.yaml:1:1: a key must be a word, not a list or a mapping"},
        {"? [a]\n: b", "m.yaml:1:3: a key must be a word, not a list or a mapping"},
        {"\"\": b", "m.yaml:1:1: a key must have 1 to 64 bytes"},
        {"site: a\nlog: info\nsite: b",
         "m.yaml:3:1: site: this key is there twice; first at line 1"},
        {"[a]", "m.yaml:1:1: must be a mapping (`key: value`), is a list"},
        {"word", "m.yaml:1:1: must be a mapping (`key: value`), is a single value"},
        {"site: [[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]", "m.yaml:1:22: nested too deeply"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Misspelt keys get a suggestion, strange ones a list of those that are known. */
static void manifest_refuses_unknown_keys(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"stie: a", "m.yaml:1:1: stie: unknown key; did you mean `site`?"},
        {"site_id: 1", "m.yaml:1:1: site_id: unknown key; did you mean `site-id`?"},
        {"frobnicate: 1", "m.yaml:1:1: frobnicate: unknown key; known are lattice, site, site-id, "
                          "host, http, admin, store, durability, nats, nats-creds, nats-nkey, "
                          "nats-ca, nats-cert, nats-key, sites, write-acks, hedge, workers, log, "
                          "actors"},
        {"\"a\\nb\\0\\x7f\": 1",
         "m.yaml:1:1: a?b??: unknown key; known are lattice, site, site-id, host, http, admin, "
         "store, durability, nats, nats-creds, nats-nkey, nats-ca, nats-cert, nats-key, "
         "sites, write-acks, hedge, workers, log, actors"},
        {ACTOR("limit: {}"), "m.yaml:3:5: actors.ui.limit: unknown key; did you mean `limits`?"},
        {ACTOR("limits: {memroy: 1MiB}"),
         "m.yaml:3:14: actors.ui.limits.memroy: unknown key; did you mean `memory`?"},
        {LINK("mesaging: {}"),
         "m.yaml:4:7: actors.ui.links.mesaging: unknown key; did you mean `messaging`?"},
        {LINK("sockets: {}"),
         "m.yaml:4:7: actors.ui.links.sockets: unknown key; known are http, messaging, keyvalue, "
         "commit, config, logging, clocks, random, cli, gather, lattice, assets"},
        {LINK("random: {seed: 4}"),
         "m.yaml:4:16: actors.ui.links.random.seed: unknown key; this takes no keys: `{}`"},
        {LINK("gather: {subscribe: []}"),
         "m.yaml:4:16: actors.ui.links.gather.subscribe: unknown key; known is publish"},
        {LINK("messaging: {subscribe: [{subjekt: a, subject: a}]}"),
         "m.yaml:4:32: actors.ui.links.messaging.subscribe[1].subjekt: unknown key; did you mean "
         "`subject`?"},
        {"<<: {site: a}", "m.yaml:1:1: <<: unknown key; known are lattice, site, site-id, host, "
                          "http, admin, store, durability, nats, nats-creds, nats-nkey, nats-ca, "
                          "nats-cert, nats-key, sites, write-acks, hedge, workers, log, actors"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* A value of the wrong shape is told what it should be and what it is. */
static void manifest_refuses_wrong_shapes(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"site: [a]", "m.yaml:1:1: site: must be a single value, is a list"},
        {"site: {a: b}", "m.yaml:1:1: site: must be a single value, is a mapping"},
        {"site:", "m.yaml:1:1: site: must be a single value, is empty"},
        {"nats: nats://a", "m.yaml:1:1: nats: must be a list (`[a, b]`), is a single value"},
        {"nats: [[a]]", "m.yaml:1:8: nats[1]: must be a single value, is a list"},
        {"actors: [ui]", "m.yaml:1:1: actors: must be a mapping (`key: value`), is a list"},
        {"actors: {}", "m.yaml:1:1: actors: 0 actors; a manifest has 1 to 64, or leaves this key "
                       "out for the TODO application's"},
        {"actors: {ui: 5}",
         "m.yaml:1:10: actors.ui: must be a mapping (`key: value`), is a single value"},
        {ACTOR("limits: 5"),
         "m.yaml:3:5: actors.ui.limits: must be a mapping (`key: value`), is a single value"},
        {ACTOR("links: [http]"),
         "m.yaml:3:5: actors.ui.links: must be a mapping (`key: value`), is a list"},
        {LINK("http: {routes: /}"),
         "m.yaml:4:14: actors.ui.links.http.routes: must be a list (`[a, b]`), is a single value"},
        {LINK("config: {values: {a: [b]}}"),
         "m.yaml:4:25: actors.ui.links.config.values.a: must be a single value, is a list"},
        {"site: \"a\\0b\"", "m.yaml:1:1: site: must not hold a NUL byte"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Settings of the site, each with a value that is none. */
static void manifest_refuses_bad_settings(void **state)
{
    (void)state;
#define NOT_NAME " is not a name: 1 to 32 of the characters a-z, 0-9 and -"
#define NOT_ADDRESS                                                                    \
    " is not an address to listen on: 127.0.0.1:8080, [::1]:8080, or :8080 for every " \
    "interface"
#define NOT_STORE " is not a store's URL: lmdb:<folder> or redis://<host>:<port>/<database>"
#define NOT_NATS " is not a NATS server's URL, as in nats://10.0.0.1:4222"
    static const struct bad rows[] = {
        {"site: AWS", "m.yaml:1:1: site: `AWS`" NOT_NAME},
        {"site: ''", "m.yaml:1:1: site: ``" NOT_NAME},
        {"lattice: abcdefghijklmnopqrstuvwxyz0123456",
         "m.yaml:1:1: lattice: `abcdefghijklmnopqrstuvwxyz0123456`" NOT_NAME},
        {"site-id: 0", "m.yaml:1:1: site-id: `0` is not a whole number from 1 to 65535"},
        {"site-id: 65536", "m.yaml:1:1: site-id: `65536` is not a whole number from 1 to 65535"},
        {"site-id: -1", "m.yaml:1:1: site-id: `-1` is not a whole number from 1 to 65535"},
        {"workers: 257", "m.yaml:1:1: workers: `257` is not a whole number from 0 to 256"},
        {"workers: two", "m.yaml:1:1: workers: `two` is not a whole number from 0 to 256"},
        {"log: inof", "m.yaml:1:1: log: `inof` is unknown; did you mean `info`?"},
        {"log: loud", "m.yaml:1:1: log: `loud` is unknown; known are trace, debug, info, warn, "
                      "error, critical"},
        {"durability: none", "m.yaml:1:1: durability: `none` is unknown; known are sync, lazy"},
        {"http: 8080", "m.yaml:1:1: http: `8080`" NOT_ADDRESS},
        {"http: 127.0.0.1", "m.yaml:1:1: http: `127.0.0.1`" NOT_ADDRESS},
        {"http: 127.0.0.1:65536", "m.yaml:1:1: http: `127.0.0.1:65536`" NOT_ADDRESS},
        {"http: 127.0.0.256:80", "m.yaml:1:1: http: `127.0.0.256:80`" NOT_ADDRESS},
        {"http: example.com:80", "m.yaml:1:1: http: `example.com:80`" NOT_ADDRESS},
        {"http: '::1:80'", "m.yaml:1:1: http: `::1:80`" NOT_ADDRESS},
        {"http: '[::1]'", "m.yaml:1:1: http: `[::1]`" NOT_ADDRESS},
        {"http: none", "m.yaml:1:1: http: `none`" NOT_ADDRESS},
        {"http: :9090", "m.yaml:1:1: http and admin are the same address, :9090 and "
                        "127.0.0.1:9090"},
        {"http: [::1]:80", "m.yaml:1:8: not YAML: did not find expected node content, while "
                           "parsing a flow node"},
        {"store: data", "m.yaml:1:1: store: `data`" NOT_STORE},
        {"store: 'lmdb:'", "m.yaml:1:1: store: `lmdb:` is not a store's URL: lmdb: needs a folder, "
                           "as in lmdb:./data"},
        {"store: redis://", "m.yaml:1:1: store: `redis://`" NOT_STORE},
        {"store: redis://h:0", "m.yaml:1:1: store: `redis://h:0`" NOT_STORE},
        {"store: redis://h:99999", "m.yaml:1:1: store: `redis://h:99999`" NOT_STORE},
        {"store: redis://h/x", "m.yaml:1:1: store: `redis://h/x`" NOT_STORE},
        {"store: 'redis://h?a b'", "m.yaml:1:1: store: `redis://h?a b`" NOT_STORE},
        {"store: redis://?a=b", "m.yaml:1:1: store: `redis://?a=b`" NOT_STORE},
        {"store: 'redis://h h'", "m.yaml:1:1: store: `redis://h h`" NOT_STORE},
        {"store: redis://user:secret@h:x", "m.yaml:1:1: store: `redis://***@h:x`" NOT_STORE},
        {"nats: [http://a]", "m.yaml:1:8: nats[1]: `http://a`" NOT_NATS},
        {"nats: [nats://a, nats://a/b]", "m.yaml:1:18: nats[2]: `nats://a/b`" NOT_NATS},
        {"nats: [nats://u:p@]", "m.yaml:1:8: nats[1]: `nats://***@`" NOT_NATS},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Actors, their limits and their links, each with something that cannot be. */
static void manifest_refuses_bad_actors(void **state)
{
    (void)state;
#define IN_RANGE(low, high) " is out of range: " low " to " high
#define NOT_SIZE                                                                             \
    " is not a size in B, KiB, MiB or GiB (or kB, MB, GB): a whole number and its unit, as " \
    "in 64MiB"
#define NOT_TIME " is not a duration in ms, s, m or h: a whole number and its unit, as in 30s"
#define NOT_SUBJECT \
    " is not a subject: words between dots, `*` for any one, `>` at the end for any rest"
#define AT "m.yaml:3:14: actors.ui.limits."
#define AT_LINK(column) "m.yaml:4:" column ": actors.ui.links."
    static const struct bad rows[] = {
        {"actors: {UI: {}}", "m.yaml:1:10: actors.UI: `UI`" NOT_NAME},
        {"actors: {other: {}}",
         "m.yaml:1:10: actors.other: no actor of this name is built in (todo, ui, kv are): say "
         "which module it is by `file: <path>`"},
        {ACTOR("digest: abc"),
         "m.yaml:3:5: actors.ui.digest: not a digest: sha256: and 64 digits of 0-9 and a-f, as "
         "`sha256sum` prints them"},
        {ACTOR("limits: {memory: 64}"), AT "memory: `64`" NOT_SIZE},
        {ACTOR("limits: {memory: 64mib}"), AT "memory: `64mib`" NOT_SIZE},
        {ACTOR("limits: {memory: 1.5MiB}"), AT "memory: `1.5MiB`" NOT_SIZE},
        {ACTOR("limits: {memory: 64 MiB}"), AT "memory: `64 MiB`" NOT_SIZE},
        {ACTOR("limits: {memory: 99999999999999GiB}"), AT "memory: `99999999999999GiB`" NOT_SIZE},
        {ACTOR("limits: {memory: 65535B}"), AT "memory: `65535B`" IN_RANGE("64KiB", "4GiB")},
        {ACTOR("limits: {memory: 5GiB}"), AT "memory: `5GiB`" IN_RANGE("64KiB", "4GiB")},
        {ACTOR("limits: {body: 0B}"), AT "body: `0B`" IN_RANGE("1B", "256MiB")},
        {ACTOR("limits: {cpu: 1}"), AT "cpu: `1`" NOT_TIME},
        {ACTOR("limits: {cpu: 0s}"), AT "cpu: `0s`" IN_RANGE("1ms", "1h")},
        {ACTOR("limits: {wall: 61m}"), AT "wall: `61m`" IN_RANGE("1ms", "1h")},
        {ACTOR("limits: {concurrent: 0}"),
         AT "concurrent: `0` is not a whole number from 1 to 10000"},
        {ACTOR("limits: {queue: 1000001}"),
         AT "queue: `1000001` is not a whole number from 0 to 1000000"},
        {LINK("http: {routes: [api]}"),
         AT_LINK("23") "http.routes[1]: `api` is not a route: the beginning of a path, as in / or "
                       "/api/"},
        {LINK("http: {routes: [/a?b]}"),
         AT_LINK("23") "http.routes[1]: `/a?b` is not a route: the beginning of a path, as in / or "
                       "/api/"},
        {LINK("http: {routes: [/, /]}"), AT_LINK("26") "http.routes[2]: is in the list twice"},
        {LINK("messaging: {publish: [a..b]}"),
         AT_LINK("29") "messaging.publish[1]: `a..b`" NOT_SUBJECT},
        {LINK("messaging: {publish: [a.>.b]}"),
         AT_LINK("29") "messaging.publish[1]: `a.>.b`" NOT_SUBJECT},
        {LINK("gather: {publish: ['a b']}"), AT_LINK("26") "gather.publish[1]: `a b`" NOT_SUBJECT},
        {LINK("messaging: {subscribe: [a.]}"),
         AT_LINK("31") "messaging.subscribe[1]: `a.`" NOT_SUBJECT},
        {LINK("messaging: {subscribe: [{queue: q}]}"),
         AT_LINK("31") "messaging.subscribe[1]: needs a subject: {subject: a.b, queue: q}"},
        {LINK("messaging: {subscribe: [{subject: a, queue: 'q q'}]}"),
         AT_LINK("44") "messaging.subscribe[1].queue: `q q` is not a queue group's name: 1 to 64 "
                       "bytes without spaces"},
        {LINK("messaging: {subscribe: [{subject: a, ordered: false}]}"),
         AT_LINK("44") "messaging.subscribe[1].ordered: goes with `batch`: calls of one "
                       "message have no order"},
        {LINK("messaging: {subscribe: [{subject: a, batch: 65}]}"),
         AT_LINK("44") "messaging.subscribe[1].batch: `65` is not a whole number from 1 to 64"},
        {LINK("messaging: {subscribe: [a, {subject: a}]}"),
         AT_LINK("34") "messaging.subscribe[2]: the same subject and queue are there twice"},
        {LINK("keyvalue: {buckets: ['']}"),
         AT_LINK("28") "keyvalue.buckets[1]: `` is not a bucket's name: 1 to 64 bytes without "
                       "spaces"},
        {LINK("keyvalue: {store: x}"), AT_LINK("18") "keyvalue.store: `x`" NOT_STORE},
        {LINK("keyvalue: {store: 'lmdb:x', config: aws.json}"),
         AT_LINK("35") "keyvalue.config: give the store's URL by `store` or by `config`, not by "
                       "both"},
        {LINK("commit: {}"), AT_LINK("7") "commit: works on the store of a keyvalue link: add "
                                          "`keyvalue: {}` beside it"},
        {LINK("assets: {}"), AT_LINK("7") "assets: needs the actor to call: {actor: ui}"},
        {LINK("assets: {actor: web}"),
         AT_LINK("16") "assets.actor: there is no actor `web` under actors"},
        {"actors:\n  ui: {links: {http: {routes: [/a, /b]}}}\n"
         "  kv: {links: {http: {routes: [/b]}}}\n",
         "m.yaml:3:16: actors.kv.links.http: the route `/b` is served by actor ui already"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* A variable's value is checked like the file's, and named when it is wrong. */
static void manifest_refuses_bad_variables(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *problem;
    } rows[] = {
        {"HEDGEROW_HTTP=8080", "variable HEDGEROW_HTTP: `8080`" NOT_ADDRESS},
        {"HEDGEROW_HTTP=", "variable HEDGEROW_HTTP: ``" NOT_ADDRESS},
        {"HEDGEROW_SITE=A\nB", "variable HEDGEROW_SITE: `A?B`" NOT_NAME},
        {"HEDGEROW_SITE=\xff\xfe", "variable HEDGEROW_SITE: `??`" NOT_NAME},
        {"HEDGEROW_SITE_ID=x",
         "variable HEDGEROW_SITE_ID: `x` is not a whole number from 1 to 65535"},
        {"HEDGEROW_NATS=nats://a,,nats://b", "variable HEDGEROW_NATS: ``" NOT_NATS},
        {"HEDGEROW_NATS=nats://a;nats://b", "variable HEDGEROW_NATS: `nats://a;nats://b`" NOT_NATS},
        {"HEDGEROW_STORE=x", "variable HEDGEROW_STORE: `x`" NOT_STORE},
        {"HEDGEROW_DURABILITY=synk",
         "variable HEDGEROW_DURABILITY: `synk` is unknown; did you mean `sync`?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const environment[] = {rows[i].variable, NULL};
        struct hr_manifest *m = NULL;
        assert_int_equal(parse("", environment, &m), HR_BAD_INPUT);
        assert_int_equal(report.problem_count, 1);
        assert_string_equal(report.problems[0].text, rows[i].problem);
    }
}

/* One run tells all problems, in the order of reading, and a mistake that a variable hides too. */
static void manifest_reports_all_problems_at_once(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_LOG=info", NULL};
    struct hr_manifest *m = NULL;
    assert_int_equal(
        parse("site: A\nlog: [x]\nwokers: 1\nactors:\n  ui: {limits: {cpu: 1}}\n", environment, &m),
        HR_BAD_INPUT);
    assert_int_equal(report.problem_count, 4);
    assert_non_null(strstr(report.problems[0].text, "wokers"));
    assert_non_null(strstr(report.problems[1].text, "site"));
    assert_non_null(strstr(report.problems[2].text, "log"));
    assert_non_null(strstr(report.problems[3].text, "cpu"));
}

/* The report is bounded; what does not fit is counted. */
static void manifest_report_is_bounded(void **state)
{
    (void)state;
    char text[1024] = "";
    struct hr_manifest *m = NULL;
    for (int i = 0; i < 25; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "key%d: x\n", i);
    }
    assert_int_equal(parse(text, NULL, &m), HR_BAD_INPUT);
    assert_int_equal(report.problem_count, HR_MANIFEST_PROBLEMS_MAX);
    assert_int_equal(report.problems_left_out, 5);
}

static char *repeat(const char *before, const char *piece, size_t count, const char *after)
{
    size_t len = strlen(piece);
    char *text = malloc(strlen(before) + count * (len + 8) + strlen(after) + 1);
    assert_non_null(text);
    char *at = text + sprintf(text, "%s", before);
    for (size_t i = 0; i < count; i++) {
        at += sprintf(at, piece, i);
    }
    strcpy(at, after);
    return text;
}

/* Sizes, numbers of keys, values, entries and actors are bounded. */
static void manifest_bounds_what_it_reads(void **state)
{
    (void)state;
    const struct {
        char *text;
        enum hr_err err;
        const char *problem;
    } rows[] = {
        {repeat("#", "%02zu--------------", HR_MANIFEST_BYTES_MAX / 16, "\n"), HR_TOO_BIG,
         "m.yaml: is larger than 1048576 bytes"},
        {repeat("actors:\n", "  a%zu: {}\n", 1100, ""), HR_BAD_INPUT,
         "m.yaml:1026:3: actors.a1024: too many keys; the limit is 1024"},
        {repeat("nats: [", "a,", 40000, "]"), HR_BAD_INPUT, "m.yaml:1:65540: too many values"},
        {repeat("nats: [", "nats://h%zu,", 17, "]"), HR_BAD_INPUT,
         "m.yaml:1:1: nats: has 17 entries; the limit is 16"},
        {repeat("actors:\n", "  a%zu: {}\n", 65, ""), HR_BAD_INPUT,
         "m.yaml:1:1: actors: 65 actors; a manifest has 1 to 64, or leaves this key out for the "
         "TODO application's"},
        {repeat("actors: {ui: {links: {http: {routes: [", "/%zu,", 65, "]}}}}"), HR_BAD_INPUT,
         "m.yaml:1:30: actors.ui.links.http.routes: has 65 entries; the limit is 64"},
        {repeat("actors: {ui: {links: {gather: {publish: [", "a%zu,", 257, "]}}}}"), HR_BAD_INPUT,
         "m.yaml:1:32: actors.ui.links.gather.publish: has 257 entries; the limit is 256"},
        {repeat("actors: {ui: {links: {config: {values: {", "a%zu: b,", 257, "}}}}}"), HR_BAD_INPUT,
         "m.yaml:1:32: actors.ui.links.config.values: has 257 values; the limit is 256"},
        {repeat("actors: {ui: {links: {config: {values: {a: '", "%04zu", 16385, "'}}}}}"),
         HR_BAD_INPUT, "m.yaml:1:41: actors.ui.links.config.values.a: is longer than 65536 bytes"},
        {repeat("", "%zu: a\n", 0,
                "012345678901234567890123456789012345678901234567890123456789"
                "01234: a\n"),
         HR_BAD_INPUT, "m.yaml:1:1: a key must have 1 to 64 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_manifest *m = NULL;
        enum hr_err err = parse(rows[i].text, NULL, &m);
        assert_int_equal(err, rows[i].err);
        assert_string_equal(report.problems[0].text, rows[i].problem);
        free(rows[i].text);
    }
    char *routes = repeat("actors:\n  ui: {links: {http: {routes: [", "/%zu,", 64,
                          "]}}}\n  kv: {links: {http: {routes: [/x]}}}\n");
    struct hr_manifest *m = NULL;
    assert_int_equal(parse(routes, NULL, &m), HR_BAD_INPUT);
    assert_string_equal(report.problems[0].text,
                        "m.yaml:3:16: actors.kv.links.http: more than 64 routes in all");
    free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_refuses_bad_yaml),
        cmocka_unit_test(manifest_refuses_unknown_keys),
        cmocka_unit_test(manifest_refuses_wrong_shapes),
        cmocka_unit_test(manifest_refuses_bad_settings),
        cmocka_unit_test(manifest_refuses_bad_actors),
        cmocka_unit_test(manifest_refuses_bad_variables),
        cmocka_unit_test(manifest_reports_all_problems_at_once),
        cmocka_unit_test(manifest_report_is_bounded),
        cmocka_unit_test(manifest_bounds_what_it_reads),
    };
    return cmocka_run_group_tests_name("manifest_bad", tests, NULL, NULL);
}
