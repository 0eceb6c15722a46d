/* One tick: what its steps share, and how long they may take together (catchup.h). One thread.
 * Must not know: what the steps do. */
#ifndef DKV_TICK_H
#define DKV_TICK_H

#include "actors/kv/core/site/config.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/group.h"

#define DKV_TICK_MS_MAX ((dkv_mono_ms)2000)
/* Where the others are far away, so many questions' time longer, but not more than this: a step that asks one site
 * after the other has to come to its end within one tick. */
#define DKV_TICK_QUESTIONS 16u
#define DKV_TICK_EXTRA_MS_MAX ((dkv_mono_ms)8000)
/* From one to the next, if the one before is over. */
#define DKV_TICK_EVERY_MS 500u

struct dkv_tick {
    const struct dkv_env *env;
    const struct dkv_config *config;
    const struct dkv_group *group;
    dkv_mono_ms start;
    dkv_origin asked_as;      /* this site's incarnation when the others were last asked */
    struct dkv_fences fences; /* as they were then, or have been since the answers came */
    dkv_mono_ms extra;        /* beyond DKV_TICK_MS_MAX */
    bool told_not_held;       /* once a tick is enough */
    uint64_t lacking;         /* changes that could not be got, in the last round */
    bool counted;             /* all pages of it */
    const char *lost;  /* why this site needs a state transfer, if that showed in this tick */
    bool out;          /* the others say that this site was taken out (wipe.h) */
    bool disputed;     /* some of them say so */
    bool transferring; /* one is wanted or under way, or was in this tick */
    bool wary;         /* who is catching up is not asked for anything yet (catchup.c) */
    bool sibling;      /* another host of this site answers what is asked of others */
    bool told_joining;
};

/* Whether the tick's time is up: what is left is the next one's. */
bool dkv_tick_over(const struct dkv_tick *tick);
/* Logs one line of an event that has to do with @origin; 0: with none. */
void dkv_tick_tell(const struct dkv_tick *tick, enum dkv_log_level level, struct hr_str what,
                   dkv_origin origin, const char *reason);

#endif
