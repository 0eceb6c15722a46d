/* The handle table: slots with a free list. Growth doubles up to HR_HANDLES_MAX. */
#include "host/run/handles.h"

#include "base/alloc.h"
#include "base/assert.h"

#define FIRST_CAP 32u

void hr_handles_init(struct hr_handles *handles)
{
    *handles = (struct hr_handles){.used = 1};
}

void hr_handles_release(struct hr_handles *handles)
{
    for (uint32_t i = 1; i < handles->used && handles->slots; i++) {
        hr_resource_unref(handles->slots[i].resource);
    }
    hr_free(handles->slots);
    hr_handles_init(handles);
}

void hr_resource_init(struct hr_resource *resource, const struct hr_resource_type *type)
{
    resource->type = type;
    resource->refs = 1;
}

void hr_resource_ref(struct hr_resource *resource)
{
    HR_ASSERT(resource->refs > 0);
    resource->refs++;
}

void hr_resource_unref(struct hr_resource *resource)
{
    if (!resource) {
        return;
    }
    HR_ASSERT(resource->refs > 0);
    resource->refs--;
    if (resource->refs == 0) {
        resource->type->destroy(resource);
    }
}

static enum hr_err grow(struct hr_handles *handles)
{
    uint32_t cap = handles->cap ? handles->cap * 2 : FIRST_CAP;
    if (cap > HR_HANDLES_MAX) {
        return HR_BUSY;
    }
    struct hr_handle_slot *slots = hr_realloc(handles->slots, cap * sizeof *slots);
    if (!slots) {
        return HR_NO_MEMORY;
    }
    for (uint32_t i = handles->cap; i < cap; i++) {
        slots[i] = (struct hr_handle_slot){0};
    }
    handles->slots = slots;
    handles->cap = cap;
    return HR_OK;
}

enum hr_err hr_handles_add(struct hr_handles *handles, struct hr_resource *resource,
                           uint32_t *ret_index)
{
    uint32_t index = handles->free;
    if (index == 0) {
        if (handles->used >= handles->cap) {
            enum hr_err err = grow(handles);
            if (err) {
                return err;
            }
        }
        index = handles->used++;
    } else {
        handles->free = handles->slots[index].next_free;
    }
    handles->slots[index] = (struct hr_handle_slot){.resource = resource};
    *ret_index = index;
    return HR_OK;
}

enum hr_err hr_handles_get(const struct hr_handles *handles, uint32_t index,
                           const struct hr_resource_type *type, struct hr_resource **ret_resource)
{
    if (index == 0 || index >= handles->used || !handles->slots) {
        return HR_NOT_FOUND;
    }
    struct hr_resource *resource = handles->slots[index].resource;
    if (!resource || resource->type != type) {
        return HR_NOT_FOUND;
    }
    *ret_resource = resource;
    return HR_OK;
}

enum hr_err hr_handles_take(struct hr_handles *handles, uint32_t index,
                            const struct hr_resource_type *type, struct hr_resource **ret_resource)
{
    enum hr_err err = hr_handles_get(handles, index, type, ret_resource);
    if (err) {
        return err;
    }
    handles->slots[index] = (struct hr_handle_slot){.next_free = handles->free};
    handles->free = index;
    return HR_OK;
}
