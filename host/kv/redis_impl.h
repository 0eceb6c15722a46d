/* The inside of the Redis store, shared by host/kv/redis*.c and nobody else.
 *
 * Threads: a port, with its connection and operations, belongs to its loop's thread. Of the store, what
 * changes after the opening is atomic, or guarded by its lock, which is never held while anything waits.
 *
 * The way of an operation: `waiting` -> (a flush, once a round of the loop, while the link is ready and
 * there is room on it) `sent` -> its reply, in the same order. An operation is in one list at a time:
 *   waiting   not given to hiredis: certainly not done
 *   sent      given to hiredis. If the connection breaks, it may be done if all its bytes were written
 *   held      the server answered that it does not know the script: certainly not done. Goes back to the
 *             front of `waiting` when `sent` is empty, so that commits keep their order; if a later one
 *             of this port was done in the meantime, it is given up instead
 *   returned  while a connection is taken down: goes back to the front of `waiting` after it
 * Callers' callbacks run from replies and timers, never from within a call of theirs; what they may
 * call (submitting, closing the port) only queues and posts, so hiredis is never entered twice. */
#ifndef HR_KV_REDIS_IMPL_H
#define HR_KV_REDIS_IMPL_H

#include <hiredis/async.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "host/kv/hiredis.h"
#include "host/kv/redis.h"

#define HR_KV_REDIS_HOST_BYTES_MAX 255u
#define HR_KV_REDIS_SECRET_BYTES_MAX 512u
#define HR_KV_REDIS_SHOWN_BYTES_MAX 300u
#define HR_KV_REDIS_DETAIL_BYTES_MAX 192u
#define HR_KV_REDIS_RUN_ID_BYTES_MAX 64u
#define HR_KV_REDIS_SHA_BYTES 40u
/* One question of an inquiry: so many words before its keys. */
#define HR_KV_REDIS_INQUIRY_WORDS 4u
#define HR_KV_REDIS_INQUIRY_WORDS_MAX (HR_KV_REDIS_INQUIRY_WORDS + HR_KV_REDIS_INQUIRY_KEYS_MAX)
/* "hedgerow:{", three bytes for each of the bucket's, and the longer ending. */
#define HR_KV_REDIS_NAME_BYTES_MAX (32u + 3 * HR_KV_BUCKET_BYTES_MAX)

/* ---- redis_url.c ---- */

struct hr_kv_redis_url {
    char host[HR_KV_REDIS_HOST_BYTES_MAX + 1];
    uint16_t port;
    char user[HR_KV_REDIS_SECRET_BYTES_MAX + 1];     /* empty: the server's default user */
    char password[HR_KV_REDIS_SECRET_BYTES_MAX + 1]; /* both empty: no AUTH */
    uint32_t database;
    uint32_t answer_ms;
    uint32_t reconnect_ms;
    bool tls;
    char shown[HR_KV_REDIS_SHOWN_BYTES_MAX]; /* for people: without user and password */
};

/* Reads what follows "redis:" or "rediss:". HR_BAD_INPUT; the diag never has user or password. */
HR_MUST_CHECK enum hr_err hr_kv_redis_url_read(struct hr_str rest, bool tls,
                                               struct hr_kv_redis_url *ret_url,
                                               struct hr_diag *diag);

/* ---- redis_script.c ---- */

enum hr_kv_redis_script {
    HR_KV_REDIS_COMMIT,
    HR_KV_REDIS_SCAN,
    HR_KV_REDIS_INCREMENT,
    HR_KV_REDIS_ABSENT,
    HR_KV_REDIS_SCRIPT_COUNT
};

struct hr_kv_redis_shas {
    char of[HR_KV_REDIS_SCRIPT_COUNT][HR_KV_REDIS_SHA_BYTES + 1];
};

/* Writes a command as the protocol has it; only counts while @to is NULL. */
struct hr_kv_redis_writer {
    char *to;
    size_t len;
};

struct hr_str hr_kv_redis_script_text(enum hr_kv_redis_script script);
/* The bucket's hash, written to @to, which has room for HR_KV_REDIS_NAME_BYTES_MAX. */
struct hr_str hr_kv_redis_values_name(struct hr_str bucket, char *to);
void hr_kv_redis_write_get(struct hr_kv_redis_writer *writer, struct hr_str bucket,
                           struct hr_str key);
void hr_kv_redis_write_scan(struct hr_kv_redis_writer *writer, const char *sha,
                            const struct hr_kv_scan *scan);
void hr_kv_redis_write_commit(struct hr_kv_redis_writer *writer, const char *sha,
                              const struct hr_kv_commit *commit);
void hr_kv_redis_write_increment(struct hr_kv_redis_writer *writer, const char *sha,
                                 struct hr_str bucket, struct hr_str key, uint64_t delta);
/* A command of words, for all else. */
void hr_kv_redis_write_words(struct hr_kv_redis_writer *writer, const struct hr_str *words,
                             size_t count);

/* ---- redis_reply.c ---- */

/* What an error that the server answers means. Nothing was changed, whichever it is. */
enum hr_err hr_kv_redis_refusal(struct hr_str text);
/* Whether the error has this code ("NOSCRIPT"), in the form of any version. */
bool hr_kv_redis_has_code(struct hr_str text, const char *code);
/* The value after "@name:" in INFO's answer, or empty. */
struct hr_str hr_kv_redis_info(struct hr_str info, const char *name);
struct hr_str hr_kv_redis_text(const redisReply *reply);
/* The page of a scan's answer, copied into @arena. HR_CORRUPT if it is none. */
HR_MUST_CHECK enum hr_err hr_kv_redis_page(const redisReply *reply, bool keys_only, uint32_t limit,
                                           struct hr_arena *arena, struct hr_kv_page *ret_page);

/* ---- the store ---- */

/* What a server calls its present process. */
struct hr_kv_redis_run_id {
    char text[HR_KV_REDIS_RUN_ID_BYTES_MAX];
    size_t len;
    uint64_t print; /* FNV-1a of the text: tells two processes apart where that is enough */
};

static inline bool hr_kv_redis_run_id_eq(const struct hr_kv_redis_run_id *id, struct hr_str text)
{
    return hr_str_eq(hr_str_of(id->text, id->len), text);
}

static inline void hr_kv_redis_run_id_set(struct hr_kv_redis_run_id *id, struct hr_str text)
{
    id->len = text.len < HR_KV_REDIS_RUN_ID_BYTES_MAX ? text.len : HR_KV_REDIS_RUN_ID_BYTES_MAX;
    memcpy(id->text, text.ptr, id->len);
    id->print = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id->len; i++) {
        id->print = (id->print ^ (unsigned char)id->text[i]) * 0x100000001b3u;
    }
}

/* Commits that are remembered (redis_recent.c), oldest first. */
struct hr_kv_redis_commits {
    struct hr_list list;
    size_t count;
    size_t bytes;
};

struct hr_kv_redis {
    struct hr_kv base;
    struct hr_kv_redis_url url;
    struct hr_kv_redis_shas shas;
    bool keeps_all;  /* the server syncs every write: its restart loses nothing */
    uv_mutex_t lock; /* guards what follows, up to the counters */
    uint32_t port_count;
    struct hr_kv_redis_run_id run_id;  /* as it was last heard of */
    struct hr_kv_redis_commits recent; /* the newest ones of all ports */
    struct hr_kv_redis_commits lost;   /* of which it is known, until they are forgotten */
    size_t recent_old;                 /* of the recent ones: of another process than run_id says */
    uint32_t inquiries;                /* that are under way, with commits of their own */
    uint64_t recent_id;                /* of the last one */

    _Atomic uint64_t reads;
    _Atomic uint64_t commits;
    _Atomic uint64_t conflicts;
    _Atomic uint64_t errors;
    _Atomic uint64_t queued;
    _Atomic uint64_t queued_bytes;
    _Atomic uint64_t taken_bytes;
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t unremembered;
};

/* redis_open.c: looks at the server, as redis.h says. Fills in all of @kv but ops and locks. */
HR_MUST_CHECK enum hr_err hr_kv_redis_open_server(struct hr_kv_redis *kv, struct hr_diag *diag);
/* Takes the server's memory out of INFO's answer. Any thread. */
void hr_kv_redis_note_memory(struct hr_kv_redis *kv, struct hr_str info);

/* ---- a port ---- */

enum hr_kv_redis_op_kind {
    HR_KV_REDIS_OP_GET,
    HR_KV_REDIS_OP_SCAN,
    HR_KV_REDIS_OP_COMMIT,
    HR_KV_REDIS_OP_INCREMENT,
    HR_KV_REDIS_OP_BEAT /* the port's own: INFO memory */
};

struct hr_kv_redis_op {
    struct hr_list node;
    struct hr_kv_redis_port *port;
    enum hr_kv_redis_op_kind kind;
    bool answered; /* its time was up; only the reply is waited for */
    uint32_t sends;
    uint64_t due_ns;
    uint64_t sent_ns;
    uint64_t end; /* where its bytes end in all that the connection was given */
    struct hr_arena *arena;
    bool keys_only;
    uint32_t limit;
    union {
        hr_kv_get_cb get;
        hr_kv_scan_cb scan;
        hr_kv_commit_cb commit;
        hr_kv_increment_cb increment;
    } cb;
    void *arg;
    size_t bytes; /* all of this allocation */
    size_t command_len;
    char command[];
};

enum hr_kv_redis_port_state {
    HR_KV_REDIS_PORT_OPEN,
    HR_KV_REDIS_PORT_CLOSING,
    HR_KV_REDIS_PORT_CLOSED
};

enum hr_kv_redis_link_state {
    HR_KV_REDIS_LINK_DOWN,      /* until the back-off is over */
    HR_KV_REDIS_LINK_RESOLVING, /* the host's name is being looked up */
    HR_KV_REDIS_LINK_GREETING,  /* being connected; then says who it is, and loads the scripts */
    HR_KV_REDIS_LINK_READY,
    HR_KV_REDIS_LINK_CLOSED /* the port closes */
};

/* Why nothing more is sent until all that is sent has its reply. */
enum hr_kv_redis_drain {
    HR_KV_REDIS_FLOWING,
    HR_KV_REDIS_RELOADING, /* then the scripts are loaded again */
    HR_KV_REDIS_MOVING     /* then the connection is made anew */
};

/* One connection; lives until its handle is closed. */
struct hr_kv_redis_conn {
    uv_poll_t poll;
    int events;    /* that hiredis waits for */
    int watched;   /* that the loop is told of */
    bool flushing; /* commands are being handed over, to be written at once */
    redisAsyncContext *ac;
    bool gone; /* hiredis has given it up: @ac is not to be used any more */
    bool lost; /* and it was the port's */
    struct hr_kv_redis_port *port;
    struct hr_hiredis_guard guard;
    uint64_t given; /* bytes that hiredis was given so far */
};

struct hr_kv_redis_mention; /* of a key by a commit; redis_recent.c */

/* A port's question which of the remembered commits are lost; redis_recent.c. */
struct hr_kv_redis_inquiry {
    bool runs;
    struct hr_list commits; /* in the order of their ids */
    struct hr_kv_redis_mention *mentions;
    size_t count;
    size_t from; /* of the part that is being asked after */
    size_t upto;
};

struct hr_kv_redis_port {
    struct hr_kv_port base;
    enum hr_kv_redis_port_state state;
    struct hr_list waiting;
    struct hr_list sent;
    struct hr_list held;
    struct hr_list returned;
    uint32_t sent_count;
    size_t sent_bytes;
    uint32_t reads; /* that wait for an answer */
    enum hr_kv_redis_drain drain;
    bool beating; /* a beat is on its way */
    struct hr_timer op_timer;
    struct hr_timer beat_timer;
    bool flush_posted;
    struct hr_task flush_task;
    struct hr_task closed_task;
    hr_kv_closed_cb closed_cb;
    void *closed_arg;

    enum hr_kv_redis_link_state link;
    struct hr_kv_redis_conn *conn; /* from GREETING on */
    uint32_t open_handles;         /* connections whose handle is not closed; the look-up */
    uv_getaddrinfo_t lookup;
    struct hr_timer link_timer; /* the back-off, then the greeting's time */
    uint32_t backoff_ms;
    uint32_t greetings;               /* replies that the greeting waits for */
    uint64_t down_ns;                 /* since when there is no link */
    uint64_t heard_ns;                /* when the server last said anything */
    uint64_t moved_ns;                /* when the link was last given up for a read-only server */
    long long client_id;              /* of this connection, at the server; 0 = not known */
    long long old_client_id;          /* of the connection before it */
    struct hr_kv_redis_run_id run_id; /* of the connection's server, or the last one's */
    struct hr_kv_redis_inquiry inquiry;
    uint32_t failures;                          /* to connect, since it last worked */
    char trouble[HR_KV_REDIS_DETAIL_BYTES_MAX]; /* why there is no link, or what broke it last */
};

/* redis_link.c */
void hr_kv_redis_link_start(struct hr_kv_redis_port *port);
/* Gives the connection up, for the reason; a new one is made. Not from within a caller's call. */
void hr_kv_redis_link_drop(struct hr_kv_redis_port *port, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether the connection, on which nothing is expected, is still there; gives it up if it is not. Asked
 * before something is sent after a pause: what a closed connection takes would be of unknown outcome. */
HR_MUST_CHECK bool hr_kv_redis_link_probe(struct hr_kv_redis_port *port);
/* Around the handing over of commands: what hiredis waits for in between is looked at once it ends. The connection may
 * be gone by then. */
void hr_kv_redis_link_flush(struct hr_kv_redis_conn *conn, bool begins);
/* For good. */
void hr_kv_redis_link_close(struct hr_kv_redis_port *port);
/* Loads the scripts again. */
void hr_kv_redis_link_reload(struct hr_kv_redis_port *port);
/* How many of the bytes that the connection was given it has written. */
uint64_t hr_kv_redis_link_written(const struct hr_kv_redis_conn *conn, const redisAsyncContext *ac);

/* redis_queue.c */
/* An operation with room for its command. HR_CLOSED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_kv_redis_op_new(struct hr_kv_redis_port *port,
                                             enum hr_kv_redis_op_kind kind, size_t command_len,
                                             struct hr_kv_redis_op **ret_op);
/* Takes @op, also on an error: HR_BUSY. */
HR_MUST_CHECK enum hr_err hr_kv_redis_submit(struct hr_kv_redis_port *port,
                                             struct hr_kv_redis_op *op);
/* Sends what waits, as far as there is room. From the loop, never from within a caller's call. */
void hr_kv_redis_flush(struct hr_kv_redis_port *port);
/* Does that, or cancels it if the port closes, in the loop's next round. */
void hr_kv_redis_post_flush(struct hr_kv_redis_port *port);
/* The link is ready, or has been lost and all its operations have been told. */
void hr_kv_redis_queue_ready(struct hr_kv_redis_port *port);
void hr_kv_redis_queue_lost(struct hr_kv_redis_port *port);
/* Cancels what is not on its way. */
void hr_kv_redis_queue_close(struct hr_kv_redis_port *port);
void hr_kv_redis_queue_init(struct hr_kv_redis_port *port);

/* redis_recent.c */
void hr_kv_redis_recent_init(struct hr_kv_redis *kv);
void hr_kv_redis_recent_release(struct hr_kv_redis *kv);
/* Remembers a commit, if the server may lose it. @certain: the server has done it; else it may have. */
void hr_kv_redis_recent_note(const struct hr_kv_redis_op *op, bool certain);
/* The server's process is another one. Under the store's lock. */
void hr_kv_redis_recent_judge(struct hr_kv_redis *kv);
/* Takes what is remembered of other processes than the one that the port has just greeted, if there is any. Then each part
 * is asked after: `next` gives the words, and `answer` takes the answer, false if it is none. `end` keeps what is lost, if all was
 * answered well, else nothing; `break` gives everything back, for another greeting. */
void hr_kv_redis_inquiry_begin(struct hr_kv_redis_port *port);
HR_MUST_CHECK bool hr_kv_redis_inquiry_next(struct hr_kv_redis_port *port,
                                            struct hr_str ret_words[HR_KV_REDIS_INQUIRY_WORDS_MAX],
                                            size_t *ret_count);
HR_MUST_CHECK bool hr_kv_redis_inquiry_answer(struct hr_kv_redis_port *port,
                                              const redisReply *reply);
void hr_kv_redis_inquiry_end(struct hr_kv_redis_port *port, bool answered);
void hr_kv_redis_inquiry_break(struct hr_kv_redis_port *port);
/* As hr_kv_lost and hr_kv_lost_forget. */
HR_MUST_CHECK enum hr_err hr_kv_redis_lost(struct hr_kv *base, struct hr_str bucket, uint64_t after,
                                           struct hr_arena *arena,
                                           struct hr_kv_lost_page *ret_page);
void hr_kv_redis_lost_forget(struct hr_kv *base, struct hr_str bucket, uint64_t id);

/* redis.c: something of the port has ended; ends its closing if that was the last. */
void hr_kv_redis_port_settle(struct hr_kv_redis_port *port);

#endif
