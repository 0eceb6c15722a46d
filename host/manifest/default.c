/* The manifest that is used without one, and whose actors are used by a manifest that names none: the
 * TODO application, with its data under the current folder. */
#include "host/manifest/reader.h"

/* The actors that are built into the program, each under its own name. */
static const char *const built_in[] = {"todo", "ui", "kv"};

/* clang-format off: the text as a person reads it. */
static const char text[] =
    "lattice: default\n"
    "site: local\n"
    "http: 127.0.0.1:8080        # :8080 for every interface\n"
    "admin: 127.0.0.1:9090       # metrics and health; none for no such address\n"
    "store: lmdb:./data          # or redis://host:6379/0\n"
    "durability: sync            # or lazy: the last moments may be lost with the machine\n"
    "nats: []                    # URLs of NATS servers; none: a lattice of this process alone\n"
    "sites: []                   # all sites by name, this one too; none: learned from whoever is "
    "heard\n"
    "write-acks: 2               # sites that hold a write before it is answered: a number, "
    "majority or all\n"
    "hedge: true                 # slow reads are asked of a second site\n"
    "workers: 0                  # 0: one for each core\n"
    "log: info\n"
    "actors:\n"
    "  todo:                     # the API gateway\n"
    "    links:\n"
    "      http: {routes: [\"/\"]}\n"
    "      messaging:\n"
    "        publish: [wasmkv.get, wasmkv.get.>, wasmkv.set.>, wasmkv.del, wasmkv.del.>]\n"
    "        safe: [wasmkv.get, wasmkv.get.>]\n"
    "        idempotent: [wasmkv.set.>, wasmkv.del, wasmkv.del.>]\n"
    "      lattice: {}\n"
    "      assets: {actor: ui}\n"
    "      config: {}\n"
    "      logging: {}\n"
    "      clocks: {}\n"
    "      random: {}\n"
    "  ui: {}                    # the web page's files; links to nothing\n"
    "  kv:                       # the Distributed-KV actor\n"
    "    links:\n"
    "      keyvalue: {buckets: [default]}\n"
    "      commit: {}\n"
    "      messaging:\n"
    "        publish: [\"_INBOX.>\", \"wasmkv.peer.>\", \"_LOCAL.wasmkv.>\", wasmkv.set.>]\n"
    "        subscribe:\n"
    "          - {subject: wasmkv.get, queue: kv}\n"
    "          - {subject: wasmkv.get.>, queue: kv, batch: 64, ordered: false}\n"
    "          - {subject: wasmkv.set.>, queue: kv, batch: 64}\n"
    "          - {subject: wasmkv.del, queue: kv, batch: 64}\n"
    "          - {subject: wasmkv.del.>, queue: kv, batch: 64}\n"
    "          - {subject: wasmkv.peer.default.w, queue: \"${site}\", batch: 64, echo: false}\n"
    "          - {subject: wasmkv.peer.default.have, queue: \"${site}\", echo: false}\n"
    "          - {subject: \"wasmkv.peer.default.log.${site}\", queue: \"${site}\"}\n"
    "          - {subject: \"wasmkv.peer.default.dig.${site}\", queue: \"${site}\"}\n"
    "          - {subject: \"wasmkv.peer.default.st.${site}\", queue: \"${site}\"}\n"
    "          - {subject: _LOCAL.wasmkv.default.apply, batch: 64}\n"
    "          - {subject: _LOCAL.wasmkv.default.fill, batch: 64}\n"
    "          - {subject: _LOCAL.wasmkv.default.mend, batch: 64}\n"
    "          - {subject: _LOCAL.wasmkv.default.admin, queue: kv}\n"
    "          - {subject: _LOCAL.wasmkv.default.ship, queue: kv}\n"
    "          - {subject: _LOCAL.wasmkv.default.meet.>, queue: kv}\n"
    "          - {subject: _LOCAL.wasmkv.default.tick, every: 500ms}\n"
    "      gather: {publish: [\"wasmkv.peer.>\"]}\n"
    "      lattice: {}\n"
    "      config: {}\n"
    "      logging: {}\n"
    "      clocks: {}\n"
    "      random: {}\n";
/* clang-format on */

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
