/* Time and voice of a tick. */
#include "actors/kv/core/site/tick.h"

#include "actors/kv/core/format/text.h"

bool dkv_tick_over(const struct dkv_tick *tick)
{
    return tick->env->mono(tick->env->arg) - tick->start >= DKV_TICK_MS_MAX + tick->extra;
}

/* One line of an event that has to do with an origin. */
void dkv_tick_tell(const struct dkv_tick *tick, enum dkv_log_level level, struct hr_str what,
                   dkv_origin origin, const char *reason)
{
    char digits[16];
    struct hr_diag line;
    dkv_text_hex(digits, origin, sizeof digits);
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event="), what, HR_STR(" origin="),
                       hr_str_of(digits, sizeof digits), HR_STR(" reason=\""), hr_str_c(reason),
                       HR_STR("\""))); /* only put together here */
    tick->env->log(tick->env->arg, level, hr_str_c(line.text));
}
