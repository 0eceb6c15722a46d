/* Asking servers how they are. What they say is foreign: every field is checked. */
#include "cli/clouds_look.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "cli/clouds_http.h"
#include "cli/clouds_parts.h"

#define ASK_AGAIN_MS 50u
#define WAIT_LOOK_MS 1000u
#define ID_BYTES_MAX 80u
#define HOUR_US 3600e6

/* The questions to one site; those that more is asked for come later. */
enum question { ASK_HEALTHZ, ASK_ROUTEZ, ASK_READYZ, ASK_SITES, ASK_TODOS, QUESTIONS };

static const struct {
    enum clouds_port port;
    enum clouds_part part;
    const char *path;
} questions[QUESTIONS] = {
    [ASK_HEALTHZ] = {CLOUDS_PORT_MONITOR, CLOUDS_NATS, "/healthz"},
    [ASK_ROUTEZ] = {CLOUDS_PORT_MONITOR, CLOUDS_NATS, "/routez"},
    [ASK_READYZ] = {CLOUDS_PORT_ADMIN, CLOUDS_HOST, "/readyz"},
    [ASK_SITES] = {CLOUDS_PORT_HTTP, CLOUDS_HOST, "/api/sites"},
    [ASK_TODOS] = {CLOUDS_PORT_HTTP, CLOUDS_HOST, "/api"},
};

static const enum question last_questions[] = {
    [CLOUDS_LOOK_SERVES] = ASK_READYZ,
    [CLOUDS_LOOK_SITES] = ASK_SITES,
    [CLOUDS_LOOK_ALL] = ASK_TODOS,
};

/* ---- Reading answers ---- */

/* Cuts a number off the front of @text: digits with at most one point among them. */
static bool cut_number(struct hr_str *text, double *ret_number)
{
    double number = 0;
    double scale = 0; /* 0 before the point, then 10 for each digit */
    size_t digits = 0;
    size_t i = 0;
    for (; i < text->len; i++) {
        char c = text->ptr[i];
        if (c == '.' && scale == 0) {
            scale = 1;
        } else if (c >= '0' && c <= '9') {
            number = number * 10 + (c - '0');
            scale *= 10;
            digits++;
        } else {
            break;
        }
    }
    *text = hr_str_from(*text, i);
    *ret_number = number / (scale > 0 ? scale : 1);
    return digits > 0;
}

static bool cut_unit(struct hr_str *text, double *ret_us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {
        {"ns", 1e-3},   {"us", 1},   {"\xc2\xb5s", 1}, {"ms", 1e3},
        {"h", HOUR_US}, {"m", 60e6}, {"s", 1e6},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (hr_str_starts(*text, hr_str_c(units[i].name))) {
            *text = hr_str_from(*text, strlen(units[i].name));
            *ret_us = units[i].us;
            return true;
        }
    }
    return false;
}

bool clouds_look_duration(struct hr_str text, uint32_t *ret_us)
{
    double sum = 0;
    bool good = text.len > 0;
    while (good && text.len > 0) {
        double number = 0;
        double unit = 0;
        good = cut_number(&text, &number) && cut_unit(&text, &unit);
        sum += number * unit;
        good = good && sum <= HOUR_US; /* false too when it is no number any more */
    }
    if (good) {
        *ret_us = (uint32_t)lround(sum);
    }
    return good;
}

static yyjson_doc *parse(const struct clouds_request *answer)
{
    return answer->status == 200 ? yyjson_read(answer->answer.ptr, answer->answer.len, 0) : NULL;
}

static void keep_smaller(uint32_t *kept, uint32_t value)
{
    if (value < *kept) {
        *kept = value;
    }
}

/* Several connections may make one route; the quickest one counts. Older servers tell of the other one by
 * its id alone. */
static void read_routes(yyjson_val *root, char ids[CLOUDS_SITES][ID_BYTES_MAX],
                        struct clouds_seen *seen)
{
    yyjson_arr_iter routes;
    yyjson_arr_iter_init(yyjson_obj_get(root, "routes"), &routes);
    for (yyjson_val *route; (route = yyjson_arr_iter_next(&routes)) != NULL;) {
        yyjson_val *id = yyjson_obj_get(route, "remote_id");
        yyjson_val *rtt = yyjson_obj_get(route, "rtt");
        uint32_t us = CLOUDS_UNKNOWN - 1; /* connected, not measured yet */
        if (yyjson_is_str(rtt)) {
            struct hr_str text = hr_str_of(yyjson_get_str(rtt), yyjson_get_len(rtt));
            if (!clouds_look_duration(text, &us) || us == 0) {
                us = CLOUDS_UNKNOWN - 1;
            }
        }
        for (size_t site = 0; site < CLOUDS_SITES; site++) {
            if (ids[site][0] && yyjson_equals_str(id, ids[site])) {
                keep_smaller(&seen->route_us[site], us);
            }
        }
    }
}

static void read_id(yyjson_val *root, char id[ID_BYTES_MAX])
{
    yyjson_val *value = yyjson_obj_get(root, "server_id");
    id[0] = '\0';
    if (yyjson_is_str(value) && yyjson_get_len(value) < ID_BYTES_MAX) {
        strcpy(id, yyjson_get_str(value));
    }
}

static void read_all_routes(const struct clouds_request *answers,
                            struct clouds_seen seen[CLOUDS_SITES])
{
    yyjson_doc *docs[CLOUDS_SITES];
    char ids[CLOUDS_SITES][ID_BYTES_MAX];
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        docs[site] = parse(&answers[site * QUESTIONS + ASK_ROUTEZ]);
        read_id(yyjson_doc_get_root(docs[site]), ids[site]);
    }
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        read_routes(yyjson_doc_get_root(docs[site]), ids, &seen[site]);
        yyjson_doc_free(docs[site]);
    }
}

static void read_sites(const struct clouds_request *answer, struct clouds_seen *seen)
{
    yyjson_doc *doc = parse(answer);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "sites");
    if (yyjson_is_arr(list)) {
        yyjson_arr_iter sites;
        yyjson_arr_iter_init(list, &sites);
        seen->sites_known = (uint32_t)yyjson_arr_size(list);
        seen->sites_alive = 0;
        for (yyjson_val *entry; (entry = yyjson_arr_iter_next(&sites)) != NULL;) {
            yyjson_val *name = yyjson_obj_get(entry, "name");
            double ms = yyjson_get_num(yyjson_obj_get(entry, "round_trip_ms"));
            size_t site;
            seen->sites_alive += yyjson_get_bool(yyjson_obj_get(entry, "alive"));
            if (yyjson_is_str(name) && clouds_site_find(yyjson_get_str(name), &site) &&
                yyjson_is_num(yyjson_obj_get(entry, "round_trip_ms")) && ms >= 0 &&
                ms * 1e3 <= HOUR_US) {
                seen->lattice_us[site] = (uint32_t)lround(ms * 1e3);
            }
        }
    }
    yyjson_doc_free(doc);
}

static void read_todos(const struct clouds_request *answer, struct clouds_seen *seen)
{
    yyjson_doc *doc = parse(answer);
    yyjson_val *list = yyjson_doc_get_root(doc);
    if (yyjson_is_arr(list)) {
        seen->todos = (uint32_t)yyjson_arr_size(list);
    }
    yyjson_doc_free(doc);
}

/* ---- Asking ---- */

static void begin_site(const struct clouds_state *state, size_t site, struct clouds_seen *seen)
{
    *seen = (struct clouds_seen){
        .sites_alive = CLOUDS_UNKNOWN, .sites_known = CLOUDS_UNKNOWN, .todos = CLOUDS_UNKNOWN};
    for (size_t other = 0; other < CLOUDS_SITES; other++) {
        seen->route_us[other] = CLOUDS_UNKNOWN;
        seen->lattice_us[other] = CLOUDS_UNKNOWN;
    }
    for (size_t part = 0; part < CLOUDS_PARTS; part++) {
        seen->lives[part] = clouds_process_life(state->parts[site][part]);
    }
    /* Stopped ones take connections and say nothing: they are not asked. */
    seen->serves[CLOUDS_REDIS] =
        seen->lives[CLOUDS_REDIS] == CLOUDS_UP &&
        clouds_part_redis_answers(clouds_port_of(state->base_port, CLOUDS_PORT_REDIS, site));
}

enum hr_err clouds_look(const struct clouds_state *state, enum clouds_look_what what,
                        uint32_t timeout_ms, struct clouds_seen ret_seen[CLOUDS_SITES])
{
    struct clouds_request answers[CLOUDS_SITES * QUESTIONS] = {0};
    struct clouds_request asked[CLOUDS_SITES * QUESTIONS];
    size_t places[CLOUDS_SITES * QUESTIONS];
    size_t count = 0;
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        begin_site(state, site, &ret_seen[site]);
        for (size_t i = 0; i <= (size_t)last_questions[what]; i++) {
            if (ret_seen[site].lives[questions[i].part] == CLOUDS_UP) {
                places[count] = site * QUESTIONS + i;
                asked[count] = (struct clouds_request){.method = "GET"};
                snprintf(asked[count].url, sizeof asked[count].url, "http://127.0.0.1:%u%s",
                         clouds_port_of(state->base_port, questions[i].port, site),
                         questions[i].path);
                count++;
            }
        }
    }
    enum hr_err err = clouds_http_run(asked, count, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        answers[places[i]] = asked[i];
    }
    for (size_t site = 0; !err && site < CLOUDS_SITES; site++) {
        const struct clouds_request *own = &answers[site * QUESTIONS];
        ret_seen[site].serves[CLOUDS_NATS] = own[ASK_HEALTHZ].status == 200;
        ret_seen[site].serves[CLOUDS_HOST] = own[ASK_READYZ].status == 200;
        read_sites(&own[ASK_SITES], &ret_seen[site]);
        read_todos(&own[ASK_TODOS], &ret_seen[site]);
    }
    if (!err) {
        read_all_routes(answers, ret_seen);
    }
    clouds_http_release(asked, count);
    return err;
}

/* ---- Waiting ---- */

static bool has_routes(const struct clouds_seen seen[CLOUDS_SITES],
                       const enum clouds_cut cuts[CLOUDS_LINKS], size_t site, size_t *ret_missing)
{
    for (size_t other = 0; other < CLOUDS_SITES; other++) {
        if (other != site && seen[other].lives[CLOUDS_NATS] == CLOUDS_UP &&
            cuts[clouds_link_of(site, other)] == CLOUDS_CUT_NOT &&
            seen[site].route_us[other] == CLOUDS_UNKNOWN) {
            *ret_missing = other;
            return false;
        }
    }
    return true;
}

static bool sees_all(const struct clouds_seen *seen)
{
    return seen->sites_alive != CLOUDS_UNKNOWN && seen->sites_alive >= CLOUDS_SITES;
}

/* Whether all is as wanted; if not, who is to blame first. Servers before hosts, which need them. */
static bool all_serve(const struct clouds_seen seen[CLOUDS_SITES],
                      const struct clouds_wanted *wanted, const enum clouds_cut cuts[CLOUDS_LINKS],
                      struct clouds_late *ret_late)
{
    static const enum clouds_part order[CLOUDS_PARTS] = {CLOUDS_NATS, CLOUDS_REDIS, CLOUDS_HOST};
    for (size_t i = 0; i < CLOUDS_PARTS * (size_t)CLOUDS_SITES; i++) {
        size_t site = i % CLOUDS_SITES;
        enum clouds_part part = order[i / CLOUDS_SITES];
        size_t missing = 0;
        if (!wanted->parts[site][part]) {
            continue;
        }
        *ret_late = (struct clouds_late){.site = site, .part = part};
        if (seen[site].lives[part] == CLOUDS_DOWN) {
            ret_late->ended = true;
            snprintf(ret_late->text, sizeof ret_late->text, "has ended");
            return false;
        }
        if (!seen[site].serves[part]) {
            snprintf(ret_late->text, sizeof ret_late->text, "is not ready");
            return false;
        }
        if (part == CLOUDS_NATS && !has_routes(seen, cuts, site, &missing)) {
            snprintf(ret_late->text, sizeof ret_late->text, "has no route to %s",
                     clouds_site_name(missing));
            return false;
        }
        if (part == CLOUDS_HOST && wanted->together && !sees_all(&seen[site])) {
            snprintf(ret_late->text, sizeof ret_late->text, "does not see all sites");
            return false;
        }
    }
    return true;
}

enum hr_err clouds_look_wait(const struct clouds_state *state, const struct clouds_wanted *wanted,
                             const enum clouds_cut cuts[CLOUDS_LINKS], uint32_t timeout_ms,
                             struct clouds_late *ret_late)
{
    struct clouds_process watched[CLOUDS_SITES * (size_t)CLOUDS_PARTS];
    struct clouds_seen seen[CLOUDS_SITES];
    uint64_t end = clouds_now_ms() + timeout_ms;
    size_t count = 0;
    for (size_t i = 0; i < CLOUDS_SITES * (size_t)CLOUDS_PARTS; i++) {
        if (wanted->parts[i / CLOUDS_PARTS][i % CLOUDS_PARTS]) {
            watched[count++] = state->parts[i / CLOUDS_PARTS][i % CLOUDS_PARTS];
        }
    }
    for (;;) {
        enum clouds_look_what what = wanted->together ? CLOUDS_LOOK_SITES : CLOUDS_LOOK_SERVES;
        enum hr_err err = clouds_look(state, what, WAIT_LOOK_MS, seen);
        if (err || all_serve(seen, wanted, cuts, ret_late)) {
            return err;
        }
        if (ret_late->ended) {
            return HR_CLOSED;
        }
        if (clouds_now_ms() >= end) {
            return HR_TIMEOUT;
        }
        /* An end wakes us early; the next look finds it. */
        err = clouds_process_wait_any(watched, count, ASK_AGAIN_MS);
        if (err && err != HR_TIMEOUT) {
            return err;
        }
    }
}
