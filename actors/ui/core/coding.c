/* Accept-Encoding = #( codings [ weight ] ), weight = OWS ";" OWS "q=" qvalue. The qvalue is 0 or 1
 * with up to three decimals, and not above 1. */
#include "actors/ui/core/coding.h"

#include <stddef.h>

/* Beside the codings, for "*". */
#define ANY UI_CODING_COUNT
#define UNSAID (-2)

struct hr_str ui_coding_name(enum ui_coding coding)
{
    switch (coding) {
    case UI_CODING_GZIP:
        return HR_STR("gzip");
    case UI_CODING_BR:
        return HR_STR("br");
    case UI_CODING_IDENTITY:
    case UI_CODING_COUNT:
        break;
    }
    return HR_STR("");
}

/* Takes the part of @rest up to @separator off its front. */
static struct hr_str take(struct hr_str *rest, char separator)
{
    size_t at = hr_str_find(*rest, separator, 0);
    struct hr_str part = *rest;
    if (at == SIZE_MAX) {
        *rest = hr_str_from(*rest, rest->len);
        return part;
    }
    part.len = at;
    *rest = hr_str_from(*rest, at + 1);
    return part;
}

/* A qvalue in thousandths; false when it is not one. */
static bool parse_qvalue(struct hr_str text, int *ret_weight)
{
    static const int place[] = {100, 10, 1};
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.')) {
        return false;
    }
    int weight = text.ptr[0] == '1' ? UI_WEIGHT_MAX : 0;
    for (size_t i = 2; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        weight += (text.ptr[i] - '0') * place[i - 2];
    }
    if (weight > UI_WEIGHT_MAX) {
        return false;
    }
    *ret_weight = weight == 0 ? UI_WEIGHT_REFUSED : weight;
    return true;
}

/* The index of a coding's name in the weights, or -1 for one that is never served. */
static int index_of(struct hr_str name)
{
    if (hr_str_eq(name, HR_STR("*"))) {
        return ANY;
    }
    if (hr_str_eq_nocase(name, HR_STR("br"))) {
        return UI_CODING_BR;
    }
    if (hr_str_eq_nocase(name, HR_STR("gzip")) || hr_str_eq_nocase(name, HR_STR("x-gzip"))) {
        return UI_CODING_GZIP;
    }
    return hr_str_eq_nocase(name, HR_STR("identity")) ? UI_CODING_IDENTITY : -1;
}

static void parse_element(struct hr_str element, int *weights)
{
    int index = index_of(hr_str_trim(take(&element, ';')));
    int weight = UI_WEIGHT_MAX;
    if (element.len > 0) {
        struct hr_str name = hr_str_trim(element);
        bool is_q = hr_str_starts(name, HR_STR("q=")) || hr_str_starts(name, HR_STR("Q="));
        if (!is_q || !parse_qvalue(hr_str_from(name, 2), &weight)) {
            return;
        }
    }
    if (index >= 0) {
        weights[index] = weight;
    }
}

struct ui_accept ui_accept_parse(struct hr_str value)
{
    int said[UI_CODING_COUNT + 1] = {UNSAID, UNSAID, UNSAID, UNSAID};
    struct hr_str rest = value.len <= UI_ACCEPT_BYTES_MAX ? value : HR_STR("");
    while (rest.len > 0) {
        parse_element(take(&rest, ','), said);
    }
    struct ui_accept accept;
    for (int coding = 0; coding < UI_CODING_COUNT; coding++) {
        int unsaid = coding == UI_CODING_IDENTITY ? UI_WEIGHT_UNNAMED : UI_WEIGHT_REFUSED;
        int other = said[ANY] != UNSAID ? said[ANY] : unsaid;
        accept.weights[coding] = said[coding] != UNSAID ? said[coding] : other;
    }
    return accept;
}
