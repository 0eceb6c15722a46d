/* The manifest that is used without one, and whose actors are used by a manifest that names none: the
 * TODO application, with its data under the current folder. */
#include "host/manifest_reader.h"

/* The actors that are built into the program, each under its own name. */
static const char *const built_in[] = {"todo", "ui", "kv"};

#define LINE(text) text "\n"

static const char text[] = LINE("lattice: default") LINE("site: local") LINE(
    "http: 127.0.0.1:8080        # :8080 for every interface")
    LINE("admin: 127.0.0.1:9090       # metrics and health; none for no such address") LINE(
        "store: lmdb:./data") LINE("durability: sync            # or lazy: the last moments may be "
                                   "lost with the machine")
        LINE("nats: []                    # URLs of NATS servers; none: a lattice of this process "
             "alone") LINE("workers: 0                  # 0: one for each core") LINE("log: info")
            LINE("actors:") LINE("  todo:                     # the API gateway") LINE(
                "    links:") LINE("      http: {routes: [\"/\"]}")
                LINE("      messaging: {publish: [\"wasmkv.>\"]}") LINE(
                    "      assets: {actor: ui}") LINE("      config: {}") LINE("      logging: {}")
                    LINE("      clocks: {}") LINE("      random: {}") LINE(
                        "  ui: {}                    # the web page's "
                        "files; links to nothing") LINE("  kv:                       # the "
                                                        "Distributed-KV actor") LINE("    links:")
                        LINE("      keyvalue: {buckets: [default]}") LINE("      commit: {}") LINE(
                            "      messaging:") LINE("        publish: [\"_INBOX.>\"]")
                            LINE("        subscribe:") LINE(
                                "          - {subject: wasmkv.get, queue: kv}")
                                LINE("          - {subject: wasmkv.get.>, queue: kv}") LINE(
                                    "          - {subject: wasmkv.set.>, queue: kv, batch: 64}")
                                    LINE("          - {subject: wasmkv.del, queue: kv, batch: 64}")
                                        LINE("          - {subject: wasmkv.del.>, queue: kv, "
                                             "batch: 64}") LINE("      gather: {}")
                                            LINE("      config: {}") LINE("      logging: {}")
                                                LINE("      clocks: {}") LINE("      random: {}");

struct hr_str hr_manifest_default_text(void)
{
    return hr_str_of(text, sizeof text - 1);
}

bool hr_manifest_is_built_in(struct hr_str actor)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        if (hr_str_eq(actor, hr_str_c(built_in[i]))) {
            return true;
        }
    }
    return false;
}
