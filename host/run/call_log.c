/* Logging of calls: those that fail or are refused as warnings, those that end well at debug level, as a
 * call does that is cancelled because the host stops: that is no failure of the actor's.
 *
 * What comes from outside must not fill the log: of warnings there are HR_CALL_LOG_LINES_MAX a second, and the
 * first one of a later second says how many were left out. Metrics count all. */
#include "host/run/call_log.h"

#include <stdatomic.h>

#include "host/obs/log.h"
#include "host/obs/metrics.h"

#define NS_PER_S ((uint64_t)1000000000)

static _Atomic uint64_t window; /* the second that is counted in */
static _Atomic uint32_t lines;  /* warnings in it, told or not */

/* Whether one more warning may be told. Threads that meet at a second's turn may tell a few more. */
static bool may_warn(void)
{
    uint64_t second = hr_now_ns() / NS_PER_S;
    uint64_t last = atomic_load_explicit(&window, memory_order_relaxed);
    if (second != last && atomic_compare_exchange_strong(&window, &last, second)) {
        uint32_t count = atomic_exchange(&lines, 0);
        if (count > HR_CALL_LOG_LINES_MAX) {
            HR_LOG(HR_LOG_WARN, "call.log_cut_short",
                   HR_LOG_INT("left_out", count - HR_CALL_LOG_LINES_MAX));
        }
    }
    return atomic_fetch_add_explicit(&lines, 1, memory_order_relaxed) < HR_CALL_LOG_LINES_MAX;
}

void hr_call_ended(const struct hr_fiber *fiber, enum hr_err err, const char *cause)
{
    const struct hr_actor *actor = fiber->actor;
    uint64_t took_ns = hr_now_ns() - fiber->submitted_ns;
    if (actor->calls[fiber->export_id]) {
        hr_counter_add(actor->calls[fiber->export_id], 1);
        hr_counter_add(actor->errors[fiber->export_id], err != HR_OK);
        hr_histogram_observe(actor->latency[fiber->export_id], took_ns);
    }
    if (!err) {
        if (hr_log_enabled(HR_LOG_DEBUG)) {
            HR_LOG(HR_LOG_DEBUG, "call.ended", HR_LOG_CSTR("actor", actor->name),
                   HR_LOG_CSTR("export", hr_actor_export_name(fiber->export_id)),
                   HR_LOG_INT("us", took_ns / 1000),
                   HR_LOG_STR("trace", hr_trace_id(&fiber->trace)));
        }
        return;
    }
    if (err == HR_CANCELED ? !hr_log_enabled(HR_LOG_DEBUG) : !may_warn()) {
        return;
    }
    HR_LOG(err == HR_CANCELED ? HR_LOG_DEBUG : HR_LOG_WARN, "call.failed",
           HR_LOG_CSTR("actor", actor->name),
           HR_LOG_CSTR("export", hr_actor_export_name(fiber->export_id)),
           HR_LOG_CSTR("error", hr_err_name(err)), HR_LOG_CSTR("cause", cause),
           HR_LOG_INT("ms", took_ns / 1000000), HR_LOG_STR("trace", hr_trace_id(&fiber->trace)));
}

void hr_call_refused(const struct hr_actor *actor, enum hr_export id, enum hr_err err)
{
    if (actor->refused[id]) {
        hr_counter_add(actor->refused[id], 1);
    }
    if (!may_warn()) {
        return;
    }
    HR_LOG(HR_LOG_WARN, "call.refused", HR_LOG_CSTR("actor", actor->name),
           HR_LOG_CSTR("export", hr_actor_export_name(id)), HR_LOG_CSTR("error", hr_err_name(err)));
}
