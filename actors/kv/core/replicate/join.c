/* Weighing of answers, and the decision. */
#include "actors/kv/core/replicate/join.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/pull.h"
#include "actors/kv/core/site/joining.h"
#include "actors/kv/core/site/site.h"

/* Room for the ids of all members in a line. */
#define IDS_BYTES_MAX (DKV_MEMBERS_MAX * 6u)

/* --- what is here ------------------------------------------------------------------------------------- */

/* Whether what @list's site has of one origin is here now, where its first list did not show it. A gap that this
 * site shares with the other one is none, if nothing comes out of it when asked for. */
static enum hr_err cover_row(struct dkv_tick *tick, uint16_t site, const struct dkv_have_row *row,
                             bool *ret_covered, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_progress progress;
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    enum hr_err err = dkv_pull_progress(tick, row->origin, &arena, &value, &progress, diag);
    hr_arena_release(&arena);
    *ret_covered = !err && progress.prefix >= row->high;
    if (err || *ret_covered || progress.prefix < row->prefix || tick->wary) {
        return err;
    }
    const struct dkv_pull rest = {row->origin, progress.prefix, row->high};
    struct hr_diag why;
    if (dkv_pull_from(tick, site, &rest, ret_covered, &why)) {
        dkv_tick_tell(tick, DKV_LOG_DEBUG, HR_STR("pull-failed"), row->origin, why.text);
        *ret_covered = false;
    }
    return HR_OK;
}

static enum hr_err cover_list(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                              const struct dkv_have *list, bool *ret_covered, struct hr_diag *diag)
{
    dkv_origin end = dkv_holdings_end(holdings);
    enum hr_err err = HR_OK;
    size_t at = 0;
    *ret_covered = true;
    for (size_t i = 0; !err && *ret_covered && i < list->count; i++) {
        const struct dkv_have_row *row = &list->rows[i];
        const struct dkv_have_row *own = dkv_holdings_row(&holdings->lists[0], &at, row->origin);
        bool here = row->high <= (own ? own->prefix : 0) || dkv_holdings_retired(holdings, row);
        if (row->origin <= end && !here) {
            err = cover_row(tick, list->site, row, ret_covered, diag);
        }
    }
    return err;
}

static struct dkv_join_answer *answer_of(struct dkv_join *join, const struct dkv_have *list)
{
    for (size_t i = 0; i < join->count; i++) {
        if (join->answers[i].site == list->site) {
            return &join->answers[i];
        }
    }
    if (join->count == DKV_MEMBERS_MAX) {
        return NULL;
    }
    struct dkv_join_answer *answer = &join->answers[join->count++];
    *answer = (struct dkv_join_answer){.site = list->site,
                                       .origin = list->origin,
                                       .clock = list->clock,
                                       .sound = list->state == DKV_SITE_ACTIVE ||
                                                list->boot_class == DKV_BOOT_INTACT,
                                       .covered = true};
    return answer;
}

enum hr_err dkv_join_weigh(struct dkv_tick *tick, struct dkv_join *join,
                           const struct dkv_holdings *holdings, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    if (join->pages > 0 && join->asked_as != holdings->asked_as) {
        *join = (struct dkv_join){0}; /* a new incarnation: what was said to the old one is void */
        return HR_OK;
    }
    join->asked_as = holdings->asked_as;
    join->pages++;
    for (size_t i = 1; !err && i < holdings->count; i++) {
        const struct dkv_have *list = &holdings->lists[i];
        struct dkv_join_answer *answer = answer_of(join, list);
        if (!answer || answer->origin != list->origin) {
            continue; /* it has too few pages then */
        }
        answer->clock = list->clock > answer->clock ? list->clock : answer->clock;
        answer->pages++;
        if (answer->covered) {
            err = cover_list(tick, holdings, list, &answer->covered, diag);
        }
    }
    return err;
}

/* --- the decision ------------------------------------------------------------------------------------- */

/* What a decision rests on. */
struct view {
    const struct dkv_tick *tick;
    struct dkv_site site;
    struct dkv_fences fences;
    bool transfer;
    bool patient;    /* join-timeout-ms are not over yet */
    bool persistent; /* ten times that are not over yet */
    size_t members;
    size_t counted;
    size_t sound;   /* of those counted */
    size_t lacking; /* answered, and have what is not here */
    size_t ahead;   /* likewise, and their clock may be why */
    size_t alive;   /* members that the host sees alive, and that are not counted */
    bool clocked;   /* a clock was among the answers by which to go */
    dkv_hlc lift;
    char ids[IDS_BYTES_MAX]; /* of members that are not counted */
    size_t ids_len;
};

static const struct dkv_join_answer *find_answer(const struct dkv_join *join, uint16_t site)
{
    for (size_t i = 0; i < join->count; i++) {
        if (join->answers[i].site == site && join->answers[i].pages == join->pages) {
            return &join->answers[i];
        }
    }
    return NULL;
}

static void note_id(struct view *view, uint16_t site)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct hr_str text = dkv_text_dec(digits, site);
    if (view->ids_len + text.len + 1 <= sizeof view->ids) {
        if (view->ids_len > 0) {
            view->ids[view->ids_len++] = ',';
        }
        memcpy(view->ids + view->ids_len, text.ptr, text.len);
        view->ids_len += text.len;
    }
}

static void count_member(struct view *view, const struct dkv_join *join, uint16_t id)
{
    const struct dkv_join_answer *answer = find_answer(join, id);
    const struct dkv_peer *peer = dkv_group_find(view->tick->group, id);
    bool ahead = answer && dkv_clock_ahead_ms(answer->clock, view->site.wall) > DKV_DRIFT_MS_MAX;
    view->members++;
    if (answer && !ahead) {
        view->clocked = true;
        view->lift = answer->clock > view->lift ? answer->clock : view->lift;
    }
    if (answer && answer->covered) {
        view->counted++;
        view->sound += answer->sound;
        return;
    }
    view->lacking += answer && !ahead;
    view->ahead += ahead;
    view->alive += !answer && peer && peer->alive;
    note_id(view, id);
}

static enum hr_err look(struct view *view, const struct dkv_join *join, struct hr_arena *arena,
                        struct hr_diag *diag)
{
    const struct dkv_tick *tick = view->tick;
    const struct dkv_env *env = tick->env;
    const struct hr_str key = DKV_KEY_SYNC;
    struct dkv_value transfer;
    enum hr_err err = dkv_site_open(env, tick->config, arena, &view->site, diag);
    if (!err) {
        err = dkv_fence_read(env, arena, &view->fences, diag);
    }
    if (!err) {
        err = env->get_many(env->arg, &key, 1, arena, &transfer, diag);
    }
    if (err) {
        return err;
    }
    /* An incarnation's number is the wall's time at its boot, or more. */
    uint64_t since = dkv_origin_inc(view->site.ctr.origin);
    uint64_t limit_ms = tick->config->join_timeout_ms;
    uint64_t passed_ms = view->site.wall > since ? view->site.wall - since : UINT64_MAX;
    view->patient = passed_ms < limit_ms;
    view->persistent = passed_ms < limit_ms * DKV_JOIN_PATIENCE;
    view->transfer = transfer.present;
    view->members = 1;
    for (size_t i = 0; i < view->site.cfg.member_count; i++) {
        uint16_t id = view->site.cfg.members[i];
        if (id != tick->config->site_id && !dkv_fence_is_out(&view->fences, id)) {
            count_member(view, join, id);
        }
    }
    return HR_OK;
}

/* How many other sites have all acknowledged writes between them, together with this one. */
static size_t quorum(const struct view *view)
{
    const struct dkv_config *config = view->tick->config;
    size_t wanted = config->wants == DKV_WANTS_ALL        ? view->members
                    : config->wants == DKV_WANTS_MAJORITY ? view->members / 2 + 1
                                                          : config->wanted_acks;
    wanted = wanted < view->members ? wanted : view->members;
    return view->members - wanted + (view->site.boot_class != DKV_BOOT_INTACT);
}

/* Why the site cannot serve yet; NULL: it can. */
static const char *hindrance(const struct view *view)
{
    const struct dkv_env *env = view->tick->env;
    bool all = view->counted + 1 == view->members;
    if (view->transfer) {
        return "the values are being transferred";
    }
    if (view->tick->config->join_any && !view->patient) {
        return NULL;
    }
    if (!env->settled(env->arg)) {
        return "the host does not know yet who is there";
    }
    if (!all && view->sound < quorum(view)) {
        return view->lacking > 0 ? "others have what is not here yet"
               : view->ahead > 0 ? "others have what is not here yet, and their clocks are ahead"
               : view->counted >= quorum(view) ? "the others may have lost something, too"
                                               : "too few others have answered";
    }
    if (view->tick->disputed) {
        return "another site says that this one was taken out of the group";
    }
    if (view->lacking > 0 && view->persistent) {
        return "others have what is not here yet";
    }
    if (view->alive > 0 && view->patient) {
        return "others that are alive have not answered";
    }
    if (view->members > 1 && !view->clocked && view->site.boot_class != DKV_BOOT_INTACT) {
        return "this site's clock is far behind the others'";
    }
    return NULL;
}

/* What is waited for, in @words between its parts. */
static void describe(const struct view *view, const char *why, const char *const words[5],
                     struct hr_diag *ret_text)
{
    char counted[DKV_DEC_BYTES_MAX];
    char of[DKV_DEC_BYTES_MAX];
    char needed[DKV_DEC_BYTES_MAX];
    size_t others = view->members - 1;
    size_t wanted = quorum(view) < others ? quorum(view) : others; /* all are always enough */
    HR_IGNORE(DKV_FAIL(ret_text, HR_OK, hr_str_c(why), hr_str_c(words[0]),
                       dkv_text_dec(counted, view->counted), hr_str_c(words[1]),
                       dkv_text_dec(of, others), hr_str_c(words[2]), dkv_text_dec(needed, wanted),
                       hr_str_c(words[3]), hr_str_of(view->ids, view->ids_len),
                       hr_str_c(words[4]))); /* only put together here */
}

static void tell_waiting(const struct view *view, const char *why)
{
    static const char *const words[5] = {
        "\" caught-up-with=", " of=", " needed=", " waiting-for=", ""};
    struct hr_diag text;
    struct hr_diag line;
    const struct dkv_env *env = view->tick->env;
    if (view->tick->start % DKV_JOIN_TELL_MS >= DKV_JOIN_TELL_MS / 2) {
        return; /* a tick of several says so, as each lasts up to two seconds */
    }
    describe(view, why, words, &text);
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=joining reason=\""),
                       hr_str_c(view->transfer ? why : text.text),
                       hr_str_c(view->transfer ? "\"" : ""))); /* likewise */
    env->log(env->arg, view->patient ? DKV_LOG_INFO : DKV_LOG_WARN, hr_str_c(line.text));
}

/* For whoever asks why the site does not serve, if it has been so for a while. */
static enum hr_err note_waiting(const struct view *view, const char *why, struct hr_diag *diag)
{
    static const char *const words[5] = {" (caught up with ", " of ", " other sites, ",
                                         " needed; it waits for those with the ids ", ")"};
    struct hr_diag text;
    if (view->patient) {
        return HR_OK;
    }
    describe(view, why, words, &text);
    return dkv_joining_note(view->tick->env, view->site.ctr.origin,
                            hr_str_c(view->transfer ? why : text.text), diag);
}

static void tell_joined(const struct view *view)
{
    char digits[DKV_DEC_BYTES_MAX];
    char of[DKV_DEC_BYTES_MAX];
    struct hr_diag line;
    const struct dkv_env *env = view->tick->env;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=joined caught-up-with="),
                       dkv_text_dec(digits, view->counted), HR_STR(" of="),
                       dkv_text_dec(of, view->members - 1),
                       hr_str_c(view->lacking > 0 ? " behind=true" : ""))); /* likewise */
    env->log(env->arg, view->lacking > 0 ? DKV_LOG_WARN : DKV_LOG_INFO, hr_str_c(line.text));
}

enum hr_err dkv_join_decide(struct dkv_tick *tick, const struct dkv_join *join,
                            enum dkv_site_state *ret_state, struct hr_diag *diag)
{
    struct view view = {.tick = tick};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = look(&view, join, &arena, diag);
    *ret_state = view.site.state;
    bool asked = join->pages > 0 && join->asked_as == view.site.ctr.origin;
    if (!err && view.site.state == DKV_SITE_SYNC && (asked || view.transfer)) {
        const char *why = hindrance(&view);
        if (why && !tick->told_joining) {
            tick->told_joining = true; /* in this tick */
            tell_waiting(&view, why);
            err = note_waiting(&view, why, diag);
        } else if (!why) {
            err = dkv_site_enter(tick->env, tick->config, view.site.ctr.origin, DKV_SITE_ACTIVE,
                                 view.lift, &arena, diag);
        }
        if (!err && !why) {
            *ret_state = DKV_SITE_ACTIVE;
            tell_joined(&view);
            err = dkv_joining_note(tick->env, view.site.ctr.origin, (struct hr_str){0}, diag);
        }
    }
    if (err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME) {
        err = HR_OK; /* the next round finds out */
    }
    hr_arena_release(&arena);
    return err;
}
