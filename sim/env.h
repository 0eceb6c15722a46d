/* The core's env in a world. Each call of it is a point where the host may be killed, the call may
 * fail, and others may go on first. One thread. */
#ifndef SIM_ENV_H
#define SIM_ENV_H

#include "actors/kv/core/env.h"
#include "sim/world.h"

struct dkv_env sim_env_of(struct sim_call *call);

/* For the parts of the env: a call of it begins. False: nothing works any more. */
bool sim_env_enter(struct sim_call *call);
/* It fails because the host is dead. */
enum hr_err sim_env_dead(struct hr_diag *diag);
/* The calls of env_bus.c. */
void sim_env_add_bus(struct dkv_env *env);

#endif
