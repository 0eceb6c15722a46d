/* A client's request, and what is known of it. One thread. */
#ifndef SIM_OP_H
#define SIM_OP_H

#include "sim/world.h"

#define SIM_ATTEMPTS_MAX 6u
#define SIM_NOWHERE UINT32_MAX

enum sim_outcome {
    SIM_PENDING,
    SIM_DONE,    /* a good reply */
    SIM_NO,      /* an error, and everybody who was asked said that nothing was done */
    SIM_UNKNOWN, /* it may have been done, or may still be */
};

enum sim_condition { SIM_ALWAYS, SIM_IF_ABSENT, SIM_IF_PRESENT, SIM_IF_VERSION };

/* A record's stamp, as clients see it: 32 hexadecimal digits. All zero: none. */
struct sim_version {
    uint64_t hlc;
    uint64_t origin;
};

struct sim_attempt {
    uint32_t host;
    sim_us sent_at;
    bool answered;
    uint32_t change; /* index of the change that it waited for, SIM_NOWHERE if not known */
};

struct sim_op {
    uint32_t number; /* from 1; the value of each field that it sets */
    uint32_t client;
    uint32_t home; /* the site and the host that it begins at */
    uint32_t home_host;
    enum sim_op_kind kind;
    uint32_t key;
    uint32_t sets;    /* bits of fields */
    uint32_t removes; /* bits of fields */
    bool identified;  /* by a $request-id */
    enum sim_condition condition;
    struct sim_version if_version;
    char *session; /* the token that it sends; NULL: none; owned */
    sim_us sent_at;
    sim_us answered_at;
    enum sim_outcome outcome;
    bool maybe; /* somebody may have done it, or may still */
    bool judged;
    uint32_t copies; /* of its letters on their way, ever */
    struct sim_attempt attempts[SIM_ATTEMPTS_MAX];
    uint32_t attempt_count;
    uint32_t change; /* acknowledged; SIM_NOWHERE */
};

static inline int sim_version_cmp(struct sim_version a, struct sim_version b)
{
    if (a.hlc != b.hlc) {
        return a.hlc < b.hlc ? -1 : 1;
    }
    return a.origin < b.origin ? -1 : a.origin > b.origin;
}

/* Reads a version's JSON text. */
bool sim_version_read(struct hr_str value, struct sim_version *ret_version);

#endif
