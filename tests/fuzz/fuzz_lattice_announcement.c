/* links: hr_lattice
 * Input: what a host says of itself, as it came from the network. Whatever is taken in keeps to the limits, and comes
 * out of its own JSON as it was; conflicts between any two are seen from both sides. */
#include <stdlib.h>

#include "base/alloc.h"
#include "host/lattice/impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_limits(const struct hr_lattice_announcement *said)
{
    need(hr_lattice_announcement_check(said) == NULL);
    need(said->served_count <= HR_LATTICE_SERVED_MAX);
    size_t bytes = 0;
    for (uint32_t i = 0; i < said->served_count; i++) {
        need(said->served[i].subject.len > 0 &&
             said->served[i].subject.len <= HR_BUS_SUBJECT_BYTES_MAX);
        need(said->served[i].queue.len <= HR_BUS_QUEUE_BYTES_MAX);
        bytes += said->served[i].subject.len + said->served[i].queue.len;
    }
    need(bytes <= HR_LATTICE_SERVED_BYTES_MAX);
}

static void check_same(const struct hr_lattice_announcement *a,
                       const struct hr_lattice_announcement *b)
{
    need(hr_str_eq(a->host, b->host) && hr_str_eq(a->site, b->site) &&
         hr_str_eq(a->version, b->version));
    need(a->boot == b->boot && a->started_ms == b->started_ms && a->site_id == b->site_id &&
         a->load == b->load && a->hosts == b->hosts && a->leaving == b->leaving);
    need(memcmp(a->store_id, b->store_id, sizeof a->store_id) == 0);
    need(hr_lattice_announcement_same_served(a, b));
}

static void check_conflicts(const struct hr_lattice_announcement *said)
{
    static const struct hr_lattice_announcement self = {.host = {"h1", 2},
                                                        .boot = 1,
                                                        .started_ms = 5,
                                                        .site = {"aws", 3},
                                                        .site_id = 3,
                                                        .store_id = {1},
                                                        .version = {"1", 1}};
    char why[HR_LATTICE_WHY_BYTES_MAX] = "";
    need(hr_lattice_conflicts(&self, said, why) == hr_lattice_conflicts(said, &self, why));
    need(!hr_lattice_conflicts(said, said, why));
    need(!hr_lattice_is_earlier(said, said));
    need(memchr(why, '\0', sizeof why) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_lattice_announcement *said;
    struct hr_lattice_announcement *again;
    struct hr_buf buf = {.max = HR_LATTICE_ANNOUNCEMENT_BYTES_MAX};
    if (hr_lattice_announcement_decode(hr_str_of(data, size), &said)) {
        need(hr_alloc_live() == 0);
        return 0;
    }
    check_limits(said);
    check_conflicts(said);
    need(hr_lattice_announcement_encode(&buf, said) == HR_OK);
    need(hr_lattice_announcement_decode(hr_buf_str(&buf), &again) == HR_OK);
    check_same(said, again);
    hr_buf_release(&buf);
    hr_lattice_announcement_unref(again);
    hr_lattice_announcement_unref(said);
    need(hr_alloc_live() == 0);
    return 0;
}
