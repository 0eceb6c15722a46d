/* The timer wheel. Slot = due_ms mod HR_TIMER_SLOTS; a slot may hold timers of later rounds, which
 * are passed over until their own time. */
#include "host/loop/timer.h"

#include "base/assert.h"

void hr_timers_init(struct hr_timers *timers, uint64_t now_ms)
{
    for (uint32_t i = 0; i < HR_TIMER_SLOTS; i++) {
        hr_list_init(&timers->slots[i]);
    }
    timers->now_ms = now_ms;
    timers->count = 0;
}

void hr_timer_init(struct hr_timer *timer, hr_timer_cb cb, void *arg)
{
    hr_list_init(&timer->node);
    timer->due_ms = 0;
    timer->cb = cb;
    timer->arg = arg;
}

bool hr_timer_active(const struct hr_timer *timer)
{
    return !hr_list_empty(&timer->node);
}

void hr_timers_add(struct hr_timers *timers, struct hr_timer *timer, uint64_t due_ms)
{
    hr_timers_remove(timers, timer);
    timer->due_ms = due_ms > timers->now_ms ? due_ms : timers->now_ms + 1;
    hr_list_push_back(&timers->slots[timer->due_ms % HR_TIMER_SLOTS], &timer->node);
    timers->count++;
}

void hr_timers_remove(struct hr_timers *timers, struct hr_timer *timer)
{
    if (hr_timer_active(timer)) {
        hr_list_remove(&timer->node);
        HR_ASSERT(timers->count > 0);
        timers->count--;
    }
}

/* Fires what is due in the slot of the millisecond now_ms. */
static void fire_slot(struct hr_timers *timers)
{
    struct hr_list *slot = &timers->slots[timers->now_ms % HR_TIMER_SLOTS];
    struct hr_list passed;
    hr_list_init(&passed);
    struct hr_list *node;
    while ((node = hr_list_pop_front(slot))) {
        struct hr_timer *timer = HR_LIST_OWNER(node, struct hr_timer, node);
        if (timer->due_ms > timers->now_ms) {
            hr_list_push_back(&passed, &timer->node);
            continue;
        }
        timers->count--;
        timer->cb(timer->arg);
    }
    hr_list_move_all(slot, &passed);
}

void hr_timers_advance(struct hr_timers *timers, uint64_t now_ms)
{
    while (timers->now_ms < now_ms) {
        if (timers->count == 0) {
            timers->now_ms = now_ms;
            return;
        }
        timers->now_ms++;
        fire_slot(timers);
    }
}

uint64_t hr_timers_next_ms(const struct hr_timers *timers)
{
    if (timers->count == 0) {
        return UINT64_MAX;
    }
    for (uint64_t ahead = 1; ahead <= HR_TIMER_SLOTS; ahead++) {
        uint64_t due_ms = timers->now_ms + ahead;
        const struct hr_list *slot = &timers->slots[due_ms % HR_TIMER_SLOTS];
        for (const struct hr_list *node = slot->next; node != slot; node = node->next) {
            if (HR_LIST_OWNER(node, struct hr_timer, node)->due_ms <= due_ms) {
                return ahead;
            }
        }
    }
    return HR_TIMER_SLOTS;
}
