/* Greedy: whatever can go alone goes. */
#include "sim/minimise.h"

#include <string.h>

#define HALVINGS 6u

struct search {
    struct sim_shape *shape;
    const char *claim;
    uint32_t runs;
};

static bool fails(struct search *search)
{
    struct sim_result result;
    search->runs++;
    sim_run(search->shape, false, &result);
    return result.failed && result.claim && strcmp(result.claim, search->claim) == 0;
}

static void remove_kinds(struct search *search)
{
    struct sim_shape *shape = search->shape;
    for (uint32_t fault = 0; fault < SIM_FAULTS; fault++) {
        struct sim_shape before = *shape;
        bool any = false;
        for (size_t i = 0; i < shape->window_count; i++) {
            bool goes = shape->windows[i].fault == (enum sim_fault)fault;
            any = any || (goes && !shape->windows[i].removed);
            shape->windows[i].removed = shape->windows[i].removed || goes;
        }
        if (any && !fails(search)) {
            *shape = before;
        }
    }
}

static void remove_windows(struct search *search)
{
    struct sim_shape *shape = search->shape;
    for (size_t i = 0; i < shape->window_count; i++) {
        if (!shape->windows[i].removed) {
            shape->windows[i].removed = true;
            shape->windows[i].removed = fails(search);
        }
    }
}

static void shorten_windows(struct search *search)
{
    for (size_t i = 0; i < search->shape->window_count; i++) {
        struct sim_window *window = &search->shape->windows[i];
        for (uint32_t round = 0; round < HALVINGS && !window->removed; round++) {
            struct sim_window before = *window;
            sim_us half = (before.until - before.from) / 2;
            window->until = before.from + half;
            if (fails(search)) {
                continue;
            }
            *window = before;
            window->from = before.from + half;
            if (!fails(search)) {
                *window = before;
                break;
            }
        }
    }
}

/* Ends the time of faults earlier. */
static void end_earlier(struct search *search)
{
    sim_us before = search->shape->faults_us;
    for (sim_us part = 1; part < 8; part++) {
        search->shape->faults_us = before * part / 8;
        if (fails(search)) {
            return;
        }
    }
    search->shape->faults_us = before;
}

/* One client less, and so on. */
static void remove_clients(struct search *search)
{
    struct sim_shape *shape = search->shape;
    while (shape->client_count > 1) {
        shape->client_count--;
        if (!fails(search)) {
            shape->client_count++;
            return;
        }
    }
}

uint32_t sim_minimise(struct sim_shape *shape, const char *claim)
{
    struct search search = {.shape = shape, .claim = claim};
    remove_kinds(&search);
    end_earlier(&search);
    remove_windows(&search);
    remove_clients(&search);
    shorten_windows(&search);
    remove_windows(&search);
    return search.runs;
}
