/* The resources that a guest holds in one call: a table from small integers to typed, reference-
 * counted objects. A guest's integers are hostile: each use names the type that it expects, and an index that is
 * free, out of range or of another type is an error that traps the guest. Index 0 is never given out.
 *
 * A resource whose parent must outlive it (a stream of a body) holds a reference to the parent.
 * One thread.
 */
#ifndef HR_HANDLES_H
#define HR_HANDLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HR_HANDLES_MAX 4096u

struct hr_resource;

struct hr_resource_type {
    const char *name; /* as in WIT: "input-stream" */
    /* Frees what the resource owns, and itself; drops its references. */
    void (*destroy)(struct hr_resource *resource);
};

/* Embedded first in every resource. */
struct hr_resource {
    const struct hr_resource_type *type;
    uint32_t refs;
};

struct hr_handle_slot {
    struct hr_resource *resource; /* NULL = free */
    uint32_t next_free;
};

struct hr_handles {
    struct hr_handle_slot *slots;
    uint32_t cap;
    uint32_t used; /* slots ever handed out, index 0 included */
    uint32_t free; /* head of the free list, 0 = none */
};

void hr_handles_init(struct hr_handles *handles);
/* Drops every resource. Accepts a zeroed table. */
void hr_handles_release(struct hr_handles *handles);

/* Sets type and a reference count of 1, the caller's. */
void hr_resource_init(struct hr_resource *resource, const struct hr_resource_type *type);
void hr_resource_ref(struct hr_resource *resource);
/* Accepts NULL; destroys at zero. */
void hr_resource_unref(struct hr_resource *resource);

/* Takes the caller's reference (on success only). Errors: HR_BUSY (table full), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_handles_add(struct hr_handles *handles, struct hr_resource *resource,
                                         uint32_t *ret_index);
/* The resource behind @index, borrowed. HR_NOT_FOUND if there is none of this type. */
HR_MUST_CHECK enum hr_err hr_handles_get(const struct hr_handles *handles, uint32_t index,
                                         const struct hr_resource_type *type,
                                         struct hr_resource **ret_resource);
/* Takes it out; the table's reference goes to the caller. HR_NOT_FOUND as above. */
HR_MUST_CHECK enum hr_err hr_handles_take(struct hr_handles *handles, uint32_t index,
                                          const struct hr_resource_type *type,
                                          struct hr_resource **ret_resource);

#endif
