/* What changes amount to: of each field the change with the latest stamp, unless it removes the field, or a later one
 * deletes the value or everything. A value's version is the latest stamp of its changes.
 *
 * A site that was alone, and has cut off its feed, has forgotten what it had deleted. Whoever it meets afterwards may have an
 * older value that none of them can know to be deleted (docs/storage.md, A site and its group). So there are two
 * outcomes: one with such deletions, and one in which they count only for what their own site had made. */
#ifndef SIM_AMOUNT_H
#define SIM_AMOUNT_H

#include "sim/op.h"
#include "sim/world.h"

struct sim_field {
    struct sim_version stamp;
    uint32_t op; /* 0: removed */
};

struct sim_value {
    struct sim_version newest;
    struct sim_version dead;
    struct sim_version mark;
    struct sim_field fields[SIM_FIELDS];
};

struct sim_amount {
    struct sim_version clear;
    struct sim_value values[SIM_KEYS_MAX];
};

/* What the changes that @site has amount to. @forgetful: the second outcome. */
void sim_amount_of(const struct sim_world *world, uint32_t site, bool forgetful,
                   struct sim_amount *ret_amount);
bool sim_amount_lives(const struct sim_amount *amount, const struct sim_value *value,
                      struct sim_version stamp);
bool sim_amount_shows(const struct sim_amount *amount, const struct sim_value *value);

#endif
