/* links: core_kv */
/* A batch of messages made of the input, on a store in memory, with one fault somewhere: every
 * message that wants a reply gets one, of sound JSON, and the store obeys the rules of the protocol.
 * The input's lines are messages, "subject body", after two bytes that choose the fault. Words of
 * the protocol are short marks, so that the fuzzer finds them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <yyjson.h>

#include "actors/kv/core/format/wire.h"
#include "base/assert.h"
#include "tests/unit/test_dkv_check.h"

#define MESSAGES_MAX 70

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* '!' and a letter stand for a word, so that one changed byte is a different request. */
static const char *word_of(char c)
{
    switch (c) {
    case 'g':
        return "wasmkv.get";
    case 's':
        return "wasmkv.set.";
    case 'd':
        return "wasmkv.del";
    case 'a':
        return "\"$if-absent\":true";
    case 'p':
        return "\"$if-present\":true";
    case 'r':
        return "\"$request-id\":\"";
    case 'l':
        return "\"limit\":";
    case 'n':
        return "null";
    default:
        return NULL;
    }
}

static struct hr_str expand(struct hr_arena *arena, struct hr_str text)
{
    struct dkv_out out = dkv_out_in(arena, text.len * 2);
    struct hr_str all = {0};
    for (size_t i = 0; i < text.len; i++) {
        const char *word = text.ptr[i] == '!' && i + 1 < text.len ? word_of(text.ptr[i + 1]) : NULL;
        dkv_out_bytes(&out, word ? hr_str_c(word) : hr_str_of(text.ptr + i, 1));
        i += word != NULL;
    }
    HR_ASSERT(dkv_out_take(&out, &all) == HR_OK);
    return all;
}

static size_t read_messages(struct hr_arena *arena, struct hr_str text,
                            struct dkv_message *messages)
{
    size_t count = 0;
    while (text.len > 0 && count < MESSAGES_MAX) {
        size_t end = hr_str_find(text, '\n', 0);
        struct hr_str line = hr_str_of(text.ptr, end == SIZE_MAX ? text.len : end);
        size_t space = hr_str_find(line, ' ', 0);
        struct hr_str subject = hr_str_of(line.ptr, space == SIZE_MAX ? line.len : space);
        struct hr_str body = space == SIZE_MAX ? HR_STR("") : hr_str_from(line, space + 1);
        messages[count] = (struct dkv_message){expand(arena, subject), expand(arena, body),
                                               count % 7 == 6 ? HR_STR("") : HR_STR("r")};
        count++;
        text = hr_str_from(text, line.len + 1);
    }
    return count;
}

static void check_replies(const struct fake *fake)
{
    for (size_t i = 0; i < fake->reply_count; i++) {
        const char *body = fake->replies[i].body;
        yyjson_doc *doc = yyjson_read(body, strlen(body), 0);
        HR_ASSERT(doc != NULL);
        HR_ASSERT(yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), "site")));
        yyjson_doc_free(doc);
    }
}

static void intrude(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    const struct dkv_message message = {HR_STR("wasmkv.set.a"), HR_STR("{\"intruder\":1}"), {0}};
    dkv_batch_handle(&env, &message, 1, &handled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake fake = fake_new(1);
    struct dkv_env env = fake_env(&fake);
    struct hr_arena arena;
    struct dkv_message messages[MESSAGES_MAX];
    struct dkv_handled handled[MESSAGES_MAX];
    if (size < 2) {
        return 0;
    }
    hr_arena_init(&arena, 0);
    fake.intruder = intrude;
    fake.page_max = 3;
    fake.fault_at = data[0];
    fake.fault = (enum fake_fault)(data[1] % FAKE_FAULTS);
    size_t count = read_messages(&arena, hr_str_of(data + 2, size - 2), messages);
    dkv_batch_handle(&env, messages, count, handled);
    check_replies(&fake);
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        wanted += messages[i].reply_to.len > 0 && !handled[i].err;
    }
    HR_ASSERT(fake.reply_count >= wanted);
    /* Once more, the same, undisturbed and a while later. */
    fake.dead = false;
    fake.fault_at = 0;
    fake.wall += 400 * 1000;
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, messages, count, handled);
    check_replies(&fake);
    HR_ASSERT(check_failures(&fake, true) == 0);
    fake_release(&fake);
    hr_arena_release(&arena);
    return 0;
}
