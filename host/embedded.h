/* The actors that are compiled into the program, so that one file runs from any folder. */
#ifndef HR_EMBEDDED_H
#define HR_EMBEDDED_H

#include <stdbool.h>

#include "base/str.h"

/* The module of the embedded actor called @name ("todo", "ui", "kv"). Static storage. False if there
 * is none. Any thread. */
bool hr_embedded_actor(struct hr_str name, struct hr_str *ret_bytes);

#endif
