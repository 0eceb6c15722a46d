/* One block of memory a letter. */
#include "sim/letter.h"

#include "base/alloc.h"
#include "sim/memory.h"

static char *put(char *at, struct hr_str from, struct hr_str *to)
{
    if (from.len > 0) {
        memcpy(at, from.ptr, from.len);
    }
    *to = hr_str_of(at, from.len);
    return at + from.len;
}

struct sim_letter *sim_letter_new(enum sim_letter_kind kind, struct hr_str subject,
                                  struct hr_str body, struct hr_str reply_to)
{
    struct sim_letter *letter =
        sim_alloc(sizeof *letter + subject.len + body.len + reply_to.len + 1);
    letter->refs = 1;
    letter->kind = kind;
    char *at = put(letter->bytes, subject, &letter->subject);
    at = put(at, body, &letter->body);
    put(at, reply_to, &letter->reply_to);
    return letter;
}

struct sim_letter *sim_letter_ref(struct sim_letter *letter)
{
    letter->refs++;
    return letter;
}

void sim_letter_unref(struct sim_letter *letter)
{
    if (letter && --letter->refs == 0) {
        hr_free(letter);
    }
}
