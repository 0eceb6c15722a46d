/* FNV-1a over eight bytes at a time, stirred. */
#include "sim/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "sim/tell.h"

static uint64_t stir(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) * 0x100000001B3u;
    return hash ^ (hash >> 29);
}

void sim_trace_number(struct sim_world *world, uint64_t number)
{
    world->hash = stir(world->hash, number);
}

void sim_trace_bytes(struct sim_world *world, struct hr_str bytes)
{
    uint64_t hash = stir(world->hash, bytes.len);
    size_t i = 0;
    for (; i + 8 <= bytes.len; i += 8) {
        uint64_t word; /* as the machine has it: a trace is compared on one kind of machine */
        memcpy(&word, bytes.ptr + i, sizeof word);
        hash = stir(hash, word);
    }
    for (; i < bytes.len; i++) {
        hash = stir(hash, (unsigned char)bytes.ptr[i]);
    }
    world->hash = hash;
}

static void begin_line(const struct sim_world *world, uint32_t site)
{
    const char *name = site < SIM_SITES_MAX ? world->sites[site].name : "world";
    printf("%10.4fs %-6s ", (double)world->now / 1e6, name);
}

void sim_trace_say(struct sim_world *world, uint32_t site, const char *fmt, ...)
{
    if (!world->tracing) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    begin_line(world, site);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
}

void sim_trace_fail(struct sim_world *world, const char *fmt, ...)
{
    if (world->failed) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    int len =
        snprintf(world->failure, sizeof world->failure, "at %.4f s: ", (double)world->now / 1e6);
    vsnprintf(world->failure + len, sizeof world->failure - (size_t)len, fmt, args);
    va_end(args);
    world->failed = true;
    world->failed_claim = fmt;
    sim_trace_say(world, SIM_SITES_MAX, "CHECK FAILED %s", world->failure);
    if (world->tracing) {
        sim_tell_stores(world);
    }
}
