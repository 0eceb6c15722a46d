/* Numbers as text, and error details put together from pieces. This is done by hand because printf
 * would bring the C library's files into the guest, and with them imports that it has no right to.
 * Stateless, any thread. */
#ifndef DKV_TEXT_H
#define DKV_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define DKV_DEC_BYTES_MAX 20u

/* Writes @value as exactly @digits lower-case hexadecimal digits, the upper ones cut off. */
void dkv_text_hex(char *ret_text, uint64_t value, size_t digits);
/* Reads 1 to 16 lower-case hexadecimal digits that fill all of @text; false on anything else. */
bool dkv_text_from_hex(struct hr_str text, uint64_t *ret_value);
/* Writes @value in decimal; the run lies in @ret_text. */
struct hr_str dkv_text_dec(char ret_text[DKV_DEC_BYTES_MAX], uint64_t value);

/* Joins the pieces into @diag (cut if too long; NULL is fine) and returns @err. */
enum hr_err dkv_text_fail(struct hr_diag *diag, enum hr_err err, const struct hr_str *pieces,
                          size_t count);
/* DKV_FAIL(diag, HR_CORRUPT, HR_STR("record "), key, HR_STR(": too short")) */
#define DKV_FAIL(diag, err, ...)                                 \
    dkv_text_fail((diag), (err), (struct hr_str[]){__VA_ARGS__}, \
                  sizeof((struct hr_str[]){__VA_ARGS__}) / sizeof(struct hr_str))
/* Puts the pieces and ": " before what @diag says, and returns @err. */
enum hr_err dkv_text_prefix(struct hr_diag *diag, enum hr_err err, struct hr_str first,
                            struct hr_str second);

#endif
