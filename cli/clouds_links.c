/* toxiproxy-server's HTTP interface. A link is a proxy "<dials>-<accepts>" with a latency toxic each way. Upstream is
 * the direction from the end that dials to the end that accepts. A silent cut is a `timeout` toxic of 0, which
 * drops all bytes; taking it away closes the connections that lost some, so the servers dial anew. */
#include "cli/clouds_links.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "cli/clouds_http.h"
#include "cli/clouds_parts.h"

#define START_LIMIT_MS 10000u
#define ASK_AGAIN_MS 20u
#define UPSTREAM "upstream"
#define DOWNSTREAM "downstream"

const char *clouds_links_log(const struct clouds_state *state, char *path)
{
    return clouds_state_path(state, CLOUDS_SITES, "proxies.log", path);
}

static void url_of(const struct clouds_state *state, const char *path, char *ret_url)
{
    snprintf(ret_url, CLOUDS_HTTP_URL_BYTES_MAX, "http://127.0.0.1:%u%s",
             clouds_port_proxies(state->base_port), path);
}

static enum hr_err post(const struct clouds_state *state, const char *path, const char *json,
                        struct hr_diag *diag)
{
    char url[CLOUDS_HTTP_URL_BYTES_MAX];
    url_of(state, path, url);
    return clouds_http_do("POST", url, hr_str_c(json), NULL, diag);
}

static enum hr_err add_latency(const struct clouds_state *state, const char *name,
                               const char *stream, uint32_t latency_ms, struct hr_diag *diag)
{
    char path[64];
    char json[192];
    snprintf(path, sizeof path, "/proxies/%s/toxics", name);
    snprintf(json, sizeof json,
             "{\"name\":\"distance_%s\",\"type\":\"latency\",\"stream\":\"%s\","
             "\"attributes\":{\"latency\":%u}}",
             stream, stream, latency_ms);
    return post(state, path, json, diag);
}

static enum hr_err add_link(const struct clouds_state *state, size_t link, struct hr_diag *diag)
{
    char name[CLOUDS_LINK_NAME_BYTES_MAX];
    char json[256];
    size_t dials;
    size_t accepts;
    clouds_link_ends(link, &dials, &accepts);
    clouds_link_name(link, name);
    uint32_t round_trip_ms = clouds_round_trip_ms(dials, accepts);
    snprintf(json, sizeof json,
             "{\"name\":\"%s\",\"listen\":\"127.0.0.1:%u\",\"upstream\":\"127.0.0.1:%u\","
             "\"enabled\":true}",
             name, clouds_port_link(state->base_port, link),
             clouds_port_of(state->base_port, CLOUDS_PORT_ROUTES, accepts));
    enum hr_err err = post(state, "/proxies", json, diag);
    err = err ? err : add_latency(state, name, UPSTREAM, round_trip_ms / 2, diag);
    return err ? err
               : add_latency(state, name, DOWNSTREAM, round_trip_ms - round_trip_ms / 2, diag);
}

static enum hr_err wait_until_it_serves(const struct clouds_state *state, struct hr_diag *diag)
{
    char url[CLOUDS_HTTP_URL_BYTES_MAX];
    uint64_t end = clouds_now_ms() + START_LIMIT_MS;
    url_of(state, "/version", url);
    for (;;) {
        enum hr_err err = clouds_http_do("GET", url, HR_STR(""), NULL, diag);
        if (!err || clouds_now_ms() > end) {
            return err;
        }
        if (clouds_process_wait(state->proxies, ASK_AGAIN_MS) != HR_TIMEOUT) {
            return hr_diag_set(diag, HR_CLOSED, "toxiproxy-server has ended");
        }
    }
}

enum hr_err clouds_links_start(struct clouds_state *state, struct hr_diag *diag)
{
    char program[CLOUDS_FOLDER_BYTES_MAX];
    char log[CLOUDS_PATH_BYTES_MAX];
    char port[8];
    char args[4][20] = {"toxiproxy-server", "-host", "127.0.0.1", "-port"};
    snprintf(port, sizeof port, "%u", clouds_port_proxies(state->base_port));
    char *argv[] = {args[0], args[1], args[2], args[3], port, NULL};
    enum hr_err err = clouds_part_find_program("toxiproxy-server", program, diag);
    struct clouds_spawn spawn = {.program = program,
                                 .argv = argv,
                                 .env = environ,
                                 .folder = state->folder,
                                 .log = clouds_links_log(state, log)};
    err = err ? err : clouds_process_spawn(&spawn, &state->proxies, diag);
    err = err ? err : clouds_state_save(state, diag);
    err = err ? err : wait_until_it_serves(state, diag);
    for (size_t link = 0; !err && link < CLOUDS_LINKS; link++) {
        err = add_link(state, link, diag);
    }
    return err ? hr_diag_prefix(diag, err, "links") : HR_OK;
}

/* ---- Cuts ---- */

static enum hr_err set_enabled(const struct clouds_state *state, const char *name, bool enabled,
                               struct hr_diag *diag)
{
    char path[64];
    snprintf(path, sizeof path, "/proxies/%s", name);
    return post(state, path, enabled ? "{\"enabled\":true}" : "{\"enabled\":false}", diag);
}

static enum hr_err set_silent(const struct clouds_state *state, const char *name,
                              const char *stream, bool silent, struct hr_diag *diag)
{
    char path[96];
    char json[160];
    char url[CLOUDS_HTTP_URL_BYTES_MAX];
    snprintf(path, sizeof path, "/proxies/%s/toxics/cut_%s", name, stream);
    url_of(state, path, url);
    enum hr_err err = clouds_http_do("DELETE", url, HR_STR(""), NULL, diag);
    if (err == HR_NOT_FOUND) {
        err = HR_OK;
    }
    if (!err && silent) {
        snprintf(path, sizeof path, "/proxies/%s/toxics", name);
        snprintf(json, sizeof json,
                 "{\"name\":\"cut_%s\",\"type\":\"timeout\",\"stream\":\"%s\","
                 "\"attributes\":{\"timeout\":0}}",
                 stream, stream);
        err = post(state, path, json, diag);
    }
    return err;
}

enum hr_err clouds_links_cut(const struct clouds_state *state, size_t link, enum clouds_cut cut,
                             struct hr_diag *diag)
{
    char name[CLOUDS_LINK_NAME_BYTES_MAX];
    clouds_link_name(link, name);
    bool out = cut == CLOUDS_CUT_SILENT || cut == CLOUDS_CUT_ONE_WAY;
    bool back = cut == CLOUDS_CUT_SILENT || cut == CLOUDS_CUT_WAY_BACK;
    enum hr_err err = set_silent(state, name, UPSTREAM, out, diag);
    err = err ? err : set_silent(state, name, DOWNSTREAM, back, diag);
    return err ? err : set_enabled(state, name, cut != CLOUDS_CUT_REFUSED, diag);
}

static enum clouds_cut cut_of(yyjson_val *proxy)
{
    bool out = false;
    bool back = false;
    yyjson_arr_iter toxics;
    yyjson_arr_iter_init(yyjson_obj_get(proxy, "toxics"), &toxics);
    for (yyjson_val *toxic; (toxic = yyjson_arr_iter_next(&toxics)) != NULL;) {
        yyjson_val *name = yyjson_obj_get(toxic, "name");
        out = out || yyjson_equals_str(name, "cut_" UPSTREAM);
        back = back || yyjson_equals_str(name, "cut_" DOWNSTREAM);
    }
    if (!yyjson_get_bool(yyjson_obj_get(proxy, "enabled"))) {
        return CLOUDS_CUT_REFUSED;
    }
    return out && back ? CLOUDS_CUT_SILENT
           : out       ? CLOUDS_CUT_ONE_WAY
           : back      ? CLOUDS_CUT_WAY_BACK
                       : CLOUDS_CUT_NOT;
}

enum hr_err clouds_links_read(const struct clouds_state *state,
                              enum clouds_cut ret_cuts[CLOUDS_LINKS], struct hr_diag *diag)
{
    char url[CLOUDS_HTTP_URL_BYTES_MAX];
    struct hr_buf answer = {0};
    url_of(state, "/proxies", url);
    enum hr_err err = clouds_http_do("GET", url, HR_STR(""), &answer, diag);
    if (err) {
        return err;
    }
    yyjson_doc *doc = yyjson_read(answer.ptr, answer.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root)) {
        err = hr_diag_set(diag, HR_IO, "GET %s: the answer is no JSON object", url);
    }
    for (size_t link = 0; !err && link < CLOUDS_LINKS; link++) {
        char name[CLOUDS_LINK_NAME_BYTES_MAX];
        yyjson_val *proxy = yyjson_obj_get(root, clouds_link_name(link, name));
        ret_cuts[link] = proxy ? cut_of(proxy) : CLOUDS_CUT_REFUSED;
    }
    yyjson_doc_free(doc);
    hr_buf_release(&answer);
    return err;
}
