/* The table of links. A new capability begins with a row here. */
#include "host/manifest/link.h"

#include <stdint.h>
#include <stdio.h>

#define INTERFACES_MAX 4

#define TEXT(literal)                   \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }

static const struct {
    const char *name;
    const char *purpose;
    const char *example; /* its value in a manifest, where it says something */
    struct hr_str interfaces[INTERFACES_MAX];
} links[HR_LINK_COUNT] = {
    [HR_LINK_HTTP] = {"http",
                      "serves HTTP requests",
                      "{routes: [\"/\"]}",
                      {TEXT("wasi:http/types"), TEXT("wasi:http/incoming-handler"),
                       TEXT("wasi:io/*")}},
    [HR_LINK_MESSAGING] = {"messaging",
                           "publishes, requests and receives messages",
                           "{publish: [...], subscribe: [...]}",
                           {TEXT("wasmcloud:messaging/consumer"),
                            TEXT("wasmcloud:messaging/handler"),
                            TEXT("hedgerow:messaging/batch-handler"),
                            TEXT("hedgerow:lattice/replies")}},
    [HR_LINK_KEYVALUE] = {"keyvalue",
                          "reads and writes a store",
                          "{buckets: [default]}",
                          {TEXT("wasi:keyvalue/store"), TEXT("wasi:keyvalue/atomics"),
                           TEXT("wasi:keyvalue/batch")}},
    [HR_LINK_COMMIT] = {"commit",
                        "commits and scans in the store of the keyvalue link",
                        "{}",
                        {TEXT("hedgerow:kv/commit"), TEXT("hedgerow:kv/scan"),
                         TEXT("hedgerow:kv/standing"), TEXT("hedgerow:kv/lost-commits")}},
    [HR_LINK_CONFIG] = {"config",
                        "reads the values that the manifest gives it",
                        "{values: {...}}",
                        {TEXT("wasi:config/store")}},
    [HR_LINK_LOGGING] = {"logging",
                         "writes to the host's log",
                         "{}",
                         {TEXT("wasi:logging/logging")}},
    [HR_LINK_CLOCKS] = {"clocks",
                        "reads clocks and waits for time to pass",
                        "{}",
                        {TEXT("wasi:clocks/*"), TEXT("wasi:io/poll")}},
    [HR_LINK_RANDOM] = {"random", "gets random numbers", "{}", {TEXT("wasi:random/*")}},
    [HR_LINK_CLI] = {"cli",
                     "gets its config values as environment variables, and prints to the log",
                     "{}",
                     {TEXT("wasi:cli/*"), TEXT("wasi:io/*")}},
    [HR_LINK_GATHER] = {"gather",
                        "asks many and collects their replies",
                        "{publish: [...]}",
                        {TEXT("hedgerow:lattice/gather")}},
    [HR_LINK_LATTICE] = {"lattice",
                         "sees which sites there are and how far away they are",
                         "{}",
                         {TEXT("hedgerow:lattice/members")}},
    [HR_LINK_ASSETS] = {"assets",
                        "calls another actor for web assets",
                        "{actor: ui}",
                        {TEXT("hedgerow:ui/assets")}},
};

const char *hr_link_name(enum hr_link link)
{
    return links[link].name;
}

const char *hr_link_purpose(enum hr_link link)
{
    return links[link].purpose;
}

const struct hr_str *hr_link_interfaces(enum hr_link link, size_t *ret_count)
{
    size_t count = 0;
    while (count < INTERFACES_MAX && links[link].interfaces[count].ptr) {
        count++;
    }
    *ret_count = count;
    return links[link].interfaces;
}

static struct hr_str without_version(struct hr_str interface)
{
    size_t at = hr_str_find(interface, '@', 0);
    return at == SIZE_MAX ? interface : hr_str_of(interface.ptr, at);
}

static bool covers(struct hr_str grant, struct hr_str interface)
{
    if (hr_str_ends(grant, HR_STR("/*"))) {
        struct hr_str package = hr_str_of(grant.ptr, grant.len - 1);
        return interface.len > package.len && hr_str_starts(interface, package);
    }
    return hr_str_eq(grant, interface);
}

bool hr_link_grants(enum hr_link link, struct hr_str interface)
{
    size_t count;
    const struct hr_str *grants = hr_link_interfaces(link, &count);
    struct hr_str bare = without_version(interface);
    for (size_t i = 0; i < count; i++) {
        if (covers(grants[i], bare)) {
            return true;
        }
    }
    return false;
}

bool hr_link_of_interface(struct hr_str interface, enum hr_link *ret_link)
{
    for (int i = 0; i < HR_LINK_COUNT; i++) {
        if (hr_link_grants((enum hr_link)i, interface)) {
            *ret_link = (enum hr_link)i;
            return true;
        }
    }
    return false;
}

void hr_link_advise(struct hr_str actor, struct hr_str interface, char *ret_advice, size_t size)
{
    enum hr_link link;
    if (!hr_link_of_interface(interface, &link)) {
        snprintf(ret_advice, size, "no link grants it in this version; build the actor without it");
        return;
    }
    snprintf(ret_advice, size, "add `%s: %s` under actors.%.*s.links in hedgerow.yaml",
             links[link].name, links[link].example, HR_STR_ARG(actor));
}
