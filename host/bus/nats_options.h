/* What struct hr_bus_nats_options asks for, checked and put into nats.c's own form. Passwords and
 * tokens stay in there: nothing that this gives out for people holds one. */
#ifndef HR_BUS_NATS_OPTIONS_H
#define HR_BUS_NATS_OPTIONS_H

#include <nats/nats.h>

#include "host/bus/nats.h"

/* Milliseconds for one server to take us, from the address look-up to its first answer. */
#define HR_BUS_NATS_CONNECT_MS 2000

/* Checks all of @options, reading the files that it names, and makes two sets: for the bus' own connection
 * and for the one that probes. Errors: as hr_bus_nats_open. Returns own: natsOptions_Destroy. */
HR_MUST_CHECK enum hr_err hr_bus_nats_options_make(const struct hr_bus_nats_options *options,
                                                   natsOptions **ret_main, natsOptions **ret_probe,
                                                   bool *ret_tls, struct hr_diag *diag);
/* @url without what is before its last '@'. */
void hr_bus_nats_options_public_url(struct hr_str url, char ret_text[HR_BUS_NATS_URL_BYTES_MAX]);

#endif
