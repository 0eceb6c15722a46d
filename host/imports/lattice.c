/* hedgerow:lattice/members: the sites around, as the lattice sees them; without a lattice, this one alone. */
#include <string.h>

#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/lattice/lattice.h"
#include "host/run/worker.h"

/* record site: name string@0, id u16@8, here bool@10, alive bool@11, has-store bool@12, catching-up bool@13, hosts u32@16,
 * round-trip-us option<u64> discriminant@24, u64@32, silent-ms u64@40, clock-ahead-ms option<s64>
 * discriminant@48, s64@56; 64 bytes, alignment 8. */
#define SITE_BYTES 64u
#define SITE_ALIGN 8u

static void put_site(struct hr_abi_out *items, uint32_t at, const struct hr_lattice_site *site)
{
    hr_abi_out_bytes(items, at, hr_str_c(site->name));
    hr_abi_out_u16(items, at + 8, site->id);
    hr_abi_out_u8(items, at + 10, site->here);
    hr_abi_out_u8(items, at + 11, site->alive);
    hr_abi_out_u8(items, at + 12, site->has_store);
    hr_abi_out_u8(items, at + 13, site->catching_up);
    hr_abi_out_u32(items, at + 16, site->hosts);
    hr_abi_out_u8(items, at + 24, site->round_trip_us > 0);
    hr_abi_out_u64(items, at + 32, site->round_trip_us);
    hr_abi_out_u64(items, at + 40, site->silent_ms);
    hr_abi_out_u8(items, at + 48, site->clock_known);
    hr_abi_out_u64(items, at + 56, (uint64_t)site->clock_ahead_ms);
}

static enum hr_err sites(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    const struct hr_worker *worker = fiber->worker;
    struct hr_lattice_site *list =
        hr_arena_alloc(&fiber->arena, HR_LATTICE_SITES_MAX * sizeof *list);
    size_t count = 1;
    if (!list) {
        return hr_fiber_trap(fiber, "out of memory");
    }
    if (worker->lattice) {
        hr_lattice_sites(worker->lattice, list, HR_LATTICE_SITES_MAX, &count);
    } else {
        list[0] = worker->here;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, (uint32_t)count, SITE_BYTES, SITE_ALIGN, &items);
    for (uint32_t i = 0; i < count; i++) {
        put_site(&items, SITE_BYTES * i, &list[i]);
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err settled(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    const struct hr_worker *worker = fiber->worker;
    values[0].i32 = !worker->lattice || hr_lattice_settled(worker->lattice);
    return HR_OK;
}

static const struct hr_import imports[] = {
    {"hedgerow:lattice/members", "0.1", "sites", "i>", sites},
    {"hedgerow:lattice/members", "0.1", "settled", ">i", settled},
};

const struct hr_imports_table hr_imports_lattice = HR_IMPORTS_TABLE(imports);
