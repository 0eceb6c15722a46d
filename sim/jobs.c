/* Each job takes every so many-th seed. What it is at stands in memory that it shares with the parent. */
#include "sim/jobs.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "sim/command.h"

/* One job's part of the shared memory. */
struct desk {
    uint64_t next; /* place of the next seed to run */
    uint64_t seed; /* that it is at */
    struct sim_totals totals;
};

struct jobs {
    const struct sim_options *options;
    const uint64_t *seeds;
    size_t count;
    struct desk *desks;
    double end; /* 0: none */
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The seed at @place; false: there is none. */
static bool seed_at(const struct jobs *jobs, uint64_t place, uint64_t *ret_seed)
{
    if (place < jobs->count) {
        *ret_seed = jobs->seeds[place];
        return true;
    }
    uint64_t behind = place - jobs->count;
    const struct sim_options *options = jobs->options;
    if (options->first > options->last || behind > options->last - options->first) {
        return false;
    }
    *ret_seed = options->first + behind;
    return jobs->end == 0 || seconds() < jobs->end;
}

static void count_result(struct sim_totals *totals, const struct sim_result *result)
{
    totals->passed += !result->failed;
    totals->failed += result->failed;
    totals->time_us += result->time_us;
    totals->events += result->events;
    totals->env_calls += result->env_calls;
    totals->changes += result->changes;
    totals->requests += result->requests;
    totals->done += result->done;
    totals->kills += result->kills;
    if (!result->failed && totals->healing_us_max < result->healing_us) {
        totals->healing_us_max = result->healing_us;
    }
}

static bool is_over(const struct jobs *jobs, const struct desk *desk)
{
    return jobs->options->stop && desk->totals.failed > 0;
}

static void work(const struct jobs *jobs, uint32_t number)
{
    struct desk *desk = &jobs->desks[number];
    struct sim_result result;
    uint64_t seed;
    while (!is_over(jobs, desk) && seed_at(jobs, desk->next, &seed)) {
        desk->seed = seed;
        HR_IGNORE(!sim_command_seed(jobs->options, seed, &result)); /* it stands in the result */
        count_result(&desk->totals, &result);
        desk->next += jobs->options->jobs;
    }
    fflush(stdout);
}

static pid_t start(const struct jobs *jobs, uint32_t number)
{
    fflush(stdout);
    pid_t pid = fork();
    HR_ASSERT(pid >= 0);
    if (pid == 0) {
        work(jobs, number);
        _exit(0);
    }
    return pid;
}

/* Waits for a job. One that crashed is started again behind the seed that it was at. */
static void watch(const struct jobs *jobs, pid_t *pids, uint32_t *left)
{
    int status = 0;
    pid_t pid = wait(&status);
    for (uint32_t i = 0; i < jobs->options->jobs; i++) {
        if (pids[i] != pid) {
            continue;
        }
        struct desk *desk = &jobs->desks[i];
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            --*left;
            return;
        }
        printf("seed %llu: FAILED: it crashed (%s %d)\n", (unsigned long long)desk->seed,
               WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        desk->totals.failed++;
        desk->next += jobs->options->jobs;
        pids[i] = start(jobs, i);
    }
}

static void add(struct sim_totals *to, const struct sim_totals *from)
{
    to->passed += from->passed;
    to->failed += from->failed;
    to->time_us += from->time_us;
    to->events += from->events;
    to->env_calls += from->env_calls;
    to->changes += from->changes;
    to->requests += from->requests;
    to->done += from->done;
    to->kills += from->kills;
    if (to->healing_us_max < from->healing_us_max) {
        to->healing_us_max = from->healing_us_max;
    }
}

void sim_jobs_run(const struct sim_options *options, const uint64_t *seeds, size_t count,
                  struct sim_totals *ret_totals)
{
    struct jobs jobs = {.options = options, .seeds = seeds, .count = count};
    pid_t pids[SIM_JOBS_MAX];
    uint32_t left = options->jobs;
    size_t bytes = options->jobs * sizeof *jobs.desks;
    jobs.end = options->seconds > 0 ? seconds() + options->seconds : 0;
    jobs.desks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HR_ASSERT(jobs.desks != MAP_FAILED);
    for (uint32_t i = 0; i < options->jobs; i++) {
        jobs.desks[i].next = i;
        pids[i] = start(&jobs, i);
    }
    while (left > 0) {
        watch(&jobs, pids, &left);
    }
    *ret_totals = (struct sim_totals){0};
    for (uint32_t i = 0; i < options->jobs; i++) {
        add(ret_totals, &jobs.desks[i].totals);
    }
    munmap(jobs.desks, bytes);
}
