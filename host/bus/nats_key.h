/* NKeys (NATS' ADR-14): Ed25519 keys in base 32 with a prefix that says whose they are, and a checksum.
 * What a client needs of them: its public key, from its seed. Pure. */
#ifndef HR_BUS_NATS_KEY_H
#define HR_BUS_NATS_KEY_H

#include "base/err.h"
#include "base/str.h"

#define HR_NKEY_BYTES 56u      /* of a public key */
#define HR_NKEY_SEED_BYTES 58u /* of a seed */

/* The public key `U...` of the user's seed @seed (`SU...`), terminated. Errors: HR_BAD_INPUT. */
HR_MUST_CHECK enum hr_err hr_nkey_public(struct hr_str seed, char ret_key[HR_NKEY_BYTES + 1]);

#endif
