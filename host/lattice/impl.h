/* The lattice's own structs, for the files of this folder but its bus'.
 *
 * Members, sites and all timers belong to the loop that the lattice was opened on. What other threads read of
 * them is changed there under @lock; that loop itself reads without it. What other threads change (@served, the
 * watches, @connected_now, @catching_up) is always touched under it. No callback runs under the lock.
 */
#ifndef HR_LATTICE_IMPL_H
#define HR_LATTICE_IMPL_H

#include "host/lattice/table.h"

#define HR_LATTICE_SUBJECT_BYTES 160u /* "hedgerow.<lattice>.ctl.<host>.ping" and a terminator */
#define HR_LATTICE_PONG_BYTES 40u     /* 16 digits, a space, 20 digits and a terminator */
#define HR_LATTICE_SOON_MS 10u        /* what happens meanwhile goes into one announcement */
#define HR_LATTICE_CHECKS 12u         /* looks at who is silent within the time that one may be */

enum hr_lattice_presence {
    HR_LATTICE_MEMBER_ALIVE,
    HR_LATTICE_MEMBER_LEAVING, /* said so, less than the time of silence ago */
    HR_LATTICE_MEMBER_GONE
};

enum hr_lattice_state {
    HR_LATTICE_OPEN,
    HR_LATTICE_JOINING, /* asks who is there */
    HR_LATTICE_MEMBER,  /* announces itself */
    HR_LATTICE_OUT,     /* has left, or has been refused: listens only */
    HR_LATTICE_CLOSING,
    HR_LATTICE_STATES
};

/* A later boot of a host id whose owner is there: the last one that was met. */
struct hr_lattice_rival {
    uint64_t boot;
    uint64_t met_ns; /* first; 0 = none was met */
    bool told;
};

struct hr_lattice_member {
    struct hr_lattice *lattice;
    uint64_t number;
    enum hr_lattice_presence presence;
    bool refused; /* cannot be together with one that was there before */
    struct hr_lattice_rival rival;
    uint64_t heard_ns;
    uint64_t round_trip_ns;
    bool clock_known;
    int64_t clock_ahead_ms;      /* its wall clock before this host's, as of the last ping */
    uint64_t told_round_trip_ns; /* as the present table has it */
    uint64_t pinged_ns;
    struct hr_bus_request *ping; /* under way, or NULL */
    struct hr_lattice_announcement *said;
};

struct hr_lattice_seen_site {
    char name[HR_LATTICE_NAME_BYTES_MAX + 1];
    uint16_t id;
    bool has_store;
    uint64_t heard_ns;
};

struct hr_lattice_served_here {
    struct hr_list node;
    struct hr_lattice_served served; /* points into @text */
    uint32_t count;
    bool listed;
    char text[];
};

struct hr_lattice {
    struct hr_loop *loop;
    struct hr_bus *nats;
    struct hr_bus_port *port;
    struct hr_bus_sub *subs[3];
    enum hr_lattice_state state;
    hr_lattice_conflict_cb conflict_cb;
    hr_lattice_event_cb event_cb;
    void *arg;
    hr_lattice_load_cb load_cb;
    void *load_arg;
    hr_lattice_joined_cb joined_cb;
    void *joined_arg;
    hr_lattice_closed_cb closed_cb;
    void *closed_arg;
    uint32_t announce_ms;
    uint32_t silent_ms;
    uint32_t hello_ms;
    struct hr_str name;
    struct hr_lattice_announcement *self; /* without what is served */
    struct hr_lattice_rival rival;        /* of this host itself */
    struct hr_timer announce_timer;
    struct hr_timer check_timer;
    struct hr_timer join_timer;
    struct hr_bus_request *hello;
    uint32_t hosts_told; /* the most that an answer to the hello knew of */
    uint64_t dice;
    uint64_t last_number;
    bool connected;    /* as the table has it */
    bool table_is_old; /* memory was out when it should have been replaced */
    bool told_closed;  /* the port has been closed */
    char why[HR_LATTICE_WHY_BYTES_MAX];

    uv_mutex_t lock;
    struct hr_lattice_member *members[HR_LATTICE_HOSTS_MAX];
    uint32_t member_count;
    struct hr_lattice_seen_site sites[HR_LATTICE_SITES_MAX]; /* the own one first */
    uint32_t site_count;
    struct hr_lattice_stats stats; /* but for what is alive now */
    struct hr_list served;         /* in the order in which they were entered */
    uint32_t served_count;         /* listed */
    size_t served_bytes;
    struct hr_lattice_table *table;
    _Atomic uint64_t version;
    struct hr_list watches;
    struct hr_task poke; /* something was changed by other threads */
    bool poked;          /* it is posted */
    bool served_changed;
    bool connected_now;
    bool catching_up;
    uint64_t connected_ns; /* since when, if it is */
    uint64_t opened_ns;
    char text[]; /* the lattice's name */
};

/* lattice.c: sends this host's announcement within HR_LATTICE_SOON_MS. */
void hr_lattice_announce_soon(struct hr_lattice *lattice);
/* lattice.c: this host cannot be together with the one that said @said: @why it has to stop. */
void hr_lattice_give_up(struct hr_lattice *lattice);

/* member.c: somebody announced itself. Takes the caller's reference. */
void hr_lattice_hear(struct hr_lattice *lattice, struct hr_lattice_announcement *said);
/* Looks who has fallen silent. */
void hr_lattice_check_silence(struct hr_lattice *lattice);
uint32_t hr_lattice_alive_count(const struct hr_lattice *lattice);
void hr_lattice_ping_all(struct hr_lattice *lattice);
void hr_lattice_members_free(struct hr_lattice *lattice);

/* conflict.c: whether @a and @b cannot be together; if so, @ret_why (HR_LATTICE_WHY_BYTES_MAX) is what
 * to tell @a's owner. */
bool hr_lattice_has_store(const struct hr_lattice_announcement *said);
bool hr_lattice_conflicts(const struct hr_lattice_announcement *a,
                          const struct hr_lattice_announcement *b, char *ret_why);
/* Whether @a started before @b. */
bool hr_lattice_is_earlier(const struct hr_lattice_announcement *a,
                           const struct hr_lattice_announcement *b);

/* table.c: makes a table of what is known now, and tells who watches. */
void hr_lattice_publish_table(struct hr_lattice *lattice);
/* served.c: a copy of the own announcement with all that is served. NULL when memory is out. */
struct hr_lattice_announcement *hr_lattice_own_announcement(struct hr_lattice *lattice,
                                                            bool leaving);
void hr_lattice_served_free(struct hr_lattice *lattice);

#endif
