/* links: hr_host */
/* Plans made of manifests: stores, workers and what the host adds to a configuration. No plan starts
 * anything, so the modules may be any bytes. */
#include "manifest_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "host/plan.h"

#define TEXT_BYTES 8192

static char module_path[] = "/tmp/hedgerow-plan-XXXXXX";

static int make_module(void **state)
{
    (void)state;
    int fd = mkstemp(module_path);
    return fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0;
}

static int remove_module(void **state)
{
    (void)state;
    return unlink(module_path);
}

/* What comes of @count actors g0, g1, ... of which each has a store of its own. */
static enum hr_err plan_stores(unsigned count, struct hr_diag *ret_diag)
{
    char text[TEXT_BYTES] = "actors:\n";
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len,
                 "  g%u: {file: %s, links: {keyvalue: {store: \"lmdb:s%u\"}}}\n", i, module_path,
                 i);
    }
    struct hr_manifest *manifest = parse_good(text, NULL);
    struct hr_plan plan;
    enum hr_err err = hr_plan_make(manifest, &plan, ret_diag);
    if (!err) {
        assert_int_equal(plan.store_count, count);
        hr_plan_release(&plan);
    }
    hr_manifest_free(manifest);
    return err;
}

/* Actors that name the same store share it, others have their own, and one that nobody uses is not in the
 * plan: it would be a folder that nobody asked for. */
static void plan_has_the_stores_that_are_used(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    snprintf(text, sizeof text,
             "store: lmdb:site\n"
             "actors:\n"
             "  a: {file: %s, links: {keyvalue: {store: \"lmdb:own\"}}}\n"
             "  b: {file: %s, links: {keyvalue: {}}}\n"
             "  c: {file: %s}\n"
             "  d: {file: %s, links: {keyvalue: {store: \"lmdb:own\"}}}\n",
             module_path, module_path, module_path, module_path);
    struct hr_manifest *manifest = parse_good(text, NULL);
    struct hr_diag diag = {""};
    struct hr_plan plan;
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    assert_int_equal(plan.store_count, 2);
    assert_str(plan.stores[0], "lmdb:own");
    assert_str(plan.stores[1], "lmdb:site");
    assert_int_equal(plan.actors[0].links.store, 0);
    assert_int_equal(plan.actors[1].links.store, 1);
    assert_int_equal(plan.actors[3].links.store, 0);
    hr_plan_release(&plan);
    hr_manifest_free(manifest);

    snprintf(text, sizeof text, "actors:\n  c: {file: %s}\n", module_path);
    manifest = parse_good(text, NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    assert_int_equal(plan.store_count, 0);
    hr_plan_release(&plan);
    hr_manifest_free(manifest);
}

/* A host has so many stores and no more; the one too many is told by its actor. */
static void plan_bounds_the_stores(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    assert_int_equal(plan_stores(HR_PLAN_STORES_MAX, &diag), HR_OK);
    assert_int_equal(plan_stores(HR_PLAN_STORES_MAX + 1, &diag), HR_BAD_INPUT);
    assert_string_equal(diag.text,
                        "actor g16: its store would be one more than the 16 that a host can have");
}

static enum hr_err plan_workers(const char *text, uint32_t *ret_workers, struct hr_diag *ret_diag)
{
    struct hr_manifest *manifest = parse_good(text, NULL);
    struct hr_plan plan;
    enum hr_err err = hr_plan_make(manifest, &plan, ret_diag);
    if (!err) {
        *ret_workers = plan.workers;
        hr_plan_release(&plan);
    }
    hr_manifest_free(manifest);
    return err;
}

/* Every worker that is planned can use the stores: on a machine of any size, and when asked for too many. */
static void plan_has_no_more_workers_than_a_store_has_ports(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    uint32_t workers = 0;
    assert_int_equal(plan_workers("workers: 0\nactors: {kv: {}}\n", &workers, &diag), HR_OK);
    assert_in_range(workers, 1, HR_KV_PORTS_MAX);
    assert_int_equal(plan_workers("workers: 64\nactors: {kv: {}}\n", &workers, &diag), HR_OK);
    assert_int_equal(workers, 64);
    assert_int_equal(plan_workers("workers: 65\nactors: {kv: {}}\n", &workers, &diag),
                     HR_BAD_INPUT);
    assert_string_equal(diag.text, "workers: 65 are more than the 64 that can share a store");
}

static struct hr_str value_of(const struct hr_plan_actor *actor, const char *key)
{
    for (size_t i = 0; i < actor->links.config_count; i++) {
        if (hr_str_eq(actor->links.config[i].key, hr_str_c(key))) {
            return actor->links.config[i].value;
        }
    }
    return (struct hr_str){0};
}

/* A config link has the site, its number and a nonce of this start; the manifest's own values come first. */
static void plan_tells_actors_where_they_run(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct hr_plan plan;
    struct hr_plan again;
    struct hr_manifest *manifest =
        parse_good("site: aws\nsite-id: 7\n"
                   "actors: {kv: {links: {config: {values: {lattice: mine}}}}, ui: {}}\n",
                   NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    assert_int_equal(hr_plan_make(manifest, &again, &diag), HR_OK);
    assert_str(value_of(&plan.actors[0], "site"), "aws");
    assert_str(value_of(&plan.actors[0], "site-id"), "7");
    assert_str(value_of(&plan.actors[0], "write-acks"), "2");
    assert_str(value_of(&plan.actors[0], "lattice"), "mine");
    struct hr_str nonce = value_of(&plan.actors[0], "boot-nonce");
    assert_int_equal(nonce.len, 32);
    assert_false(hr_str_eq(nonce, value_of(&again.actors[0], "boot-nonce")));
    assert_int_equal(plan.actors[1].links.config_count, 0);
    hr_plan_release(&plan);
    hr_plan_release(&again);
    hr_manifest_free(manifest);
}

static uint16_t number_of(const char *text)
{
    struct hr_diag diag = {""};
    struct hr_plan plan;
    struct hr_manifest *manifest = parse_good(text, NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    uint16_t number = plan.site_id;
    hr_plan_release(&plan);
    hr_manifest_free(manifest);
    return number;
}

/* On a lattice a site's number comes from its name, the same one every time; alone it is 1; what the manifest
 * says is what counts. */
static void plan_numbers_sites_by_their_names(void **state)
{
    (void)state;
    uint16_t aws = number_of("site: aws\nnats: [nats://h]\nactors: {ui: {}}\n");
    uint16_t gcp = number_of("site: gcp\nnats: [nats://h]\nactors: {ui: {}}\n");
    assert_int_equal(aws, number_of("site: aws\nnats: [nats://g]\nactors: {ui: {}}\n"));
    assert_int_not_equal(aws, gcp);
    assert_true(aws > 0 && gcp > 0);
    assert_int_equal(number_of("site: aws\nactors: {ui: {}}\n"), 1);
    assert_int_equal(number_of("site-id: 9\nnats: [nats://h]\nactors: {ui: {}}\n"), 9);
}

/* Sites that are named reach the actors as a list of their numbers, and the one that is alone with its own; else
 * there is no such key. */
static void plan_tells_actors_which_sites_there_are(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *members;
    } rows[] = {
        {"nats: [nats://h]\nsite: aws\nsites: [north=812, aws, gcp=7, azure=3]\n", "3,7,812,61678"},
        {"nats: [nats://h]\nsite: aws\nsite-id: 65535\nsites: [aws=65535, gcp=1]\n", "1,65535"},
        {"site: aws\nsites: [aws]\n", "1"},
        {"nats: [nats://h]\nsite: aws\nsites: []\n", NULL},
        {"nats: [nats://h]\nsite: aws\n", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[TEXT_BYTES];
        struct hr_diag diag = {""};
        struct hr_plan plan;
        snprintf(text, sizeof text, "%sactors: {kv: {links: {config: {values: {a: b}}}}}\n",
                 rows[i].text);
        struct hr_manifest *manifest = parse_good(text, NULL);
        assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
        struct hr_str members = value_of(&plan.actors[0], "members");
        assert_int_equal(members.ptr != NULL, rows[i].members != NULL);
        assert_str(members, rows[i].members ? rows[i].members : "");
        assert_str(value_of(&plan.actors[0], "store-durability"), "sync");
        hr_plan_release(&plan);
        hr_manifest_free(manifest);
    }
}

/* As many sites as there may be, with the longest numbers. */
static void plan_lists_as_many_sites_as_there_may_be(void **state)
{
    (void)state;
    char text[TEXT_BYTES] = "nats: [nats://h]\nsite: s0\nsite-id: 65535\nsites: [s0=65535";
    char members[TEXT_BYTES] = "";
    for (unsigned i = 1; i < HR_MANIFEST_SITES_MAX; i++) {
        sprintf(text + strlen(text), ", s%u=%u", i, 65535 - i);
        sprintf(members + strlen(members), "%u,", 65535 - HR_MANIFEST_SITES_MAX + i);
    }
    strcat(text, "]\nactors: {kv: {links: {config: {}}}}\n");
    strcat(members, "65535");
    struct hr_diag diag = {""};
    struct hr_plan plan;
    struct hr_manifest *manifest = parse_good(text, NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    assert_str(value_of(&plan.actors[0], "members"), members);
    hr_plan_release(&plan);
    hr_manifest_free(manifest);
}

/* Subjects and queues may name the site that they are used at; with its name they have to be short enough. */
static void plan_fills_in_the_sites_name(void **state)
{
    (void)state;
    struct hr_diag diag = {""};
    struct hr_plan plan;
    struct hr_manifest *manifest = parse_good(
        "site: aws\nhost: h-1\nactors: {ui: {links: {messaging: {subscribe: [{subject: "
        "'a.${site}.b.${site}', queue: '${site}', echo: false}, {subject: t, every: 1s}]}}}}\n",
        NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_OK);
    const struct hr_inbox_options *options = plan.actors[0].subscriptions;
    assert_str(options[0].subject, "a.aws.b.aws");
    assert_str(options[0].queue, "aws");
    assert_true(options[0].no_echo);
    assert_int_equal(options[1].every_ms, 1000);
    assert_str(plan.host, "h-1");
    hr_plan_release(&plan);
    hr_manifest_free(manifest);

    char text[TEXT_BYTES] = "site: abcdefghijklmnopqrstuvwxyz\nactors: {ui: {links: {messaging: "
                            "{subscribe: [{subject: a, queue: '";
    for (int i = 0; i < 8; i++) {
        strcat(text, "${site}");
    }
    strcat(text, "'}]}}}}\n");
    manifest = parse_good(text, NULL);
    assert_int_equal(hr_plan_make(manifest, &plan, &diag), HR_BAD_INPUT);
    assert_non_null(strstr(diag.text, "is longer than 64 bytes with the site's name in it"));
    hr_manifest_free(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_has_the_stores_that_are_used),
        cmocka_unit_test(plan_bounds_the_stores),
        cmocka_unit_test(plan_has_no_more_workers_than_a_store_has_ports),
        cmocka_unit_test(plan_tells_actors_where_they_run),
        cmocka_unit_test(plan_numbers_sites_by_their_names),
        cmocka_unit_test(plan_tells_actors_which_sites_there_are),
        cmocka_unit_test(plan_lists_as_many_sites_as_there_may_be),
        cmocka_unit_test(plan_fills_in_the_sites_name),
    };
    return cmocka_run_group_tests_name("plan", tests, make_module, remove_module);
}
