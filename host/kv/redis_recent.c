/* What a store remembers of its newest commits, if its server may lose some (keeps_all is false): the names of the
 * keys that each of them put and deleted, no values. redis_impl.h has the lists and their locks.
 *
 * When the server's process is another one, the first port that greets it takes all that is remembered of the
 * processes before it, and asks, before it sends anything else, which of these keys are absent. Of each key it is the
 * newest mention that counts: a key that was put last is to be there. A commit is lost if a key that it put
 * last is absent. That finds every lost commit that puts a key of its own which nobody puts again soon; one that
 * only writes over what others wrote may be lost unnoticed.
 *
 * A commit whose outcome is not known takes part with what it names, so that what it may have deleted is not missed, and
 * is never lost itself. Not known here is what other hosts do to the same store: what they deleted is taken for lost. Of two
 * ports' commits the order is that of their answers.
 *
 * What is remembered is always the newest without a gap, or what a forgotten one deleted would be taken for lost: what finds no
 * room makes everything before it forgotten. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/redis_impl.h"

/* Words of a commit's command (redis_script.c). */
#define WORDS_BEFORE_NAME 3u
#define WORDS_OF_CHECK 3u

struct hr_kv_redis_recent_commit {
    struct hr_list node;
    uint64_t id; /* in the order of the answers, from 1 */
    uint64_t at_ns;
    uint64_t process; /* the print of the server's run_id */
    bool certain;     /* the server has done it; else it may have */
    bool lost;
    uint32_t put_count;
    uint32_t key_count; /* first those that it put, then those that it deleted */
    size_t bytes;       /* of this allocation */
    struct hr_str name; /* of the bucket's hash */
    struct hr_str keys[];
};

static struct hr_kv_redis *store_of(const struct hr_kv_redis_port *port)
{
    return (struct hr_kv_redis *)port->base.kv; /* its first member */
}

static struct hr_kv_redis_recent_commit *commit_of(struct hr_list *node)
{
    return HR_LIST_OWNER(node, struct hr_kv_redis_recent_commit, node);
}

static void free_all(struct hr_list *list)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(list))) {
        hr_free(commit_of(node));
    }
}

/* ---- lists that are bounded ---- */

/* Before @next; the list itself: at its end. */
static void insert(struct hr_kv_redis_commits *commits, struct hr_list *next,
                   struct hr_kv_redis_recent_commit *commit)
{
    hr_list_push_back(next, &commit->node);
    commits->count++;
    commits->bytes += commit->bytes;
}

static void add(struct hr_kv_redis_commits *commits, struct hr_kv_redis_recent_commit *commit)
{
    insert(commits, &commits->list, commit);
}

static void take(struct hr_kv_redis_commits *commits, struct hr_kv_redis_recent_commit *commit)
{
    hr_list_remove(&commit->node);
    commits->count--;
    commits->bytes -= commit->bytes;
}

/* Whether the oldest one has to go. */
static bool is_over(const struct hr_kv_redis_commits *commits)
{
    return commits->count > HR_KV_REDIS_RECENT_COMMITS_MAX ||
           commits->bytes > HR_KV_REDIS_RECENT_BYTES_MAX;
}

static void forget_first(struct hr_kv_redis *kv)
{
    struct hr_kv_redis_recent_commit *first = commit_of(kv->recent.list.next);
    kv->recent_old -= first->process != kv->run_id.print;
    take(&kv->recent, first);
    hr_free(first);
}

static void forget_all(struct hr_kv_redis *kv)
{
    atomic_fetch_add(&kv->unremembered, kv->recent.count);
    while (kv->recent.count > 0) {
        forget_first(kv);
    }
}

static void keep_bounded(struct hr_kv_redis *kv)
{
    while (is_over(&kv->recent)) {
        atomic_fetch_add(&kv->unremembered, 1);
        forget_first(kv);
    }
}

static void make_room(struct hr_kv_redis *kv, uint64_t now_ns)
{
    keep_bounded(kv);
    while (kv->recent.count > 0 && now_ns - commit_of(kv->recent.list.next)->at_ns >
                                       (uint64_t)HR_KV_REDIS_RECENT_MS * 1000000u) {
        forget_first(kv);
    }
}

/* ---- remembering ---- */

/* Reads our own writing: the next "$<len>\r\n<bytes>\r\n". */
static struct hr_str next_word(struct hr_str *rest)
{
    uint64_t len = 0;
    size_t end = hr_str_find(*rest, '\r', 0);
    HR_ASSERT(end != SIZE_MAX && end > 1 && rest->ptr[0] == '$');
    HR_ASSERT(hr_str_to_u64(hr_str_of(rest->ptr + 1, end - 1), &len));
    HR_ASSERT(end + 2 + len + 2 <= rest->len);
    struct hr_str word = hr_str_of(rest->ptr + end + 2, (size_t)len);
    *rest = hr_str_from(*rest, end + 2 + (size_t)len + 2);
    return word;
}

static void skip_words(struct hr_str *rest, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        HR_IGNORE(next_word(rest).ptr == NULL); /* it is passed over */
    }
}

static uint32_t next_number(struct hr_str *rest)
{
    uint64_t number = 0;
    HR_ASSERT(hr_str_to_u64(next_word(rest), &number));
    HR_ASSERT(number <= HR_KV_COMMIT_OPS_MAX);
    return (uint32_t)number;
}

/* What a commit's command says up to its puts. */
struct outline {
    struct hr_str name;
    uint32_t put_count;
    uint32_t delete_count;
    struct hr_str rest;
};

static struct outline outline_of(const struct hr_kv_redis_op *op)
{
    struct hr_str command = hr_str_of(op->command, op->command_len);
    struct outline outline = {.rest = hr_str_from(command, hr_str_find(command, '\n', 0) + 1)};
    skip_words(&outline.rest, WORDS_BEFORE_NAME);
    outline.name = next_word(&outline.rest);
    skip_words(&outline.rest, 1);
    uint32_t check_count = next_number(&outline.rest);
    outline.put_count = next_number(&outline.rest);
    outline.delete_count = next_number(&outline.rest);
    skip_words(&outline.rest, (size_t)WORDS_OF_CHECK * check_count);
    return outline;
}

static struct hr_str copy_word(char **to, struct hr_str word)
{
    struct hr_str copy = hr_str_of(*to, word.len);
    memcpy(*to, word.ptr, word.len);
    *to += word.len;
    return copy;
}

static size_t bytes_of_keys(const struct outline *outline)
{
    size_t bytes = 0;
    struct hr_str rest = outline->rest;
    for (uint32_t i = 0; i < outline->put_count + outline->delete_count; i++) {
        bytes += next_word(&rest).len;
        skip_words(&rest, i < outline->put_count ? 1 : 0);
    }
    return bytes;
}

/* NULL: there is no memory for it, or it is too large. */
static struct hr_kv_redis_recent_commit *commit_new(const struct hr_kv_redis_op *op)
{
    struct outline outline = outline_of(op);
    uint32_t count = outline.put_count + outline.delete_count;
    struct hr_kv_redis_recent_commit *commit;
    size_t bytes =
        sizeof *commit + count * sizeof *commit->keys + outline.name.len + bytes_of_keys(&outline);
    commit = bytes <= HR_KV_REDIS_RECENT_BYTES_MAX ? hr_alloc(bytes) : NULL;
    if (!commit) {
        return NULL;
    }
    char *to = (char *)&commit->keys[count];
    commit->put_count = outline.put_count;
    commit->key_count = count;
    commit->bytes = bytes;
    commit->name = copy_word(&to, outline.name);
    for (uint32_t i = 0; i < count; i++) {
        commit->keys[i] = copy_word(&to, next_word(&outline.rest));
        skip_words(&outline.rest, i < outline.put_count ? 1 : 0);
    }
    return commit;
}

void hr_kv_redis_recent_note(const struct hr_kv_redis_op *op, bool certain)
{
    struct hr_kv_redis *kv = store_of(op->port);
    if (kv->keeps_all || op->kind != HR_KV_REDIS_OP_COMMIT) {
        return;
    }
    struct hr_kv_redis_recent_commit *commit = commit_new(op);
    uint64_t now_ns = hr_now_ns();
    uv_mutex_lock(&kv->lock);
    if (commit) {
        commit->id = ++kv->recent_id;
        commit->at_ns = now_ns;
        commit->process = op->port->run_id.print;
        commit->certain = certain;
        kv->recent_old += commit->process != kv->run_id.print;
        add(&kv->recent, commit);
        make_room(kv, now_ns);
    } else {
        atomic_fetch_add(&kv->unremembered, 1);
        forget_all(kv);
    }
    uv_mutex_unlock(&kv->lock);
}

/* ---- asking ---- */

/* One mention of a key. */
struct hr_kv_redis_mention {
    struct hr_kv_redis_recent_commit *commit;
    uint32_t key;
};

static struct hr_str key_of(const struct hr_kv_redis_mention *mention)
{
    return mention->commit->keys[mention->key];
}

/* By bucket and key, of each the newest first. */
static int compare(const void *left, const void *right)
{
    const struct hr_kv_redis_mention *a = left;
    const struct hr_kv_redis_mention *b = right;
    int order = hr_str_cmp(a->commit->name, b->commit->name);
    order = order ? order : hr_str_cmp(key_of(a), key_of(b));
    if (order == 0) {
        uint64_t x = a->commit->id == b->commit->id ? a->key : a->commit->id;
        uint64_t y = a->commit->id == b->commit->id ? b->key : b->commit->id;
        order = x < y ? 1 : x > y ? -1 : 0;
    }
    return order;
}

static bool same_key(const struct hr_kv_redis_mention *a, const struct hr_kv_redis_mention *b)
{
    return hr_str_eq(a->commit->name, b->commit->name) && hr_str_eq(key_of(a), key_of(b));
}

static size_t count_keys(struct hr_list *list)
{
    size_t count = 0;
    for (struct hr_list *node = list->next; node != list; node = node->next) {
        count += commit_of(node)->key_count;
    }
    return count;
}

/* The mentions that are to be asked after: of each key the newest one, where that is a put. Returns own; NULL: no memory. */
static struct hr_kv_redis_mention *mentions_of(struct hr_list *list, size_t *ret_count)
{
    size_t count = 0;
    size_t kept = 0;
    struct hr_kv_redis_mention *mentions = hr_alloc_array(count_keys(list), sizeof *mentions);
    if (!mentions) {
        return NULL;
    }
    for (struct hr_list *node = list->next; node != list; node = node->next) {
        for (uint32_t i = 0; i < commit_of(node)->key_count; i++) {
            mentions[count++] = (struct hr_kv_redis_mention){commit_of(node), i};
        }
    }
    qsort(mentions, count, sizeof *mentions, compare);
    struct hr_kv_redis_mention last = {0};
    for (size_t i = 0; i < count; i++) {
        struct hr_kv_redis_mention mention = mentions[i];
        bool newest = !last.commit || !same_key(&last, &mention);
        last = mention;
        if (newest && mention.commit->certain && mention.key < mention.commit->put_count) {
            mentions[kept++] = mention;
        }
    }
    *ret_count = kept;
    return mentions;
}

void hr_kv_redis_recent_judge(struct hr_kv_redis *kv)
{
    kv->recent_old = 0;
    for (struct hr_list *node = kv->recent.list.next; node != &kv->recent.list; node = node->next) {
        kv->recent_old += commit_of(node)->process != kv->run_id.print;
    }
}

void hr_kv_redis_inquiry_begin(struct hr_kv_redis_port *port)
{
    struct hr_kv_redis *kv = store_of(port);
    struct hr_kv_redis_inquiry *inquiry = &port->inquiry;
    HR_ASSERT(!inquiry->runs);
    uv_mutex_lock(&kv->lock);
    inquiry->runs = kv->recent_old > 0;
    kv->inquiries += inquiry->runs;
    hr_list_init(&inquiry->commits);
    struct hr_list *node = kv->recent.list.next;
    while (inquiry->runs && node != &kv->recent.list) {
        struct hr_kv_redis_recent_commit *commit = commit_of(node);
        node = node->next;
        if (commit->process != kv->run_id.print) {
            take(&kv->recent, commit);
            hr_list_push_back(&inquiry->commits, &commit->node);
        }
    }
    kv->recent_old = 0;
    uv_mutex_unlock(&kv->lock);
    if (inquiry->runs) {
        inquiry->mentions = mentions_of(&inquiry->commits, &inquiry->count);
    }
}

bool hr_kv_redis_inquiry_next(struct hr_kv_redis_port *port,
                              struct hr_str ret_words[HR_KV_REDIS_INQUIRY_WORDS_MAX],
                              size_t *ret_count)
{
    struct hr_kv_redis_inquiry *inquiry = &port->inquiry;
    if (inquiry->upto == inquiry->count) {
        return false;
    }
    size_t n = 0;
    struct hr_str name = inquiry->mentions[inquiry->upto].commit->name;
    ret_words[n++] = HR_STR("EVALSHA");
    ret_words[n++] = hr_str_c(store_of(port)->shas.of[HR_KV_REDIS_ABSENT]);
    ret_words[n++] = HR_STR("1");
    ret_words[n++] = name;
    HR_ASSERT(n == HR_KV_REDIS_INQUIRY_WORDS);
    inquiry->from = inquiry->upto;
    while (inquiry->upto < inquiry->count &&
           inquiry->upto - inquiry->from < HR_KV_REDIS_INQUIRY_KEYS_MAX &&
           hr_str_eq(inquiry->mentions[inquiry->upto].commit->name, name)) {
        ret_words[n++] = key_of(&inquiry->mentions[inquiry->upto++]);
    }
    *ret_count = n;
    return true;
}

bool hr_kv_redis_inquiry_answer(struct hr_kv_redis_port *port, const redisReply *reply)
{
    struct hr_kv_redis_inquiry *inquiry = &port->inquiry;
    if (reply->type != REDIS_REPLY_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *item = reply->element[i];
        if (item->type != REDIS_REPLY_INTEGER || item->integer < 1 ||
            (unsigned long long)item->integer > inquiry->upto - inquiry->from) {
            return false;
        }
        inquiry->mentions[inquiry->from + (size_t)item->integer - 1].commit->lost = true;
    }
    return true;
}

/* In the order of the ids, among those that came from other ports. */
static void keep_lost(struct hr_kv_redis *kv, struct hr_kv_redis_recent_commit *commit)
{
    struct hr_list *next = &kv->lost.list;
    while (next->prev != &kv->lost.list && commit_of(next->prev)->id > commit->id) {
        next = next->prev;
    }
    insert(&kv->lost, next, commit);
    while (is_over(&kv->lost)) {
        struct hr_kv_redis_recent_commit *first = commit_of(kv->lost.list.next);
        atomic_fetch_add(&kv->unremembered, 1);
        take(&kv->lost, first);
        hr_free(first);
    }
}

static void inquiry_release(struct hr_kv_redis_inquiry *inquiry)
{
    hr_free(inquiry->mentions);
    *inquiry = (struct hr_kv_redis_inquiry){0};
}

void hr_kv_redis_inquiry_end(struct hr_kv_redis_port *port, bool answered)
{
    struct hr_kv_redis *kv = store_of(port);
    struct hr_kv_redis_inquiry *inquiry = &port->inquiry;
    struct hr_list *node;
    if (!inquiry->runs) {
        return;
    }
    uv_mutex_lock(&kv->lock);
    kv->inquiries--;
    answered = answered && inquiry->mentions;
    while ((node = hr_list_pop_front(&inquiry->commits))) {
        struct hr_kv_redis_recent_commit *commit = commit_of(node);
        atomic_fetch_add(&kv->unremembered, answered ? 0 : 1);
        if (answered && commit->lost) {
            keep_lost(kv, commit);
        } else {
            hr_free(commit);
        }
    }
    uv_mutex_unlock(&kv->lock);
    inquiry_release(inquiry);
}

void hr_kv_redis_inquiry_break(struct hr_kv_redis_port *port)
{
    struct hr_kv_redis *kv = store_of(port);
    struct hr_kv_redis_inquiry *inquiry = &port->inquiry;
    struct hr_list *node;
    if (!inquiry->runs) {
        return;
    }
    struct hr_list later;
    hr_list_init(&later);
    uv_mutex_lock(&kv->lock);
    kv->inquiries--;
    hr_list_move_all(&later, &kv->recent.list);
    while ((node = hr_list_pop_front(&inquiry->commits))) {
        commit_of(node)->lost = false;
        add(&kv->recent, commit_of(node));
    }
    hr_list_move_all(&kv->recent.list, &later);
    hr_kv_redis_recent_judge(kv);
    keep_bounded(kv);
    uv_mutex_unlock(&kv->lock);
    inquiry_release(inquiry);
}

/* ---- what was lost ---- */

void hr_kv_redis_recent_init(struct hr_kv_redis *kv)
{
    hr_list_init(&kv->recent.list);
    hr_list_init(&kv->lost.list);
}

void hr_kv_redis_recent_release(struct hr_kv_redis *kv)
{
    free_all(&kv->recent.list);
    free_all(&kv->lost.list);
}

static enum hr_err copy_commit(const struct hr_kv_redis_recent_commit *commit,
                               struct hr_arena *arena, struct hr_kv_lost *ret_lost)
{
    struct hr_str *keys = hr_arena_alloc(arena, commit->put_count * sizeof *keys);
    if (!keys) {
        return HR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < commit->put_count; i++) {
        keys[i] = hr_arena_copy(arena, commit->keys[i]);
        if (!keys[i].ptr) {
            return HR_NO_MEMORY;
        }
    }
    *ret_lost = (struct hr_kv_lost){commit->id, keys, commit->put_count};
    return HR_OK;
}

/* The page, under the lock. */
static enum hr_err read_lost(struct hr_kv_redis *kv, struct hr_str name, uint64_t after,
                             struct hr_arena *arena, struct hr_kv_lost_page *ret_page)
{
    struct hr_kv_lost_page page = {0};
    size_t bytes = 0;
    if (kv->recent_old > 0 || kv->inquiries > 0) {
        return HR_AGAIN;
    }
    if (kv->lost.count > 0) {
        page.commits = hr_arena_alloc(arena, HR_KV_LOST_COMMITS_MAX * sizeof *page.commits);
    }
    if (kv->lost.count > 0 && !page.commits) {
        return HR_NO_MEMORY;
    }
    for (struct hr_list *node = kv->lost.list.next; node != &kv->lost.list; node = node->next) {
        const struct hr_kv_redis_recent_commit *commit = commit_of(node);
        if (commit->id <= after || !hr_str_eq(commit->name, name)) {
            continue;
        }
        bytes += commit->bytes;
        page.more = page.count == HR_KV_LOST_COMMITS_MAX ||
                    (page.count > 0 && bytes > HR_KV_SCAN_BYTES_MAX);
        if (page.more) {
            break;
        }
        enum hr_err err = copy_commit(commit, arena, &page.commits[page.count++]);
        if (err) {
            return err;
        }
    }
    *ret_page = page;
    return HR_OK;
}

enum hr_err hr_kv_redis_lost(struct hr_kv *base, struct hr_str bucket, uint64_t after,
                             struct hr_arena *arena, struct hr_kv_lost_page *ret_page)
{
    struct hr_kv_redis *kv = (struct hr_kv_redis *)base; /* its first member */
    char name[HR_KV_REDIS_NAME_BYTES_MAX];
    uv_mutex_lock(&kv->lock);
    enum hr_err err = read_lost(kv, hr_kv_redis_values_name(bucket, name), after, arena, ret_page);
    uv_mutex_unlock(&kv->lock);
    return err;
}

void hr_kv_redis_lost_forget(struct hr_kv *base, struct hr_str bucket, uint64_t id)
{
    struct hr_kv_redis *kv = (struct hr_kv_redis *)base; /* its first member */
    char name[HR_KV_REDIS_NAME_BYTES_MAX];
    struct hr_str values = hr_kv_redis_values_name(bucket, name);
    uv_mutex_lock(&kv->lock);
    for (struct hr_list *node = kv->lost.list.next; node != &kv->lost.list; node = node->next) {
        struct hr_kv_redis_recent_commit *commit = commit_of(node);
        if (commit->id == id && hr_str_eq(commit->name, values)) {
            take(&kv->lost, commit);
            hr_free(commit);
            break;
        }
    }
    uv_mutex_unlock(&kv->lock);
}
