/* The table of embedded modules; their bytes come from embedded.S, which the build writes. */
#include "host/embedded.h"

#define MODULE(name)                        \
    extern const char hr_embedded_##name[]; \
    extern const char hr_embedded_##name##_end[];

MODULE(todo)
MODULE(ui)
MODULE(kv)

bool hr_embedded_actor(struct hr_str name, struct hr_str *ret_bytes)
{
    const struct {
        const char *name;
        const char *begin;
        const char *end;
    } modules[] = {
        {"todo", hr_embedded_todo, hr_embedded_todo_end},
        {"ui", hr_embedded_ui, hr_embedded_ui_end},
        {"kv", hr_embedded_kv, hr_embedded_kv_end},
    };
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (hr_str_eq(name, hr_str_c(modules[i].name)) && modules[i].end > modules[i].begin) {
            *ret_bytes = hr_str_of(modules[i].begin, (size_t)(modules[i].end - modules[i].begin));
            return true;
        }
    }
    return false;
}
