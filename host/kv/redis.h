/* The store on Redis, or on Valkey: one database of a server. Opened through hr_kv_open only.
 *
 * "redis://[user:password@]host[:port][/number][?<option>[&<option>]...]", or rediss:// for TLS where
 * the build has it. Port 6379 and number 0 if they are left out; user and password may have %XX.
 *   answer-ms=<n>     an operation waits for its answer at most this long (default 2000)
 *   reconnect-ms=<n>  and at most this long for a connection that is lost (default 200)
 *
 * Layout 1. <B> is the bucket's name with every byte that is not a letter, a digit, '.', '_' or '-' as
 * %XX (upper case), which leaves no brace in it: the braces make one slot of both keys of a bucket in a
 * Redis Cluster.
 *   hedgerow:{<B>}:values   a hash: the bucket's keys and their values
 *   hedgerow:{<B>}:keys     a sorted set: the same keys, all with score 0, so that they are in the order
 *                           of their bytes and a range of them can be asked for (ZRANGEBYLEX)
 *   hedgerow:store          text: "hedgerow", the layout's number, and the run_id of the server's
 *                           process that the store was last opened on, with spaces between
 * Every change of a bucket is one Lua script (redis_script.c) that changes both of its keys or
 * none; no other client may write to them. Bucket "" is the opening's own, to try the scripts with.
 *
 * Durability. A server keeps what the host keeps (`sync`) only with appendonly yes and appendfsync
 * always; the opening refuses others by name. `lazy` takes any server, and then what may be lost is up to
 * it: with appendfsync everysec about the last two seconds when its machine dies, without an append-only
 * file all since the last snapshot whenever its process dies. What the opening found (`past`):
 *   HR_KV_FRESH   the database has no hedgerow:store; it has one now
 *   HR_KV_INTACT  the server syncs every write; or its process is the one of the last opening
 *   HR_KV_LOSSY   another process than then, of a server that does not sync every write: something may
 *                 have been lost. Whether it was cannot be known, so this is the answer that is safe
 * When it turns out, while the store is open, that a server that does not sync every write is another process, it is asked which
 * of the commits of the last HR_KV_REDIS_RECENT_MS it does not have any more (hr_kv_lost; redis_recent.c).
 * A server that evicts (maxmemory-policy allkeys-...) is refused. Several hosts may share a store. */
#ifndef HR_KV_REDIS_H
#define HR_KV_REDIS_H

#include "host/kv/kv.h"

#define HR_KV_REDIS_LAYOUT 1u
#define HR_KV_REDIS_PORT 6379u
#define HR_KV_REDIS_VERSION_MIN 6u
#define HR_KV_REDIS_ANSWER_MS 2000u
#define HR_KV_REDIS_RECONNECT_MS 200u
#define HR_KV_REDIS_WAIT_MS_MAX 600000u /* of either */
/* Opening: for the connection, and for each answer. */
#define HR_KV_REDIS_OPEN_MS 5000u
/* Between attempts to connect: doubles from the first to the last, each time with a random part of up to
 * half of it taken away. For ever. */
#define HR_KV_REDIS_BACKOFF_MS_MIN 10u
#define HR_KV_REDIS_BACKOFF_MS_MAX 500u
/* How often a connection asks the server how it is; finds a dead one before a client does. */
#define HR_KV_REDIS_BEAT_MS 5000u
/* After a server said that it is read-only: how often the host's name is looked up anew at most, because
 * it may belong to another server now. */
#define HR_KV_REDIS_MOVED_MS 5000u
/* What is on its way on one connection: operations, their bytes, and bytes that are not written yet. */
#define HR_KV_REDIS_SENT_MAX 1024u
#define HR_KV_REDIS_SENT_BYTES_MAX ((size_t)16 << 20)
#define HR_KV_REDIS_UNWRITTEN_BYTES_MAX ((size_t)1 << 20)
/* Reads of one port that wait; HR_BUSY above. */
#define HR_KV_REDIS_READS_MAX 4096u
/* How often an operation is sent at most: again only if it was certainly not done. */
#define HR_KV_REDIS_SENDS_MAX 3u
/* What is remembered of a server that does not sync every write: the newest commits, for so long, so many and so many
 * bytes of their keys' names; and as much again of those that are known to be lost. */
#define HR_KV_REDIS_RECENT_MS 10000u
#define HR_KV_REDIS_RECENT_COMMITS_MAX 16384u
#define HR_KV_REDIS_RECENT_BYTES_MAX ((size_t)8 << 20)
/* Keys that are asked after at a time, once the server has been started anew. */
#define HR_KV_REDIS_INQUIRY_KEYS_MAX 2000u
/* A reply: bytes, and items of its array. */
#define HR_KV_REDIS_REPLY_BYTES_MAX (HR_KV_VALUE_BYTES_MAX + ((size_t)2 << 20))
#define HR_KV_REDIS_REPLY_ITEMS_MAX (2 * HR_KV_SCAN_ITEMS_MAX + 1)

/* As hr_kv_open, with the URL's part after "redis:" or "rediss:". */
HR_MUST_CHECK enum hr_err hr_kv_redis_open(struct hr_str rest, enum hr_kv_durability durability,
                                           struct hr_kv **ret_kv, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err hr_kv_redis_open_tls(struct hr_str rest, enum hr_kv_durability durability,
                                               struct hr_kv **ret_kv, struct hr_diag *diag);

#endif
