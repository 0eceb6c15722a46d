/* Worlds of the simulator in which nothing happens by itself, and what a test puts into their stores: changes, written here by
 * hand as docs/storage.md has them. */
#ifndef TEST_SIM_FAKE_H
#define TEST_SIM_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sim/call.h"
#include "sim/client.h"
#include "sim/host.h"
#include "sim/model.h"

#define ORIGIN1 ((uint64_t)1 << 48 | 7)
#define ORIGIN2 ((uint64_t)2 << 48 | 7)

static struct sim_shape shape = {.seed = 9,
                                 .site_count = 2,
                                 .hosts_of = {1, 1},
                                 .lazy = {true, true},
                                 .write_acks = "2",
                                 .ack_timeout_ms = "1000",
                                 .net_us = 1000,
                                 .read_us = 100,
                                 .commit_us = 100,
                                 .key_count = 4,
                                 .think_us = SIM_S,
                                 .faults_us = SIM_S};

struct bytes {
    char ptr[256];
    size_t len;
};

static inline void number(struct bytes *to, uint64_t value, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        to->ptr[to->len++] = (char)(i > 8 ? 0 : value >> (8 * (i - 1)));
    }
}

static inline void text(struct bytes *to, const char *from)
{
    memcpy(to->ptr + to->len, from, strlen(from));
    to->len += strlen(from);
}

struct draft {
    uint64_t origin;
    uint64_t seq;
    uint64_t hlc;
    enum sim_known_kind kind;
    const char *key;
    unsigned field;    /* of a SET */
    const char *value; /* NULL: it is removed */
};

static inline struct bytes encode(const struct draft *draft)
{
    struct bytes bytes = {.len = 0};
    bool set = draft->kind == SIM_KNOWN_SET;
    number(&bytes, 1, 1);
    number(&bytes, draft->kind, 1);
    number(&bytes, draft->origin, 8);
    number(&bytes, draft->seq, 8);
    number(&bytes, draft->hlc, 8);
    number(&bytes, 0, 8); /* the opid */
    number(&bytes, 0, 8);
    number(&bytes, draft->key ? strlen(draft->key) : 0, 2);
    text(&bytes, draft->key ? draft->key : "");
    number(&bytes, set ? 2 : 0, 2);
    if (set) {
        number(&bytes, 0, 1); /* the mark: no name, no value */
        number(&bytes, 0, 1);
        number(&bytes, 0, 4);
        number(&bytes, 2, 1);
        number(&bytes, 'f', 1);
        number(&bytes, '0' + draft->field, 1);
        number(&bytes, draft->value == NULL, 1);
        number(&bytes, draft->value ? strlen(draft->value) : 0, 4);
        text(&bytes, draft->value ? draft->value : "");
    }
    number(&bytes, 0, 4); /* the sum, which is not looked at */
    return bytes;
}

static inline void commit(struct sim_world *world, uint32_t site, struct hr_str key,
                          struct hr_str value)
{
    const struct dkv_pair pair = {key, value};
    const struct dkv_commit one = {.puts = &pair, .put_count = 1};
    size_t conflict;
    assert_int_equal(sim_store_commit(&world->sites[site].store, &one, world->now, &conflict),
                     HR_OK);
}

static inline void put(struct sim_world *world, uint32_t site, struct draft draft)
{
    char name[48];
    struct bytes bytes = encode(&draft);
    snprintf(name, sizeof name, "f/%016llx/%016llx", (unsigned long long)draft.origin,
             (unsigned long long)draft.seq);
    commit(world, site, hr_str_c(name), hr_str_of(bytes.ptr, bytes.len));
}

static inline struct draft draft_of(uint64_t origin, uint64_t seq, uint64_t hlc, const char *value)
{
    return (struct draft){origin, seq, hlc, SIM_KNOWN_SET, "k1", 0, value};
}

#define OPS 6u

/* A world in which nothing happens by itself, and requests by which 1 to 6 are written. */
static inline struct sim_world *new_world(void)
{
    struct sim_world *world = sim_world_new(&shape, false);
    for (uint32_t i = 1; i <= OPS; i++) {
        const struct sim_op *op = sim_clients_probe(world, SIM_OP_SET, 1, 0);
        assert_int_equal(op->number, i);
    }
    world->now = SIM_S;
    return world;
}

/* Whether a check has failed with a sentence that has @part in it. Ends the world. */
static inline bool failed(struct sim_world *world, const char *part)
{
    bool found = world->failed && strstr(world->failure, part) != NULL;
    if (world->failed && !found) {
        print_message("%s\n", world->failure);
    }
    bool none = !world->failed;
    sim_world_free(world);
    return part[0] == '\0' ? none : found;
}

static inline bool passed(struct sim_world *world)
{
    return failed(world, "");
}

/* The core's own words: what it publishes. */
static inline void publish(struct sim_world *world, uint32_t site, const char *subject,
                           struct hr_str body)
{
    struct sim_call call = {.world = world, .host = &world->hosts[site * 2]};
    struct sim_letter *letter =
        sim_letter_new(SIM_LETTER_MESSAGE, hr_str_c(subject), body, (struct hr_str){0});
    sim_model_published(world, &call, letter);
    sim_letter_unref(letter);
}

#endif
