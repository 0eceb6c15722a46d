/* Reading and writing the bytes of layouts: big-endian integers, runs of bytes, and the frame that
 * most layouts share: a version byte first and a CRC-32C of everything before it last.
 *
 * A reader never passes its end: the first read that would makes it failed, and from then on it
 * gives zeros, so that a decoder checks once, at its end. A writer grows in its arena and keeps the
 * first error likewise. One thread.
 * Must not know: what the bytes mean.
 */
#ifndef DKV_WIRE_H
#define DKV_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

struct dkv_in {
    const char *ptr;
    size_t left;
    bool failed;
};

/* Borrows @bytes as long as it is read from. */
struct dkv_in dkv_in_of(struct hr_str bytes);
/* Checks the frame of @bytes and gives a reader of what lies between. @what names the layout in
 * the detail. Errors: HR_CORRUPT; HR_UNSUPPORTED for a sound frame of another version. */
HR_MUST_CHECK enum hr_err dkv_in_frame(struct hr_str bytes, uint8_t version, struct hr_str what,
                                       struct dkv_in *ret_in, struct hr_diag *diag);
/* The version that @bytes begin with, 0 if there is none: for layouts that have several. */
uint8_t dkv_in_version(struct hr_str bytes);
uint64_t dkv_in_uint(struct dkv_in *in, size_t bytes); /* 1..8 bytes */
uint8_t dkv_in_u8(struct dkv_in *in);
uint16_t dkv_in_u16(struct dkv_in *in);
uint32_t dkv_in_u32(struct dkv_in *in);
uint64_t dkv_in_u64(struct dkv_in *in);
/* The next @len bytes, borrowed from what is read; empty once failed. */
struct hr_str dkv_in_bytes(struct dkv_in *in, size_t len);
/* Whether everything was there and nothing is left. */
bool dkv_in_done(const struct dkv_in *in);

struct dkv_out {
    struct hr_arena *arena;
    char *ptr;
    size_t len;
    size_t cap;
    enum hr_err err;
};

/* Keeps @arena. @hint_bytes: how much is likely to be written. */
struct dkv_out dkv_out_in(struct hr_arena *arena, size_t hint_bytes);
void dkv_out_uint(struct dkv_out *out, uint64_t value, size_t bytes); /* 1..8 bytes */
void dkv_out_bytes(struct dkv_out *out, struct hr_str bytes);
/* Appends the CRC-32C of all that was written: the end of a frame. */
void dkv_out_seal(struct dkv_out *out);
/* What was written; lives in the arena. Errors: HR_NO_MEMORY, from any of the calls before. */
HR_MUST_CHECK enum hr_err dkv_out_take(struct dkv_out *out, struct hr_str *ret_bytes);

#endif
