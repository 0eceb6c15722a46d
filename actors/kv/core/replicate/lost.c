/* Reading what the host knows, matching it with numbers, and putting it into lines. */
#include "actors/kv/core/replicate/lost.h"

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"

#define CLEARED HR_STR("*")

/* --- what the host knows ------------------------------------------------------------------------------ */

/* The rows, while they grow. */
struct gathering {
    const struct dkv_tick *tick;
    struct hr_arena *arena;
    struct dkv_lost lost;
    size_t cap;
};

static bool is_own(const struct gathering *gathering, struct hr_str key, dkv_origin *ret_origin,
                   uint64_t *ret_seq)
{
    return dkv_key_change_parse(key, ret_origin, ret_seq) &&
           dkv_origin_site(*ret_origin) == gathering->tick->config->site_id;
}

static bool comes_before(const struct dkv_loss *a, const struct dkv_loss *b)
{
    return a->origin != b->origin ? a->origin < b->origin : a->seq < b->seq;
}

static enum hr_err grow(struct gathering *gathering)
{
    struct dkv_lost *lost = &gathering->lost;
    size_t cap = gathering->cap ? 2 * gathering->cap : 64;
    struct dkv_loss *rows = hr_arena_alloc(gathering->arena, cap * sizeof *rows);
    if (!rows) {
        return HR_NO_MEMORY;
    }
    if (lost->count > 0) {
        memcpy(rows, lost->rows, lost->count * sizeof *rows);
    }
    lost->rows = rows;
    gathering->cap = cap;
    return HR_OK;
}

/* In its place, which nearly always is the last one: commits come in the order of their numbers. */
static enum hr_err add_row(struct gathering *gathering, const struct dkv_loss *row)
{
    struct dkv_lost *lost = &gathering->lost;
    enum hr_err err = lost->count == gathering->cap ? grow(gathering) : HR_OK;
    if (err) {
        return err;
    }
    size_t at = lost->count++;
    while (at > 0 && comes_before(row, &lost->rows[at - 1])) {
        lost->rows[at] = lost->rows[at - 1];
        at--;
    }
    lost->rows[at] = *row;
    return HR_OK;
}

/* What a commit's keys are. */
struct outline {
    size_t changes; /* of this site */
    size_t leading; /* values before the first of them */
    size_t values;
    bool clears;
    dkv_origin oldest;  /* of the changes */
    dkv_origin current; /* the incarnation that made the commit; 0: it does not say */
};

static struct outline outline_of(const struct gathering *gathering,
                                 const struct dkv_lost_commit *commit)
{
    struct outline outline = {0};
    for (size_t i = 0; i < commit->count; i++) {
        dkv_origin origin;
        uint64_t seq;
        bool value = hr_str_starts(commit->keys[i], DKV_KEYS_RECORDS);
        if (is_own(gathering, commit->keys[i], &origin, &seq) &&
            (outline.changes++ == 0 || origin < outline.oldest)) {
            outline.oldest = origin;
        }
        outline.values += value;
        outline.leading += value && outline.changes == 0;
        outline.clears = outline.clears || hr_str_eq(commit->keys[i], DKV_KEY_CLEAR);
        bool progress = dkv_key_progress_parse(commit->keys[i], &origin) &&
                        dkv_origin_site(origin) == gathering->tick->config->site_id;
        outline.current = progress && origin > outline.current ? origin : outline.current;
    }
    return outline;
}

/* The names of the commit's values, in their order, and the sign of a deletion of everything. NULL: no memory. */
static struct hr_str *names_of(const struct gathering *gathering,
                               const struct dkv_lost_commit *commit, const struct outline *outline,
                               size_t *ret_count)
{
    size_t count = 0;
    struct hr_str *names = hr_arena_alloc(gathering->arena, (outline->values + 1) * sizeof *names);
    for (size_t i = 0; names && i < commit->count; i++) {
        if (hr_str_starts(commit->keys[i], DKV_KEYS_RECORDS)) {
            names[count] =
                hr_arena_copy(gathering->arena, hr_str_from(commit->keys[i], DKV_KEYS_RECORDS.len));
            names = names[count++].ptr ? names : NULL;
        }
    }
    if (names && outline->clears) {
        names[count++] = CLEARED;
    }
    *ret_count = count;
    return names;
}

static enum hr_err take_commit(struct gathering *gathering, const struct dkv_lost_commit *commit)
{
    const struct dkv_env *env = gathering->tick->env;
    struct outline outline = outline_of(gathering, commit);
    size_t name_count;
    size_t at = 0;
    enum hr_err err = HR_OK;
    if (outline.changes == 0 || (outline.values == 0 && !outline.clears)) {
        /* No write of this site, or one of which it does not say what it was about: numbers that were filled, say. */
        env->lost_forget(env->arg, commit->id);
        return HR_OK;
    }
    struct hr_str *names = names_of(gathering, commit, &outline, &name_count);
    size_t *left = hr_arena_alloc(gathering->arena, sizeof *left);
    if (!names || !left) {
        return HR_NO_MEMORY;
    }
    *left = outline.changes;
    bool paired =
        outline.leading == outline.changes && !outline.clears && outline.oldest >= outline.current;
    for (size_t i = 0; !err && i < commit->count; i++) {
        struct dkv_loss row = {
            .id = commit->id, .left = left, .names = names, .name_count = name_count};
        if (is_own(gathering, commit->keys[i], &row.origin, &row.seq)) {
            row.pulled = row.origin < outline.current;
            row.names = paired ? names + at++ : names;
            row.name_count = paired ? 1 : name_count;
            err = add_row(gathering, &row);
        }
    }
    return err;
}

enum hr_err dkv_lost_read(const struct dkv_tick *tick, struct hr_arena *arena,
                          struct dkv_lost *ret_lost, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct gathering gathering = {.tick = tick, .arena = arena};
    struct dkv_lost_page page = {.more = true};
    uint64_t after = 0;
    enum hr_err err = HR_OK;
    while (!err && page.more) {
        struct hr_arena scratch;
        hr_arena_init(&scratch, DKV_ARENA_BYTES_MAX);
        err = env->lost_commits(env->arg, after, &scratch, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            after = page.commits[i].id;
            err = take_commit(&gathering, &page.commits[i]);
        }
        page.more = page.more && page.count > 0;
        hr_arena_release(&scratch);
    }
    if (!err) {
        *ret_lost = gathering.lost;
    }
    return err;
}

/* --- lines -------------------------------------------------------------------------------------------- */

struct line {
    dkv_origin origin;
    uint64_t first; /* 0: it is empty */
    uint64_t last;
    struct hr_str names[DKV_LOST_NAMES_MAX];
    size_t count;
    size_t bytes;
    size_t more;
    bool unknown;
    bool doubtful;              /* others may have them */
    const struct hr_str *taken; /* whose names were taken last */
};

static size_t append(char *text, size_t at, struct hr_str piece)
{
    size_t room = DKV_LOST_LINE_BYTES_MAX - at;
    size_t len = piece.len < room ? piece.len : room;
    if (len > 0) {
        memcpy(text + at, piece.ptr, len);
    }
    return at + len;
}

static void log_line(const struct dkv_tick *tick, struct line *line)
{
    char text[DKV_LOST_LINE_BYTES_MAX];
    char origin[16];
    char digits[DKV_DEC_BYTES_MAX];
    if (line->first == 0) {
        return;
    }
    dkv_text_hex(origin, line->origin, sizeof origin);
    size_t at = append(text, 0,
                       line->doubtful ? HR_STR("event=writes-doubtful origin=")
                                      : HR_STR("event=writes-lost origin="));
    at = append(text, at, hr_str_of(origin, sizeof origin));
    at = append(text, at, HR_STR(" first="));
    at = append(text, at, dkv_text_dec(digits, line->first));
    at = append(text, at, HR_STR(" last="));
    at = append(text, at, dkv_text_dec(digits, line->last));
    at = append(text, at, line->unknown ? HR_STR(" keys=unknown") : HR_STR(" keys="));
    for (size_t i = 0; i < line->count; i++) {
        at = append(text, at, i > 0 ? HR_STR(",") : (struct hr_str){0});
        at = append(text, at, line->names[i]);
    }
    if (line->more > 0) {
        at = append(text, at, HR_STR(" more="));
        at = append(text, at, dkv_text_dec(digits, line->more));
    }
    tick->env->log(tick->env->arg, DKV_LOG_ERROR, hr_str_of(text, at));
    *line = (struct line){.origin = line->origin, .doubtful = line->doubtful};
}

static bool has_name(const struct line *line, struct hr_str name)
{
    for (size_t i = 0; i < line->count; i++) {
        if (hr_str_eq(line->names[i], name)) {
            return true;
        }
    }
    return false;
}

/* Room for what is around the names. */
#define LINE_FRAME_BYTES ((size_t)160)

static bool has_room(const struct line *line, const struct dkv_loss *row)
{
    size_t bytes = line->bytes;
    for (size_t i = 0; i < row->name_count; i++) {
        bytes += row->names[i].len + 1;
    }
    return line->count + row->name_count <= DKV_LOST_NAMES_MAX &&
           bytes + LINE_FRAME_BYTES <= DKV_LOST_LINE_BYTES_MAX;
}

static void add_names(struct line *line, const struct dkv_loss *row)
{
    for (size_t i = 0; i < row->name_count && row->names != line->taken; i++) {
        struct hr_str name = row->names[i];
        if (has_name(line, name)) {
            continue;
        }
        if (line->count == DKV_LOST_NAMES_MAX ||
            line->bytes + name.len + 1 + LINE_FRAME_BYTES > DKV_LOST_LINE_BYTES_MAX) {
            line->more++;
            continue;
        }
        line->names[line->count++] = name;
        line->bytes += name.len + 1;
    }
    line->taken = row->names;
}

/* Goes on in the same line if numbers follow each other and there is room for the names. @row NULL: nobody knows what they were. */
static void add_numbers(const struct dkv_tick *tick, struct line *line, uint64_t first,
                        uint64_t last, const struct dkv_loss *row)
{
    bool goes_on = line->first > 0 && line->last + 1 == first && line->unknown == !row &&
                   (!row || row->names == line->taken || has_room(line, row));
    if (!goes_on) {
        log_line(tick, line);
        line->first = first;
        line->unknown = !row;
    }
    line->last = last;
    if (row) {
        add_names(line, row);
        line->more += row->pulled;
    }
}

void dkv_lost_tell(const struct dkv_tick *tick, struct dkv_lost *lost, dkv_origin origin,
                   uint64_t first, uint64_t last)
{
    struct line line = {.origin = origin};
    uint64_t next = first;
    for (size_t i = 0; i < lost->count; i++) {
        struct dkv_loss *row = &lost->rows[i];
        if (row->origin != origin || row->seq < next || row->seq > last) {
            continue;
        }
        if (row->seq > next) {
            add_numbers(tick, &line, next, row->seq - 1, NULL);
        }
        add_numbers(tick, &line, row->seq, row->seq, row);
        row->told = true;
        next = row->seq + 1;
    }
    if (next <= last) {
        add_numbers(tick, &line, next, last, NULL);
    }
    log_line(tick, &line);
}

/* --- what is settled ---------------------------------------------------------------------------------- */

/* Whether @value is a number without a change. A damaged one is a change. */
static enum hr_err is_noop(struct dkv_value value, struct hr_arena *arena, bool *ret_noop)
{
    struct dkv_change change = {.op = DKV_CHANGE_SET};
    enum hr_err err = value.present ? dkv_change_decode(value.bytes, arena, &change, NULL) : HR_OK;
    *ret_noop = !err && change.op == DKV_CHANGE_NOOP;
    return err == HR_NO_MEMORY ? err : HR_OK;
}

/* Tells those of @rows, numbers that are counted as held, in whose places nothing but a number is; and those that are not in the feed
 * as doubtful: they may have been filled, too. */
static enum hr_err tell_held(const struct dkv_tick *tick, struct dkv_loss *rows, size_t count,
                             struct hr_diag *diag)
{
    struct hr_str keys[DKV_LOST_READS_MAX];
    struct dkv_value values[DKV_LOST_READS_MAX];
    struct line line = {.origin = rows[0].origin};
    struct line doubtful = {.origin = rows[0].origin, .doubtful = true};
    struct hr_arena arena;
    enum hr_err err = HR_OK;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    for (size_t i = 0; !err && i < count; i++) {
        keys[i] = dkv_key_change(&arena, rows[i].origin, rows[i].seq);
        err = keys[i].ptr ? HR_OK : HR_NO_MEMORY;
    }
    if (!err) {
        err = tick->env->get_many(tick->env->arg, keys, count, &arena, values, diag);
    }
    for (size_t i = 0; !err && i < count; i++) {
        bool noop;
        err = is_noop(values[i], &arena, &noop);
        if (!err && !rows[i].told && (noop || !values[i].present)) {
            add_numbers(tick, noop ? &line : &doubtful, rows[i].seq, rows[i].seq, &rows[i]);
        }
        rows[i].told = true; /* or there is nothing to tell */
    }
    log_line(tick, &line);
    log_line(tick, &doubtful);
    hr_arena_release(&arena);
    return err;
}

/* What was got back, lost, and got back once more is in two commits, so that their numbers need not follow each other. */
static void settle(const struct dkv_tick *tick, struct dkv_loss *row)
{
    if (!row->settled) {
        row->settled = true;
        --*row->left;
    }
    if (*row->left == 0) {
        tick->env->lost_forget(tick->env->arg, row->id);
    }
}

enum hr_err dkv_lost_settle(const struct dkv_tick *tick, struct dkv_lost *lost, dkv_origin origin,
                            const struct dkv_progress *progress, bool over, struct hr_diag *diag)
{
    size_t first = 0;
    enum hr_err err = HR_OK;
    while (first < lost->count && lost->rows[first].origin != origin) {
        first++;
    }
    size_t end = first;
    while (end < lost->count && lost->rows[end].origin == origin) {
        end++;
    }
    size_t held = first;
    while (held < end && lost->rows[held].seq <= progress->prefix) {
        held++;
    }
    for (size_t i = first; !err && i < held; i += DKV_LOST_READS_MAX) {
        size_t part = held - i < DKV_LOST_READS_MAX ? held - i : DKV_LOST_READS_MAX;
        err = tell_held(tick, &lost->rows[i], part, diag);
    }
    if (!err && over && held < end) {
        uint64_t from = progress->high > 0 ? progress->high + 1 : lost->rows[held].seq;
        dkv_lost_tell(tick, lost, origin, from, lost->rows[end - 1].seq);
    }
    for (size_t i = first; !err && i < (over ? end : held); i++) {
        settle(tick, &lost->rows[i]);
    }
    return err;
}
