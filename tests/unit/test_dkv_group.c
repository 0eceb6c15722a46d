/* links: core_kv */
/* Several sites, each with a store of its own, on a network that loses, repeats, delays and cuts, while
 * stores fail, hosts die and start anew, and clocks differ. Clients write at random sites and repeat at
 * others what was not answered. Then everything heals, and all sites must hold the same changes, show
 * what a replay of the changes in the order of their stamps gives (test_dkv_check.h, which knows
 * nothing of the core's merging), and have every write that was acknowledged, which at the moment of its
 * answer must lie in the stores of as many sites as the answer says.
 *
 * All of it follows from the seed: DKV_SEED runs one, DKV_RUNS as many as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_dkv_seeds.h"
#include "test_dkv_world.h"

static void new_client(struct world *world)
{
    struct client *client = &world->clients[world->client_count];
    uint64_t what = roll(world, 40);
    char id[24];
    if (world->client_count == CLIENTS_MAX) {
        return;
    }
    snprintf(id, sizeof id, "q%zu", world->client_count);
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", hr_str_c(id), client->opid);
    unsigned key = (unsigned)roll(world, 6);
    if (what == 0) {
        snprintf(client->subject, sizeof client->subject, "wasmkv.del");
        snprintf(client->body, sizeof client->body, "{\"$request-id\":\"%s\"}", id);
    } else if (what < 10) {
        snprintf(client->subject, sizeof client->subject, "wasmkv.del.k%u", key);
        snprintf(client->body, sizeof client->body, "{\"$request-id\":\"%s\"}", id);
    } else {
        snprintf(client->subject, sizeof client->subject, "wasmkv.set.k%u", key);
        snprintf(client->body, sizeof client->body,
                 "{\"$request-id\":\"%s\",\"%c\":%u,\"%c\":null}", id,
                 (char)('a' + (char)roll(world, 3)), (unsigned)roll(world, 1000),
                 (char)('d' + (char)roll(world, 2)));
    }
    send_client(world, world->client_count++, (unsigned)roll(world, world->count));
}

/* Something goes wrong or right again. */
static void disturb(struct world *world)
{
    unsigned a = (unsigned)roll(world, world->count);
    unsigned b = (unsigned)roll(world, world->count);
    switch (roll(world, 5)) {
    case 0:
        world->cut[a][b] = a != b && !world->cut[a][b];
        break;
    case 1:
        world->cut[a][b] = world->cut[b][a] = a != b && !world->cut[a][b];
        break;
    case 2:
        world->sites[a].up = false;
        break;
    case 3:
        if (!world->sites[a].up) {
            start_site(&world->sites[a]);
        }
        break;
    default:
        world->seen[a][b] = world->seen[b][a] = true;
    }
}

static void happens(struct world *world)
{
    uint64_t what = roll(world, 20);
    if (what < 8) {
        new_client(world);
    } else if (what < 10 && world->client_count > 0) {
        size_t number = roll(world, world->client_count);
        if (!world->clients[number].answered) {
            send_client(world, number, (unsigned)roll(world, world->count));
        }
    } else if (what < 13) {
        tick(&world->sites[roll(world, world->count)]);
    } else if (what == 13) {
        disturb(world);
    }
}

static void intrude(struct fake *fake)
{
    struct site *site = (struct site *)fake;
    struct dkv_handled handled;
    const struct dkv_message message = {HR_STR("wasmkv.set.k0"), HR_STR("{\"i\":1}"), {0}};
    struct dkv_env env = fake_env(fake);
    env.publish = rig_publish;
    env.sites = rig_sites;
    dkv_batch_handle(&env, &message, 1, &handled);
    (void)site;
}

static struct world *make_world(uint64_t seed)
{
    static const char *acks[] = {"1", "2", "2", "3", "majority", "all"};
    struct world *world = new_world(seed, 3 + (unsigned)(seed % 3));
    world->happens = happens;
    world->loss_per_mille = (unsigned)roll(world, 2) * (unsigned)roll(world, 300);
    world->repeat_per_mille = (unsigned)roll(world, 2) * (unsigned)roll(world, 500);
    world->delay_ms = (unsigned)roll(world, 2) * (unsigned)roll(world, 400);
    bool strangers = roll(world, 2) == 0;
    bool skewed = roll(world, 3) == 0;
    unsigned faults = (unsigned)roll(world, 3) * (unsigned)roll(world, 15);
    const char *wanted = acks[roll(world, 6)];
    for (unsigned i = 0; i < world->count; i++) {
        struct site *site = &world->sites[i];
        site->fake.write_acks = wanted;
        site->fake.ack_timeout_ms = "1500";
        site->fake.fault_per_mille = faults;
        site->fake.intruder = intrude;
        site->skew_ms = (int64_t)roll(world, 400) - 200;
        if (skewed && i == 0) {
            site->skew_ms += 900;
        }
        for (unsigned j = 0; j < world->count; j++) {
            world->seen[i][j] = !strangers;
        }
    }
    return world;
}

static void check_world(struct world *world)
{
    char *first = listing(&world->sites[0]);
    for (unsigned i = 0; i < world->count; i++) {
        struct site *site = &world->sites[i];
        assert_int_equal(check_failures(&site->fake, true), 0);
        char *other = listing(site);
        assert_string_equal(other, first);
        free(other);
        for (size_t j = 0; j < world->client_count; j++) {
            if (world->clients[j].answered && held(&site->fake, world->clients[j].opid) == 0) {
                fail_msg("request %zu was acknowledged, and is not at %s", j, site->name);
            }
        }
    }
    free(first);
}

static size_t total_clients;
static size_t total_acked;
static size_t total_too_few;

static void do_seed(uint64_t seed)
{
    struct world *world = make_world(seed);
    for (unsigned i = 0; i < 150; i++) {
        go_on(world);
    }
    heal(world);
    unsigned rounds = 0;
    for (; rounds < 60 && (rounds < 2 || !settled(world)); rounds++) {
        for (unsigned i = 0; i < world->count; i++) {
            tick(&world->sites[i]);
            go_on(world);
        }
    }
    if (rounds == 60) {
        for (unsigned i = 0; i < world->count; i++) {
            (void)check_failures(&world->sites[i].fake, true);
        }
        fail_msg("seed %llu: the sites do not agree", (unsigned long long)seed);
    }
    check_world(world);
    total_clients += world->client_count;
    total_acked += world->acked;
    total_too_few += world->too_few;
    release_world(world);
}

/* Whatever happens, the sites agree afterwards, on what the changes say, and nothing acknowledged is lost. */
static void group_agrees_after_everything_heals(void **state)
{
    (void)state;
    do_seeds("dkv_group", 40, do_seed);
    print_message("%zu requests, %zu acknowledged, %zu by too few\n", total_clients, total_acked,
                  total_too_few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(group_agrees_after_everything_heals, tell_seed),
    };
    return cmocka_run_group_tests_name("dkv_group", tests, NULL, NULL);
}
