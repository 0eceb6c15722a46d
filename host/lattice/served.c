/* What this host serves: entered by the bus' ports on any thread, listed in its announcements. */
#include "base/alloc.h"
#include "host/lattice/impl.h"

/* Under the lock. */
static struct hr_lattice_served_here *find(struct hr_lattice *lattice, struct hr_str subject,
                                           struct hr_str queue, bool direct)
{
    for (struct hr_list *node = lattice->served.next; node != &lattice->served; node = node->next) {
        struct hr_lattice_served_here *here =
            HR_LIST_OWNER(node, struct hr_lattice_served_here, node);
        if (hr_str_eq(here->served.subject, subject) && hr_str_eq(here->served.queue, queue) &&
            here->served.direct == direct) {
            return here;
        }
    }
    return NULL;
}

static struct hr_lattice_served_here *new_served(struct hr_str subject, struct hr_str queue,
                                                 bool direct)
{
    struct hr_lattice_served_here *here = hr_alloc(sizeof *here + subject.len + queue.len);
    if (!here) {
        return NULL;
    }
    memcpy(here->text, subject.ptr, subject.len);
    if (queue.len > 0) {
        memcpy(here->text + subject.len, queue.ptr, queue.len);
    }
    here->served.subject = hr_str_of(here->text, subject.len);
    here->served.queue = hr_str_of(here->text + subject.len, queue.len);
    here->served.direct = direct;
    here->count = 1;
    return here;
}

static size_t bytes_of(const struct hr_lattice_served_here *here)
{
    return here->served.subject.len + here->served.queue.len;
}

/* Lists those for which there is room, oldest first. Under the lock. */
static void list_served(struct hr_lattice *lattice)
{
    lattice->stats.unannounced = 0;
    for (struct hr_list *node = lattice->served.next; node != &lattice->served; node = node->next) {
        struct hr_lattice_served_here *here =
            HR_LIST_OWNER(node, struct hr_lattice_served_here, node);
        if (!here->listed && lattice->served_count < HR_LATTICE_SERVED_MAX &&
            lattice->served_bytes + bytes_of(here) <= HR_LATTICE_SERVED_BYTES_MAX) {
            here->listed = true;
            lattice->served_count++;
            lattice->served_bytes += bytes_of(here);
            lattice->served_changed = true;
        }
        lattice->stats.unannounced += !here->listed;
    }
    if (lattice->served_changed && !lattice->poked) {
        lattice->poked = true;
        hr_loop_post(lattice->loop, &lattice->poke);
    }
}

enum hr_err hr_lattice_serve(struct hr_lattice *lattice, struct hr_str subject, struct hr_str queue,
                             bool direct)
{
    enum hr_err err = HR_OK;
    uv_mutex_lock(&lattice->lock);
    struct hr_lattice_served_here *here = find(lattice, subject, queue, direct);
    if (here) {
        here->count++;
    } else {
        here = new_served(subject, queue, direct);
        err = here ? HR_OK : HR_NO_MEMORY;
        if (here) {
            hr_list_push_back(&lattice->served, &here->node);
            list_served(lattice);
        }
    }
    uv_mutex_unlock(&lattice->lock);
    return err;
}

void hr_lattice_unserve(struct hr_lattice *lattice, struct hr_str subject, struct hr_str queue,
                        bool direct)
{
    uv_mutex_lock(&lattice->lock);
    struct hr_lattice_served_here *here = find(lattice, subject, queue, direct);
    if (here && --here->count == 0) {
        if (here->listed) {
            lattice->served_count--;
            lattice->served_bytes -= bytes_of(here);
            lattice->served_changed = true;
        }
        hr_list_remove(&here->node);
        hr_free(here);
        list_served(lattice);
    }
    uv_mutex_unlock(&lattice->lock);
}

struct hr_lattice_announcement *hr_lattice_own_announcement(struct hr_lattice *lattice,
                                                            bool leaving)
{
    struct hr_lattice_served served[HR_LATTICE_SERVED_MAX];
    uint32_t count = 0;
    uint32_t load = lattice->load_cb ? lattice->load_cb(lattice->load_arg) : 0;
    uv_mutex_lock(&lattice->lock);
    for (struct hr_list *node = lattice->served.next; node != &lattice->served && !leaving;
         node = node->next) {
        struct hr_lattice_served_here *here =
            HR_LIST_OWNER(node, struct hr_lattice_served_here, node);
        if (here->listed) {
            served[count++] = here->served;
        }
    }
    struct hr_lattice_announcement *said =
        hr_lattice_announcement_new(lattice->self, served, count);
    if (said) {
        said->load = load;
        said->hosts = hr_lattice_alive_count(lattice) + 1;
        said->leaving = leaving;
        said->catching_up = lattice->catching_up;
    }
    uv_mutex_unlock(&lattice->lock);
    return said;
}

void hr_lattice_served_free(struct hr_lattice *lattice)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&lattice->served))) {
        hr_free(HR_LIST_OWNER(node, struct hr_lattice_served_here, node));
    }
}
