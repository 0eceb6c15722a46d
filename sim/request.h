/* How a host of a lattice asks for a client what the client wants (host/lattice/bus.h): the own site first,
 * then others; a refusal moves on; a write with a $request-id is repeated elsewhere after 1.7 s, and may be
 * begun for 1.5 s only; a read is asked of a second one as well when it takes long; a judgement does not count
 * while somebody else may have done it. One thread. */
#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include "sim/op.h"

/* A client's patience. */
#define SIM_PATIENCE_US (8 * SIM_S)

/* Begins @op. @only: the only host that is asked, SIM_NOWHERE: as the lattice does. */
void sim_request_begin(struct sim_world *world, struct sim_op *op, uint32_t only);
/* What was arranged with `what` for op @number. */
enum sim_request_event { SIM_REQUEST_MOVES_ON = 1, SIM_REQUEST_GIVES_UP = 2 };
void sim_request_event(struct sim_world *world, uint32_t number, enum sim_request_event what);
/* A reply has come to a client's inbox. Borrows @letter. */
void sim_request_reply(struct sim_world *world, const struct sim_letter *letter);
/* Whose inbox it is. False: nobody's. */
bool sim_request_of(struct sim_world *world, struct hr_str inbox, struct sim_op **ret_op,
                    uint32_t *ret_attempt);
/* Where the inbox's client stands. */
bool sim_request_site(struct sim_world *world, struct hr_str inbox, uint32_t *ret_site);

#endif
