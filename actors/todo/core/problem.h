/* Problem details (RFC 9457): how every error of the gateway looks. One thread for each
 * response. */
#ifndef GW_PROBLEM_H
#define GW_PROBLEM_H

#include "actors/todo/core/http.h"
#include "base/err.h"

/* A longer detail is cut between two characters. */
#define GW_PROBLEM_DETAIL_BYTES_MAX ((size_t)512)
/* What Retry-After says. */
#define GW_RETRY_AFTER_S "1"

/* Replaces what @response has by a problem of that status. @detail is a sentence for a person,
 * without line breaks; what in it is not UTF-8 is written as '?'. A 503 gets its Retry-After.
 * Errors: HR_NO_MEMORY, after which gw_problem_out_of_memory is what is left. */
HR_MUST_CHECK enum hr_err gw_problem(struct gw_response *response, unsigned status,
                                     struct hr_str detail);
/* A 503 made of literals: needs no memory and cannot fail. */
void gw_problem_out_of_memory(struct gw_response *response);
/* The reason phrase of a status that the gateway uses, which is also its problem's title. */
const char *gw_problem_title(unsigned status);

#endif
