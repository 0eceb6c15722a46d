/* links: hr_manifest */
#include "manifest_fixture.h"

/* The settings of a lattice: from the file, and from variables over them. */
static void manifest_reads_the_lattice(void **state)
{
    (void)state;
    static const char *const environment[] = {"HEDGEROW_HOST=h-2", "HEDGEROW_WRITE_ACKS=majority",
                                              "HEDGEROW_HEDGE=off", NULL};
    static const char text[] = "host: h-1\nwrite-acks: 3\nhedge: true\n";
    struct hr_manifest *m = parse_good(text, NULL);
    assert_str(m->host, "h-1");
    assert_str(m->write_acks, "3");
    assert_true(m->hedge);
    hr_manifest_free(m);
    m = parse_good(text, environment);
    assert_str(m->host, "h-2");
    assert_str(m->write_acks, "majority");
    assert_false(m->hedge);
    hr_manifest_free(m);
}

/* A messaging link says which requests may be asked of two, which may be repeated, and what the host itself
 * is to deliver. */
static void manifest_reads_what_messaging_says(void **state)
{
    (void)state;
    struct hr_manifest *m =
        parse_good("actors: {kv: {links: {messaging: {publish: [a.>], safe: [a.b, a.c.>], "
                   "idempotent: [a.d], subscribe: [{subject: 'x.${site}', queue: '${site}', echo: "
                   "false}, {subject: t, every: 2s}]}}}}",
                   NULL);
    const struct hr_manifest_actor *actor = &m->actors[0];
    assert_list(actor->safe, "a.b a.c.>");
    assert_list(actor->idempotent, "a.d");
    assert_int_equal(actor->subscription_count, 2);
    assert_true(actor->subscriptions[0].no_echo);
    assert_int_equal(actor->subscriptions[0].every_ms, 0);
    assert_int_equal(actor->subscriptions[1].every_ms, 2000);
    assert_false(actor->subscriptions[1].no_echo);
    hr_manifest_free(m);
}

/* An actor may call one of another host, but only where there is a lattice to find it in. */
static void manifest_allows_actors_of_other_hosts_on_a_lattice(void **state)
{
    (void)state;
    static const char alone[] = "actors: {todo: {links: {assets: {actor: ui}}}}";
    struct hr_manifest *m = NULL;
    assert_int_equal(parse(alone, NULL, &m), HR_BAD_INPUT);
    assert_non_null(strstr(report.problems[0].text, "there is no actor `ui` under actors"));
    hr_manifest_free(
        parse_good("nats: [nats://h]\nactors: {todo: {links: {assets: {actor: ui}}}}", NULL));
}

/* What cannot be meant is refused, with the key and what would be right. */
static void manifest_refuses_what_no_lattice_can_do(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {
        {"write-acks: 0", "write-acks: `0` is not a number of sites from 1 to 32"},
        {"write-acks: most", "write-acks: `most` is not a number of sites from 1 to 32"},
        {"write-acks: 33", "write-acks: `33` is not a number of sites from 1 to 32"},
        {"hedge: maybe", "hedge: `maybe`"},
        {"host: A_B", "host: "},
        {"nats-creds: /nowhere/x.creds", "nats-creds: `/nowhere/x.creds`: "},
        {"nats-cert: /dev/null", "nats-cert: "},
        {"actors: {kv: {links: {messaging: {subscribe: [{subject: a.*, every: 1s}]}}}}",
         "goes with a subject without wildcards and nothing else"},
        {"actors: {kv: {links: {messaging: {subscribe: [{subject: a, queue: q, every: 1s}]}}}}",
         "goes with a subject without wildcards and nothing else"},
        {"actors: {kv: {links: {messaging: {subscribe: [{subject: a, every: 1ms}]}}}}", "every: "},
        {"actors: {kv: {links: {messaging: {safe: ['a..b']}}}}", "is not a subject"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_manifest *m = NULL;
        print_message("%s\n", rows[i].text);
        assert_int_equal(parse(rows[i].text, NULL, &m), HR_BAD_INPUT);
        assert_null(m);
        assert_non_null(strstr(report.problems[0].text, rows[i].problem));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_reads_the_lattice),
        cmocka_unit_test(manifest_reads_what_messaging_says),
        cmocka_unit_test(manifest_allows_actors_of_other_hosts_on_a_lattice),
        cmocka_unit_test(manifest_refuses_what_no_lattice_can_do),
    };
    return cmocka_run_group_tests_name("manifest_lattice", tests, NULL, NULL);
}
