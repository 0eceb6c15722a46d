/* A binary heap. */
#include "sim/events.h"

#include "base/alloc.h"
#include "sim/memory.h"

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_events_release(struct sim_events *events)
{
    hr_free(events->heap);
    *events = (struct sim_events){0};
}

void sim_events_add(struct sim_events *events, struct sim_event event)
{
    events->heap = sim_grow(events->heap, events->count, &events->cap, sizeof *events->heap);
    event.order = ++events->order;
    size_t at = events->count++;
    while (at > 0 && before(&event, &events->heap[(at - 1) / 2])) {
        events->heap[at] = events->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    events->heap[at] = event;
}

bool sim_events_take(struct sim_events *events, struct sim_event *ret_event)
{
    if (events->count == 0) {
        return false;
    }
    *ret_event = events->heap[0];
    struct sim_event last = events->heap[--events->count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= events->count) {
            break;
        }
        if (child + 1 < events->count && before(&events->heap[child + 1], &events->heap[child])) {
            child++;
        }
        if (!before(&events->heap[child], &last)) {
            break;
        }
        events->heap[at] = events->heap[child];
        at = child;
    }
    if (events->count > 0) {
        events->heap[at] = last;
    }
    return true;
}
