/* Words to options. */
#include "sim/options.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/shape.h"

const char *sim_options_help(void)
{
    return "sim --seed N [--trace] [--minimise]      one seed; its story; its smallest form\n"
           "sim --seeds A..B [--jobs N]              many, as many at once as there are jobs\n"
           "    --seconds N          instead of an end: until the time is over\n"
           "    --file F             first the seeds in a file, one a line, # begins a remark\n"
           "    --twice              each seed twice: its trace has to be the same\n"
           "    --sites N            so many sites, 1 to 5, instead of as many as the seed draws\n"
           "    --without FAULT      leave out a kind of fault, by its name in the story\n"
           "    --stop               no more seeds in a job after one that failed\n"
           "    --quiet              failures and the last line only\n";
}

static bool read_range(const char *text, uint64_t *first, uint64_t *last)
{
    struct hr_str word = hr_str_c(text);
    size_t dot = hr_str_find(word, '.', 0);
    if (dot == SIZE_MAX || !hr_str_starts(hr_str_from(word, dot), HR_STR(".."))) {
        return false;
    }
    return hr_str_to_u64(hr_str_of(text, dot), first) &&
           hr_str_to_u64(hr_str_from(word, dot + 2), last) && *first <= *last;
}

static bool read_u32(const char *text, uint32_t most, uint32_t *ret_number)
{
    uint64_t number;
    if (!hr_str_to_u64(hr_str_c(text), &number) || number == 0 || number > most) {
        return false;
    }
    *ret_number = (uint32_t)number;
    return true;
}

static bool read_fault(const char *text, uint32_t *bits)
{
    for (uint32_t fault = 0; fault < SIM_FAULTS; fault++) {
        if (strcmp(text, sim_fault_name((enum sim_fault)fault)) == 0) {
            *bits |= SIM_FAULT_BIT(fault);
            return true;
        }
    }
    return false;
}

/* An option with a value. */
static bool read_valued(const char *name, const char *value, struct sim_options *options)
{
    if (!value) {
        return false;
    }
    if (strcmp(name, "--seed") == 0) {
        options->single = true;
        bool read = hr_str_to_u64(hr_str_c(value), &options->first);
        options->last = options->first;
        return read;
    }
    if (strcmp(name, "--seeds") == 0) {
        return read_range(value, &options->first, &options->last);
    }
    if (strcmp(name, "--jobs") == 0) {
        return read_u32(value, SIM_JOBS_MAX, &options->jobs);
    }
    if (strcmp(name, "--sites") == 0) {
        return read_u32(value, SIM_SITES_MAX, &options->sites);
    }
    if (strcmp(name, "--seconds") == 0) {
        options->last = UINT64_MAX;
        return read_u32(value, UINT32_MAX, &options->seconds);
    }
    if (strcmp(name, "--file") == 0) {
        options->file = value;
        return true;
    }
    return strcmp(name, "--without") == 0 && read_fault(value, &options->left_out);
}

bool sim_options_read(int argc, char **argv, struct sim_options *ret_options)
{
    struct sim_options options = {.first = 1, .last = 0, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--trace") == 0) {
            options.trace = true;
        } else if (strcmp(word, "--minimise") == 0) {
            options.minimise = true;
        } else if (strcmp(word, "--twice") == 0) {
            options.twice = true;
        } else if (strcmp(word, "--quiet") == 0) {
            options.quiet = true;
        } else if (strcmp(word, "--stop") == 0) {
            options.stop = true;
        } else if (read_valued(word, i + 1 < argc ? argv[i + 1] : NULL, &options)) {
            i++;
        } else {
            return false;
        }
    }
    *ret_options = options;
    return options.first <= options.last || options.file;
}
