/* A world: sites with stores and hosts, the net between them, clients, and what is going to happen. The
 * simulator's parts know each other through this one struct. One thread; no globals, so that a program may
 * have several, one after the other.
 *
 *   world.c    the struct's life, the loop over events
 *   net.c      who hears whom, and letters on their way
 *   host.c     hosts: boots, deaths, lanes, ticks
 *   call.c     invocations of the core, each on a fiber
 *   env*.c     the core's env, whose calls are the points where things happen
 *   faults.c   windows in which something is wrong
 *   client.c   what clients want; request.c how a lattice's host asks for it
 *   model.c    what must be true, from what was seen; check_*.c
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "sim/events.h"
#include "sim/fiber.h"
#include "sim/letter.h"
#include "sim/random.h"
#include "sim/recent.h"
#include "sim/shape.h"
#include "sim/store.h"

#define SIM_WALL_MS ((uint64_t)1700000000000)
#define SIM_TICK_US (500 * SIM_MS)
#define SIM_BATCH 64u
#define SIM_CALLS_MAX 1024u
#define SIM_LANE_MAX 1024u
/* A call's time (docs/manifest.md, limits.wall). */
#define SIM_CALL_US (30 * SIM_S)

struct sim_world;
struct sim_model;
struct sim_clients;
struct dkv_handled;

/* Who hears whom. A host is heard again soon, and missed after some three seconds. */
struct sim_sight {
    bool seen; /* since the host's boot */
    bool hears;
    sim_us alive_from;
    sim_us alive_until;
};

struct sim_site {
    uint32_t index;
    char name[8];
    char id[4];
    struct sim_store store;
    sim_us store_back_at;     /* after a death at a call */
    uint64_t store_life;      /* counts its deaths that may have cost something */
    uint64_t booted_life;     /* what that was when m/self was last written */
    struct sim_random random; /* what the core draws */
    /* the wall is base + time * (1 + ppm) + ahead */
    int64_t ppm;
    int64_t ahead_ms;
    uint64_t wall_max_ms; /* the latest it has ever been */
    /* faults, as of now */
    uint32_t store_away; /* windows in which it is */
    sim_us store_slow_us;
    uint32_t store_errors;
    uint32_t store_unknown;
    uint32_t store_full;
    uint32_t kill_at_call;
    uint32_t store_kill_at_call;
    uint32_t wrong_view;
    sim_us view_at; /* when its hosts were last wrong about others */
    sim_us lost_at; /* when a letter from or to them was last lost */
    struct sim_backup backup;
    sim_us backup_at;
};

struct sim_host {
    uint32_t index;
    uint32_t site;
    bool exists;
    bool up;
    bool dying;
    uint64_t life; /* counts boots */
    sim_us booted_at;
    uint64_t nonce[2];
    char nonce_text[33]; /* with the losses in it */
    uint64_t store_life; /* of its site's store, when it was last looked at */
    uint32_t losses;     /* that it has seen itself */
    struct sim_recent recent;
    bool found_lossy; /* its store had lost something since m/self was last written */
    sim_us paused_until;
    struct sim_sight sight[SIM_SITES_MAX];
    /* the batch lane */
    struct sim_letter *lane[SIM_LANE_MAX];
    size_t lane_first;
    size_t lane_count;
    bool lane_busy;
    bool lane_arranged;
    bool ticking;
};

/* One invocation. */
struct sim_call {
    struct sim_world *world;
    struct sim_host *host;
    uint32_t slot;
    uint64_t serial; /* of this invocation; 0: the slot is free */
    sim_us began;
    struct sim_fiber *fiber;
    struct sim_letter *letters[SIM_BATCH];
    size_t count;
    bool lane;
    bool tick;
    bool probe;            /* a check asks: nothing goes wrong, and nothing takes time */
    bool dead;             /* its host is, or its time is over: every call of the env fails */
    uint64_t failed_calls; /* of the env, since then */
    uint64_t wake;         /* number of the wake that it waits for; 0: none */
    /* what it has asked */
    uint64_t inbox; /* 0: it waits for no reply */
    uint32_t want;
    struct sim_letter *asked;
    struct sim_letter **replies;
    size_t reply_count;
    size_t reply_cap;
};

struct sim_net {
    uint32_t cut[SIM_SITES_MAX][SIM_SITES_MAX]; /* windows in which nothing goes from, to */
    sim_us clogged_until[SIM_SITES_MAX][SIM_SITES_MAX];
    uint64_t loss;
    uint64_t duplicate;
    sim_us delay_us;
};

struct sim_counts {
    uint64_t events;
    uint64_t env_calls;
    uint64_t calls;
    uint64_t letters;
    uint64_t kills;
    uint64_t commits;
    uint64_t peer_letters; /* changes sent to other sites, one a receiver */
};

struct sim_world {
    const struct sim_shape *shape;
    sim_us now;
    bool healed;
    bool failed;
    char failure[512];
    const char *failed_claim; /* the sentence without its particulars */
    uint64_t hash;
    bool tracing;
    struct sim_random net_random;
    struct sim_random store_random;
    struct sim_random host_random;
    struct sim_random call_random;
    struct sim_events events;
    struct sim_fibers *fibers;
    struct sim_net net;
    struct sim_site sites[SIM_SITES_MAX];
    struct sim_host *hosts; /* SIM_HOSTS_MAX; two places for each site */
    struct sim_call *calls; /* SIM_CALLS_MAX */
    uint32_t *free_calls;
    size_t free_count;
    uint64_t serial;
    bool window_on[SIM_WINDOWS_MAX];
    struct sim_clients *clients;
    struct sim_model *model;
    struct sim_letter *probed; /* the answer to a check's question */
    struct sim_counts counts;
};

/* Keeps @shape. Returns own: sim_world_free. */
struct sim_world *sim_world_new(const struct sim_shape *shape, bool tracing);
void sim_world_free(struct sim_world *world);
/* Lets happen what happens until @until, or until a check fails. */
void sim_world_run(struct sim_world *world, sim_us until);
/* The site's wall and the monotonic clock of its hosts. */
uint64_t sim_world_wall_ms(struct sim_world *world, struct sim_site *site);
uint64_t sim_world_mono_ms(struct sim_world *world, const struct sim_site *site);

static inline struct sim_event sim_event_of(enum sim_event_kind kind, sim_us at, uint32_t who)
{
    return (struct sim_event){.at = at, .kind = kind, .who = who};
}

static inline bool sim_site_store_away(const struct sim_world *world, const struct sim_site *site)
{
    return site->store_away > 0 || world->now < site->store_back_at;
}

static inline struct sim_site *sim_site_of(struct sim_world *world, const struct sim_host *host)
{
    return &world->sites[host->site];
}

#endif
