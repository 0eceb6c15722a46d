/* Every change that was ever committed anywhere, found by watching the stores' keys f/ and v/, with a decoder
 * of its own (the formats are those of docs/storage.md): what it says, and who holds it. One thread. */
#ifndef SIM_KNOWN_H
#define SIM_KNOWN_H

#include "sim/op.h"

enum sim_known_kind {
    SIM_KNOWN_SET = 1,
    SIM_KNOWN_DEL = 3,
    SIM_KNOWN_CLEAR = 5,
    SIM_KNOWN_NOOP = 7
};

#define SIM_UNCOUNTED UINT32_MAX

struct sim_known {
    uint64_t origin;
    uint64_t seq;
    uint64_t hlc;
    uint64_t digest; /* of all its bytes */
    enum sim_known_kind kind;
    uint32_t key;
    uint32_t sets;
    uint32_t removes;
    bool marks;    /* it sets the mark that the value is there */
    uint32_t op;   /* of the values that it sets; 0: it sets none */
    uint32_t held; /* bits of sites whose feeds have it, or have had it and cut it off */
    uint32_t ever; /* bits of sites that have ever held it */
    uint32_t
        fed; /* of those that hold it: bits of those that had it as a change, not by its outcome */
    uint32_t losses;    /* how often a store that held it has lost it */
    uint32_t promised;  /* acks that a client was told of */
    sim_us promised_at; /* when a client was told of so many */
    bool told;          /* its site has told that it is lost, and what it was about */
    bool found;         /* everybody had lost it, and a store that was put back has it again */
    bool claimed;       /* a request is known to have made it */
    sim_us made_at;
    uint32_t before; /* of a CLEAR: values that its site showed before it; SIM_UNCOUNTED */
    bool alone;      /* its site knew of no other, and its feed may be cut (amount.h) */
};

/* How far a site says that it has an origin's changes. */
struct sim_origin {
    uint64_t origin;
    uint64_t prefix[SIM_SITES_MAX];
    bool counted;  /* some site once had a prefix of it */
    uint64_t last; /* the highest number that is known */
    uint64_t end;  /* with which its own site has sealed it; 0: it has not */
    uint64_t last_hlc;
};

/* The latest clock of all changes that a site holds. */
struct sim_latest {
    uint64_t hlc;
    bool stale; /* something was lost: to be looked for anew */
};

struct sim_knowledge {
    struct sim_known *changes; /* in the order in which they were first seen */
    size_t count;
    size_t cap;
    uint32_t *table; /* open addressing; index + 1 */
    size_t table_cap;
    struct sim_latest latest[SIM_SITES_MAX];
    struct sim_origin *origins;
    size_t origin_count;
    size_t origin_cap;
};

void sim_knowledge_release(struct sim_knowledge *knowledge);
/* Whether it sets or deletes @key, or deletes everything. */
bool sim_known_is_about(const struct sim_known *change, uint32_t key);
/* Reads a feed's entry. False: it is none. */
bool sim_known_decode(struct hr_str bytes, struct sim_known *ret_known);
/* The index of a change, SIM_NOWHERE if it was never seen. */
uint32_t sim_known_find(const struct sim_knowledge *knowledge, uint64_t origin, uint64_t seq);
/* Adds one that was never seen. Returns its index. */
uint32_t sim_known_add(struct sim_knowledge *knowledge, const struct sim_known *known);
/* The origin's row, made if need be. Owns: borrowed until another one is made. */
struct sim_origin *sim_known_origin(struct sim_knowledge *knowledge, uint64_t origin);
/* Whether a site still counts what it has of @origin. If none does any more, it was over and is cut off everywhere: what there is
 * of it goes from site to site as records. */
bool sim_known_counted(const struct sim_knowledge *knowledge, uint64_t origin);
/* The latest clock of the changes that @site holds; 0: it holds none. */
uint64_t sim_known_latest(struct sim_knowledge *knowledge, uint32_t site);
/* @site holds change @index from now on. */
void sim_known_hold(struct sim_knowledge *knowledge, uint32_t index, uint32_t site);
/* The newest change of this stamp, SIM_NOWHERE if there is none. */
uint32_t sim_known_stamped(const struct sim_knowledge *knowledge, struct sim_version stamp);
/* Reads @digits hexadecimal digits at @ptr. */
uint64_t sim_known_hex(const char *ptr, size_t digits);
/* Reads a big-endian number. */
uint64_t sim_known_be(const char *ptr, size_t bytes);

#endif
