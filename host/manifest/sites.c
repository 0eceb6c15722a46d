/* The sites of a lattice: their numbers, and the list that names all of them (`sites`), held against the site that
 * this manifest is of. */
#include <sodium.h>
#include <stdio.h>

#include "host/manifest/reader.h"

#define HINT_BYTES 128u

/* ---- Numbers ---- */

/* From the site's name, so that sites need not be numbered by hand. */
static uint16_t number_of(struct hr_str name)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "hedgerow site id";
    unsigned char hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, (const unsigned char *)name.ptr, name.len, key);
    return (uint16_t)(((uint32_t)hash[0] << 8 | hash[1]) % UINT16_MAX + 1);
}

uint16_t hr_manifest_site_number(const struct hr_manifest *manifest)
{
    uint16_t alone_or_named = manifest->nats.count == 0 ? 1 : number_of(manifest->site);
    return manifest->site_id ? manifest->site_id : alone_or_named;
}

/* ---- The list ---- */

static bool has_number(const struct hr_manifest_item *item)
{
    return hr_str_find(item->text, '=', 0) != SIZE_MAX;
}

/* "north" or "north=7" */
static bool read_site(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                      struct hr_manifest_site *ret_site)
{
    struct hr_manifest_item name = *item;
    struct hr_manifest_item id = *item;
    struct hr_str text;
    uint64_t number;
    if (has_number(item)) {
        size_t equals = hr_str_find(item->text, '=', 0);
        name.text = hr_str_of(item->text.ptr, equals);
        id.text = hr_str_from(item->text, equals + 1);
    }
    if (!hr_manifest_read_name(reader, &name, &text)) {
        return false;
    }
    if (!has_number(item)) {
        number = number_of(text);
    } else if (!hr_manifest_read_number(reader, &id, 1, UINT16_MAX, &number)) {
        return false;
    }
    *ret_site = (struct hr_manifest_site){.name = text, .id = (uint16_t)number};
    return true;
}

/* Whether @site is another one than those before it. */
static bool is_new(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                   const struct hr_manifest_site *site, const struct hr_manifest_site *before,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hr_str_eq(before[i].name, site->name)) {
            hr_manifest_item_problem(reader, item, "`%.*s` is in the list twice",
                                     HR_STR_ARG(site->name));
            return false;
        }
        if (before[i].id == site->id) {
            hr_manifest_item_problem(
                reader, item,
                "`%.*s` has the number %u, which `%.*s` has already: give one of them another "
                "`site-id` in its manifest, and write it as name=id in all of them",
                HR_STR_ARG(site->name), site->id, HR_STR_ARG(before[i].name));
            return false;
        }
    }
    return true;
}

void hr_manifest_read_sites(struct hr_manifest_reader *reader, struct hr_manifest_item *items,
                            size_t count)
{
    struct hr_manifest_site *sites = hr_manifest_take(reader, count ? count : 1, sizeof *sites);
    size_t good = 0;
    for (size_t i = 0; sites && i < count; i++) {
        if (read_site(reader, &items[i], &sites[good]) &&
            is_new(reader, &items[i], &sites[good], sites, good)) {
            items[good++] = items[i];
        }
    }
    reader->sites = sites;
    reader->manifest->sites = sites;
    reader->manifest->site_count = good;
}

/* ---- The list and this site ---- */

/* What the list says of this site's number has to be right, as the others go by it. */
static void check_number(struct hr_manifest_reader *reader, const struct hr_manifest_item *item,
                         struct hr_manifest_site *site)
{
    const struct hr_manifest *manifest = reader->manifest;
    uint16_t number = hr_manifest_site_number(manifest);
    if (!has_number(item) && !manifest->site_id) {
        site->id = number; /* that of the name, or of a site that is alone */
    } else if (site->id != number && manifest->site_id) {
        hr_manifest_item_problem(reader, item,
                                 "this site's `site-id` is %u: write `%.*s=%u` in the manifests of "
                                 "all sites, or change the `site-id`",
                                 number, HR_STR_ARG(site->name), number);
    } else if (site->id != number) {
        hr_manifest_item_problem(reader, item,
                                 "this site has no `site-id`, and so its number is %u: give it "
                                 "`site-id: %u`, or leave out the `=%u`",
                                 number, site->id, site->id);
    }
}

static void tell_missing(struct hr_manifest_reader *reader, const struct hr_manifest_item *whole)
{
    const struct hr_manifest *manifest = reader->manifest;
    const char *names[HR_MANIFEST_SITES_MAX];
    char hint[HINT_BYTES] = "all sites of the lattice are named, this one too";
    for (size_t i = 0; i < manifest->site_count; i++) {
        names[i] = manifest->sites[i].name.ptr;
    }
    const char *similar = hr_manifest_suggestion(manifest->site, names, manifest->site_count);
    if (similar) {
        snprintf(hint, sizeof hint, "did you mean it by `%s`?", similar);
    }
    hr_manifest_item_problem(reader, whole, "this host's site, `%.*s`, is not among them; %s",
                             HR_STR_ARG(manifest->site), hint);
}

void hr_manifest_check_sites(struct hr_manifest_reader *reader,
                             const struct hr_manifest_item *items,
                             const struct hr_manifest_item *whole)
{
    const struct hr_manifest *manifest = reader->manifest;
    size_t own = 0;
    while (own < manifest->site_count && !hr_str_eq(manifest->sites[own].name, manifest->site)) {
        own++;
    }
    if (manifest->site_count == 0) {
        return;
    }
    if (own == manifest->site_count) {
        tell_missing(reader, whole);
        return;
    }
    check_number(reader, &items[own], &reader->sites[own]);
    if (manifest->site_count > 1 && manifest->nats.count == 0) {
        hr_manifest_item_problem(
            reader, whole, "names other sites, but `nats` is empty: none of them can be heard");
    }
}
