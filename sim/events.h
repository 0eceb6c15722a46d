/* What is going to happen, in the order of its time; at one time in the order in which it was
 * arranged. Times are microseconds of the world. One thread. */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds since the world began. */
typedef uint64_t sim_us;

#define SIM_MS ((sim_us)1000)
#define SIM_S ((sim_us)1000000)

enum sim_event_kind {
    SIM_EVENT_DELIVER, /* @data: a letter that arrives at host @who */
    SIM_EVENT_REPLY,   /* @data: a letter that arrives at an inbox */
    SIM_EVENT_WAKE,    /* call @who of the life @life goes on */
    SIM_EVENT_END,     /* the time of call @who is over */
    SIM_EVENT_TICK,    /* of host @who */
    SIM_EVENT_LANE,    /* host @who begins its next batch */
    SIM_EVENT_BOOT,    /* host @who is started */
    SIM_EVENT_STORE,   /* @data: a commit that is done late, in the store of site @who */
    SIM_EVENT_SYNC,    /* site @who's store writes to its disk */
    SIM_EVENT_FAULT,   /* window @who begins or ends (@life) */
    SIM_EVENT_CLIENT   /* client @who does something; @life: what for */
};

struct sim_event {
    sim_us at;
    uint64_t order;
    enum sim_event_kind kind;
    uint32_t who;
    uint64_t life;
    void *data;
};

struct sim_events {
    struct sim_event *heap;
    size_t count;
    size_t cap;
    uint64_t order;
};

void sim_events_release(struct sim_events *events);
/* Sets event->order. */
void sim_events_add(struct sim_events *events, struct sim_event event);
/* False: there is none. */
bool sim_events_take(struct sim_events *events, struct sim_event *ret_event);

#endif
