/* The store on LMDB: a folder with one database file. Opened through hr_kv_open only.
 *
 * "lmdb:<folder>[?<option>[&<option>]...]"; the options follow the last '?':
 *   start=<size>    the map's first size (default 16MiB); the file grows by doubling, sparsely
 *   max=<size>      the size at which a commit gets HR_NO_SPACE (default 64GiB, address space only)
 *   lazy-ms=<n>     a lazy store is on disk after this many milliseconds at the latest (default 1000)
 * A size is a number of bytes, or a number with KiB, MiB or GiB.
 *
 * In the folder: data.mdb and lock.mdb (LMDB's), hedgerow.lock (who has it open), and while a lazy
 * store is open hedgerow.checkpoint.
 *
 * In the database: key = one byte with the length of the bucket's name, the name, the key; value =
 * the value. No name is a prefix of another's, so no scan leaves its bucket, and buckets need neither
 * a directory nor a limit. The layout's record has the key "\0hedgerow" (no bucket has an empty name)
 * and the value "hedgerow", u32 layout version, big endian. */
#ifndef HR_KV_LMDB_H
#define HR_KV_LMDB_H

#include "host/kv/kv.h"

#define HR_KV_LMDB_LAYOUT 1u
#define HR_KV_LMDB_START_BYTES ((size_t)16 << 20)
#define HR_KV_LMDB_MAX_BYTES ((size_t)64 << 30)
#define HR_KV_LMDB_LAZY_MS 1000u
/* What one write transaction takes from the queue: commits, and bytes (of which the first commit may
 * have more). */
#define HR_KV_LMDB_GROUP_MAX 1024u
#define HR_KV_LMDB_GROUP_BYTES_MAX ((size_t)16 << 20)
/* Opening walks the tree to find damage before LMDB trips over it; at most this many pages of it. */
#define HR_KV_LMDB_CHECK_PAGES_MAX 65536u

/* As hr_kv_open, with the URL's part after "lmdb:". */
HR_MUST_CHECK enum hr_err hr_kv_lmdb_open(struct hr_str rest, enum hr_kv_durability durability,
                                          struct hr_kv **ret_kv, struct hr_diag *diag);

#endif
