/* hedgerow kv member: who belongs to the group. */
#include <stdio.h>
#include <string.h>

#include "cli/kv.h"

int kv_member(const struct kv_options *options)
{
    struct kv_call call = {.body = {.max = 1024}};
    if (strcmp(options->words[1], "remove") != 0) {
        fprintf(stderr, "hedgerow: kv member: there is no \"%s\"; it is `member remove NAME`\n",
                options->words[1]);
        return KV_ERROR;
    }
    enum hr_err err = hr_buf_printf(&call.body, "{\"verb\":\"member-remove\",\"name\":");
    err = err ? err : kv_quote(&call.body, hr_str_c(options->words[2]));
    err = err ? err : hr_buf_append_byte(&call.body, '}');
    bool good = !err && kv_run(options, &call, 1);
    if (good && options->json) {
        good = kv_print_line(call.root);
    } else if (good) {
        printf("%s is out of the group; the other sites hear of it within a second\n",
               options->words[2]);
    }
    kv_release(&call, 1);
    return good ? KV_EQUAL : KV_ERROR;
}
