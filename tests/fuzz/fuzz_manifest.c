/* links: hr_manifest
 * Input: a manifest, then optionally a NUL byte and the value of HEDGEROW_NATS. Whatever it is, parsing
 * ends, leaks nothing, and either gives a manifest that keeps its promises or at least one problem. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "host/manifest/manifest.h"
#include "host/bus/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check(const struct hr_manifest *m)
{
    need(m->lattice.len > 0 && m->site.len > 0 && m->http.len > 0 && m->store.len > 0);
    need(m->actor_count > 0 && m->actor_count <= HR_MANIFEST_ACTORS_MAX);
    need(m->workers <= HR_MANIFEST_WORKERS_MAX && m->nats.count <= HR_MANIFEST_NATS_MAX);
    for (size_t i = 0; i < m->actor_count; i++) {
        const struct hr_manifest_actor *actor = &m->actors[i];
        need(actor->name.len > 0 && actor->limits.memory_bytes > 0 && actor->limits.wall_ms > 0);
        for (size_t p = 0; p < actor->publish.count; p++) {
            need(hr_subject_is_pattern(actor->publish.items[p]));
        }
        for (size_t s = 0; s < actor->subscription_count; s++) {
            need(hr_subject_is_pattern(actor->subscriptions[s].subject));
            need(actor->subscriptions[s].batch <= HR_MANIFEST_BATCH_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hr_manifest_report report;
    struct hr_str input = hr_str_of(data, size);
    size_t cut = hr_str_find(input, '\0', 0);
    char *variable = NULL;
    if (cut != SIZE_MAX) {
        struct hr_buf text = {0};
        need(hr_buf_printf(&text, "HEDGEROW_NATS=%.*s", HR_STR_ARG(hr_str_from(input, cut + 1))) ==
             HR_OK);
        need(hr_buf_append_byte(&text, '\0') == HR_OK);
        variable = text.ptr;
        input.len = cut;
    }
    const char *const environment[] = {variable, NULL};
    struct hr_manifest *m = NULL;
    enum hr_err err =
        hr_manifest_parse(input, "f", HR_STR("/nonexistent"), environment, &m, &report);
    need((err == HR_OK) == (report.problem_count == 0));
    if (!err) {
        check(m);
    }
    hr_manifest_free(m);
    hr_free(variable);
    need(hr_alloc_live() == 0);
    return 0;
}
