/* The processes of the clouds: their configuration, their start, and whether they serve. */
#ifndef CLI_CLOUDS_PARTS_H
#define CLI_CLOUDS_PARTS_H

#include "base/diag.h"
#include "base/err.h"
#include "cli/clouds_state.h"

/* Finds a program on PATH, where Debian puts servers, or among what scripts/deps.sh built beside this program; a name
 * with a slash is taken as it is. Into CLOUDS_FOLDER_BYTES_MAX bytes. Errors: HR_NOT_FOUND, with what to do. */
HR_MUST_CHECK enum hr_err clouds_part_find_program(const char *name, char *ret_path,
                                                   struct hr_diag *diag);

/* Writes the configuration of a part and starts it; records it in @state and saves that. Does not wait until it serves.
 * Errors: HR_NOT_FOUND (no such program), HR_IO, HR_DENIED, HR_NO_SPACE, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err clouds_part_start(struct clouds_state *state, size_t site,
                                            enum clouds_part part, struct hr_diag *diag);

/* The file with what a part prints. Into CLOUDS_PATH_BYTES_MAX bytes. Returns @path. */
const char *clouds_part_log(const struct clouds_state *state, size_t site, enum clouds_part part,
                            char *path);

/* Whether a redis-server answers PING on @port, within a fraction of a second. */
bool clouds_part_redis_answers(uint16_t port);

#endif
