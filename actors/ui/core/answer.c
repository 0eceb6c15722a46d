/* The page loads nothing but its own script, style and icon, and talks to nobody but where it came
 * from; the headers hold it to that. */
#include "actors/ui/core/answer.h"

#include "base/assert.h"
#include "actors/ui/core/path.h"

static const struct {
    const char *name;
    const char *value;
} same_for_all[] = {
    {"vary", "accept-encoding"},
    {"content-security-policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), "
                           "payment=(), usb=()"},
    {"cross-origin-opener-policy", "same-origin"},
    {"cross-origin-resource-policy", "same-origin"},
};

static const struct ui_file *find_file(const struct ui_bundle *bundle, struct hr_str path)
{
    for (size_t i = 0; i < bundle->file_count; i++) {
        if (hr_str_eq(bundle->files[i].path, path)) {
            return &bundle->files[i];
        }
    }
    return NULL;
}

/* The variant whose coding weighs most; identity when all are refused. */
static const struct ui_variant *choose(const struct ui_file *file, const struct ui_accept *accept)
{
    const struct ui_variant *best = NULL;
    const struct ui_variant *identity = NULL;
    for (size_t i = 0; i < file->variant_count; i++) {
        const struct ui_variant *variant = &file->variants[i];
        int weight = accept->weights[variant->coding];
        if (variant->coding == UI_CODING_IDENTITY) {
            identity = variant;
        }
        if (weight == UI_WEIGHT_REFUSED) {
            continue;
        }
        int best_weight = best ? accept->weights[best->coding] : UI_WEIGHT_REFUSED;
        if (weight > best_weight || (weight == best_weight && variant->coding > best->coding)) {
            best = variant;
        }
    }
    HR_ASSERT(identity);
    return best ? best : identity;
}

static void add_header(struct ui_answer *answer, struct hr_str name, struct hr_str value)
{
    HR_ASSERT(answer->header_count < UI_HEADERS_MAX);
    answer->headers[answer->header_count++] = (struct ui_header){name, value};
}

static struct ui_answer answer_with(const struct ui_file *file, const struct ui_variant *variant)
{
    struct ui_answer answer = {.etag = variant->etag, .bytes = variant->bytes};
    add_header(&answer, HR_STR("content-type"), file->content_type);
    if (variant->coding != UI_CODING_IDENTITY) {
        add_header(&answer, HR_STR("content-encoding"), ui_coding_name(variant->coding));
    }
    add_header(&answer, HR_STR("cache-control"),
               file->immutable ? HR_STR("public, max-age=31536000, immutable")
                               : HR_STR("no-cache"));
    for (size_t i = 0; i < sizeof same_for_all / sizeof same_for_all[0]; i++) {
        add_header(&answer, hr_str_c(same_for_all[i].name), hr_str_c(same_for_all[i].value));
    }
    return answer;
}

enum hr_err ui_answer_find(const struct ui_bundle *bundle, struct hr_str url_path,
                           struct hr_str accept_encoding, struct ui_answer *ret_answer)
{
    struct ui_path path;
    if (ui_path_decode(url_path, &path) != HR_OK) {
        return HR_NOT_FOUND;
    }
    struct hr_str name =
        ui_path_has_extension(&path) ? hr_str_of(path.text, path.len) : HR_STR("index.html");
    const struct ui_file *file = find_file(bundle, name);
    if (!file) {
        return HR_NOT_FOUND;
    }
    struct ui_accept accept = ui_accept_parse(accept_encoding);
    *ret_answer = answer_with(file, choose(file, &accept));
    return HR_OK;
}
