/* A message under way, shared by all who are to get it. One thread. */
#ifndef SIM_LETTER_H
#define SIM_LETTER_H

#include <stdint.h>

#include "base/str.h"
#include "sim/events.h"

enum sim_letter_kind {
    SIM_LETTER_MESSAGE,
    SIM_LETTER_REFUSED, /* a reply: a no that another site may better */
    SIM_LETTER_JUDGED,  /* a reply: a no that rests on what is known there */
    SIM_LETTER_FAILED   /* a reply of the host: the call failed */
};

struct sim_letter {
    uint32_t refs;
    enum sim_letter_kind kind;
    sim_us due; /* whoever asked has given up then; 0: it does not say */
    struct hr_str subject;
    struct hr_str body;
    struct hr_str reply_to;
    char bytes[];
};

/* Copies everything. Returns own: sim_letter_unref. */
struct sim_letter *sim_letter_new(enum sim_letter_kind kind, struct hr_str subject,
                                  struct hr_str body, struct hr_str reply_to);
struct sim_letter *sim_letter_ref(struct sim_letter *letter);
/* Accepts NULL. */
void sim_letter_unref(struct sim_letter *letter);

#endif
