/* Memory for the simulator itself, which has no answer to running out of it: it says so and ends. One
 * thread. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

#include "base/str.h"

/* Zeroed. Returns own: hr_free. */
void *sim_alloc(size_t size);
/* As hr_realloc; never NULL. */
void *sim_realloc(void *ptr, size_t size);
/* Returns own: hr_free; terminated. */
char *sim_copy(struct hr_str bytes);
/* Makes room for one more item in an array of @count, of which there is room for *@cap. */
void *sim_grow(void *array, size_t count, size_t *cap, size_t item_bytes);

#endif
