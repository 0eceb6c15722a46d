/* Many short timers on one clock: a hashed wheel (Varghese and Lauck, 1987, scheme 6) of one slot
 * a millisecond. Starting and cancelling are O(1) and take no memory, so each call in flight can
 * carry its deadline. Timers with the same millisecond fire in the order in which they were started.
 * One thread. Knows nothing of libuv: the loop feeds it the time.
 */
#ifndef HR_TIMER_H
#define HR_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define HR_TIMER_SLOTS 4096

typedef void (*hr_timer_cb)(void *arg);

struct hr_timer {
    struct hr_list node;
    uint64_t due_ms;
    hr_timer_cb cb;
    void *arg;
};

struct hr_timers {
    struct hr_list slots[HR_TIMER_SLOTS];
    uint64_t now_ms; /* everything due at or before this has fired */
    uint32_t count;
};

void hr_timers_init(struct hr_timers *timers, uint64_t now_ms);
void hr_timer_init(struct hr_timer *timer, hr_timer_cb cb, void *arg);
bool hr_timer_active(const struct hr_timer *timer);
/* Keeps @timer until it fires or is stopped. @due_ms in the past fires at the next advance. */
void hr_timers_add(struct hr_timers *timers, struct hr_timer *timer, uint64_t due_ms);
void hr_timers_remove(struct hr_timers *timers, struct hr_timer *timer);
/* Fires all that is due at @now_ms; callbacks may start and stop timers. */
void hr_timers_advance(struct hr_timers *timers, uint64_t now_ms);
/* When to advance next: milliseconds from now_ms until the earliest timer, at most
 * HR_TIMER_SLOTS; UINT64_MAX with none. */
uint64_t hr_timers_next_ms(const struct hr_timers *timers);

#endif
