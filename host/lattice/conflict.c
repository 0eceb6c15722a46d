/* Who cannot be in a lattice together, and what to tell the people who have to sort it out. Stateless. */
#include <stdio.h>

#include "host/lattice/impl.h"

bool hr_lattice_is_earlier(const struct hr_lattice_announcement *a,
                           const struct hr_lattice_announcement *b)
{
    return a->started_ms != b->started_ms ? a->started_ms < b->started_ms : a->boot < b->boot;
}

bool hr_lattice_has_store(const struct hr_lattice_announcement *said)
{
    static const unsigned char none[HR_LATTICE_STORE_ID_BYTES];
    return memcmp(said->store_id, none, sizeof none) != 0;
}

static bool have_one_store(const struct hr_lattice_announcement *a,
                           const struct hr_lattice_announcement *b)
{
    return !hr_lattice_has_store(a) || !hr_lattice_has_store(b) ||
           memcmp(a->store_id, b->store_id, sizeof a->store_id) == 0;
}

bool hr_lattice_conflicts(const struct hr_lattice_announcement *a,
                          const struct hr_lattice_announcement *b, char *ret_why)
{
    bool same_site = hr_str_eq(a->site, b->site);
    if (hr_str_eq(a->host, b->host) && a->boot != b->boot) {
        snprintf(
            ret_why, HR_LATTICE_WHY_BYTES_MAX,
            "the host id %.*s is in use already, by a running host of site %.*s: give this host "
            "(site %.*s) an id of its own (HEDGEROW_HOST), or stop the other one",
            HR_STR_ARG(b->host), HR_STR_ARG(b->site), HR_STR_ARG(a->site));
        return true;
    }
    if (same_site && a->site_id != b->site_id) {
        snprintf(
            ret_why, HR_LATTICE_WHY_BYTES_MAX,
            "the site %.*s has the number %u at host %.*s, which was there before, and %u at host "
            "%.*s: give both the same (HEDGEROW_SITE_ID), or this one another HEDGEROW_SITE",
            HR_STR_ARG(a->site), b->site_id, HR_STR_ARG(b->host), a->site_id, HR_STR_ARG(a->host));
        return true;
    }
    if (!same_site && a->site_id == b->site_id) {
        snprintf(ret_why, HR_LATTICE_WHY_BYTES_MAX,
                 "the number %u is that of the site %.*s (host %.*s), which was there before, and "
                 "of the "
                 "site %.*s (host %.*s): give this one another HEDGEROW_SITE_ID",
                 a->site_id, HR_STR_ARG(b->site), HR_STR_ARG(b->host), HR_STR_ARG(a->site),
                 HR_STR_ARG(a->host));
        return true;
    }
    if (same_site && !have_one_store(a, b)) {
        snprintf(
            ret_why, HR_LATTICE_WHY_BYTES_MAX,
            "the site %.*s has another store at host %.*s, which was there before, than at host "
            "%.*s: give both the same (HEDGEROW_STORE), or this one another HEDGEROW_SITE",
            HR_STR_ARG(a->site), HR_STR_ARG(b->host), HR_STR_ARG(a->host));
        return true;
    }
    return false;
}
