/* What a seed draws: the world's size, how its parts behave when nothing is wrong, what clients do, and
 * which faults there are when. All of it is drawn before anything happens, each from a stream of its own,
 * so that a run without some of the faults has the same world and the same clients. Times are in
 * microseconds, chances in millionths. */
#ifndef SIM_SHAPE_H
#define SIM_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/events.h"

#define SIM_SITES_MAX 5u
#define SIM_HOSTS_MAX (2 * SIM_SITES_MAX)
#define SIM_KEYS_MAX 64u
#define SIM_FIELDS 4u
#define SIM_CLIENTS_MAX 8u
#define SIM_WINDOWS_MAX 96u

/* Each window has a site, some another one, and an amount. */
#define SIM_FAULT_LIST(X)                                                                          \
    X(CUT, "cut", "nothing goes from the site to the other one, nor back")                         \
    X(CUT_ONE_WAY, "cut-one-way", "nothing goes from the site to the other one")                   \
    X(ISOLATE, "isolate", "nothing goes from the site to any, nor back")                           \
    X(LOSS, "loss", "messages are lost: amount of a million")                                      \
    X(DUPLICATE, "duplicate", "messages come twice: amount of a million")                          \
    X(DELAY, "delay", "messages take up to amount longer, and overtake each other")                \
    X(CLOG, "clog", "what goes from the site to the other one comes when the window ends")         \
    X(KILL, "kill", "a host of the site is killed, and started when the window ends")              \
    X(KILL_AT_CALL, "kill-at-call",                                                                \
      "hosts of the site are killed in calls of their env: amount of a million")                   \
    X(PAUSE, "pause", "a host of the site stands still")                                           \
    X(STORE_KILL, "store-kill", "the site's store is killed, and back when the window ends")       \
    X(STORE_KILL_AT_CALL, "store-kill-at-call",                                                    \
      "the site's store dies in calls of it, for some ms: amount of a million")                    \
    X(STORE_SLOW, "store-slow", "the site's store takes up to amount longer")                      \
    X(STORE_ERRORS, "store-errors", "calls of the site's store fail: amount of a million")         \
    X(STORE_UNKNOWN, "store-unknown", "commits' answers are lost: amount of a million")            \
    X(STORE_FULL, "store-full", "the site's store takes no commit")                                \
    X(CLOCK_STEP, "clock-step", "the site's wall is amount ahead (odd: behind)")                   \
    X(CLOCK_DRIFT, "clock-drift", "the site's clocks are amount ppm fast (odd: slow)")             \
    X(VIEW, "view", "the site's hosts take others for dead or alive: amount of a million")         \
    X(STORE_LOSS, "store-loss", "the site's store is emptied while its hosts are down")            \
    X(STORE_RESTORE, "store-restore", "the site's store becomes what it was amount ago")           \
    X(STORE_FORGED, "store-forged",                                                                \
      "a record in the site's store changes: it cannot be read (1), or lies (0), also of a stamp " \
      "(2)")                                                                                       \
    X(REMOVE, "remove", "the site's hosts are down, and it is taken out before they are back")

enum sim_fault {
#define SIM_FAULT_ENUM(name, text, what) SIM_FAULT_##name,
    SIM_FAULT_LIST(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULTS
};

#define SIM_FAULT_BIT(fault) ((uint32_t)1 << (fault))
/* Where records are forged no store loses what would tell the truth. */
#define SIM_FAULTS_OF_LOSS                                                          \
    (SIM_FAULT_BIT(SIM_FAULT_STORE_LOSS) | SIM_FAULT_BIT(SIM_FAULT_STORE_RESTORE) | \
     SIM_FAULT_BIT(SIM_FAULT_REMOVE))

const char *sim_fault_name(enum sim_fault fault);

#define SIM_THEME_LIST(X)                                                                    \
    X(NONE, "none", "whatever was drawn")                                                    \
    X(LEFT_BEHIND, "left-behind", "a site is away until the others have cut off its feed")   \
    X(OLD_COPY, "old-copy", "a store becomes what it was before a floor moved")              \
    X(HANDOVER, "handover", "one site after the other is away, and stores break in between") \
    X(STRANGERS, "strangers", "sites begin alone, and meet")                                 \
    X(ROAMING, "roaming", "clients go from site to site, and ways are cut for a moment")     \
    X(STRAGGLERS, "stragglers", "messages come after their sender's death and return")       \
    X(UNHEARD, "unheard", "floors move, and a site is not heard")                            \
    X(FORGED, "forged", "many records are forged")                                           \
    X(BACKUP, "backup", "a store is lost, and an old copy of it is found")

enum sim_theme {
#define SIM_THEME_ENUM(name, text, what) SIM_THEME_##name,
    SIM_THEME_LIST(SIM_THEME_ENUM)
#undef SIM_THEME_ENUM
        SIM_THEMES
};

const char *sim_theme_name(enum sim_theme theme);

struct sim_window {
    enum sim_fault fault;
    sim_us from;
    sim_us until;
    uint32_t site;
    uint32_t other;
    uint64_t amount;
    bool removed; /* by whoever makes the run smaller */
};

enum sim_op_kind { SIM_OP_SET, SIM_OP_DEL, SIM_OP_CLEAR, SIM_OP_GET, SIM_OP_LIST, SIM_OP_KINDS };

struct sim_shape {
    uint64_t seed;
    enum sim_theme theme;
    uint32_t site_count;
    uint32_t hosts_of[SIM_SITES_MAX];
    bool lazy[SIM_SITES_MAX];
    uint32_t start_ms[SIM_SITES_MAX]; /* hosts are started then */
    char write_acks[16];
    char ack_timeout_ms[16];
    char feed_max[16]; /* empty: as the core has it */
    char members[16];  /* ids of all sites, as a manifest names them; empty: it does not */
    /* the world on a good day */
    sim_us net_us;  /* one way between sites, at least; half as much more at random */
    sim_us read_us; /* a store's answer */
    sim_us commit_us;
    uint32_t pause_chance; /* that a call of the env lets others run */
    /* clients */
    uint32_t client_count;
    uint32_t client_site[SIM_CLIENTS_MAX];
    uint32_t key_count;
    sim_us think_us; /* between an answer and the next request, up to twice that */
    uint32_t weight[SIM_OP_KINDS];
    uint32_t raw_chance; /* requests as of a plain NATS client */
    uint32_t condition_chance;
    bool sessions;   /* clients ask for session tokens, and send them */
    bool roams;      /* each request begins at another site and host */
    sim_us burst_us; /* clients ask for so long, and rest for so long; 0: they do not rest */
    sim_us rest_us;
    /* faults */
    sim_us faults_us; /* how long there are any */
    sim_us backup_us; /* between two copies of a store */
    bool long_calm;   /* until what was deleted is forgotten */
    bool forging;     /* records may be forged, and nothing is lost */
    struct sim_window windows[SIM_WINDOWS_MAX];
    size_t window_count;
};

/* @sites: how many there are, 0: as drawn. */
void sim_shape_draw(struct sim_shape *ret_shape, uint64_t seed, uint32_t sites);

#endif
