/* The links between the sites: one toxiproxy-server, with a proxy for each link, that delays, cuts, and cuts one way. */
#ifndef CLI_CLOUDS_LINKS_H
#define CLI_CLOUDS_LINKS_H

#include "base/diag.h"
#include "base/err.h"
#include "cli/clouds_state.h"

/* Starts the proxies, waits until they serve, and sets up all links. Records the process in @state.
 * Errors: HR_NOT_FOUND (no such program), HR_TIMEOUT, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_links_start(struct clouds_state *state, struct hr_diag *diag);

/* The file with what they print, into CLOUDS_PATH_BYTES_MAX bytes. Returns @path. */
const char *clouds_links_log(const struct clouds_state *state, char *path);

/* What is wrong with a link now. */
enum clouds_cut {
    CLOUDS_CUT_NOT,
    CLOUDS_CUT_SILENT,   /* nothing arrives, nothing is refused */
    CLOUDS_CUT_ONE_WAY,  /* of what the end with the lower number says, nothing arrives */
    CLOUDS_CUT_WAY_BACK, /* the same for the other end */
    CLOUDS_CUT_REFUSED,  /* connections end, and new ones are refused */
};

/* Cuts the link between two sites; with CLOUDS_CUT_NOT heals it. What it was before does not matter. */
HR_MUST_CHECK enum hr_err clouds_links_cut(const struct clouds_state *state, size_t link,
                                           enum clouds_cut cut, struct hr_diag *diag);
/* Errors: HR_IO (the proxies do not answer). */
HR_MUST_CHECK enum hr_err clouds_links_read(const struct clouds_state *state,
                                            enum clouds_cut ret_cuts[CLOUDS_LINKS],
                                            struct hr_diag *diag);

#endif
