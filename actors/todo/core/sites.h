/* GET /api/sites: the sites of the lattice as this gateway's host knows them. A step of a call
 * (call.h). One thread. */
#ifndef GW_SITES_H
#define GW_SITES_H

#include "actors/todo/core/call.h"
#include "base/err.h"

/* More sites are not told of; those that are left out are the last that the host names. */
#define GW_SITES_MAX ((size_t)1024)

HR_MUST_CHECK enum hr_err gw_sites_get(struct gw_call *call);

#endif
