/* Tokens in headers and cookies. One thread. */
#include "actors/todo/core/session.h"

#include "actors/todo/core/json.h"

#define COOKIE_REST "; Path=/; Max-Age=" GW_SESSION_MAX_AGE_S "; HttpOnly; SameSite=Lax"

/* As far as it can be told here: the characters of base64url, and not too many. */
static bool may_be_token(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return text.len <= GW_SESSION_CHARS_MAX;
}

static void set_token(struct gw_session *session, struct hr_str token)
{
    if (token.len > 0) {
        memcpy(session->token, token.ptr, token.len);
    }
    session->token_len = token.len;
}

static struct hr_str token_of(const struct gw_session *session)
{
    return hr_str_of(session->token, session->token_len);
}

/* The cookie's value in one Cookie header (RFC 6265 section 4.2.1); NULL ptr if it is not there. */
static struct hr_str find_cookie(struct hr_str header)
{
    const struct hr_str name = HR_STR(GW_SESSION_COOKIE "=");
    while (header.len > 0) {
        size_t end = hr_str_find(header, ';', 0);
        struct hr_str pair = hr_str_trim(hr_str_of(header.ptr, end == SIZE_MAX ? header.len : end));
        header = end == SIZE_MAX ? hr_str_of(NULL, 0) : hr_str_from(header, end + 1);
        if (hr_str_starts(pair, name)) {
            return hr_str_of(pair.ptr + name.len, pair.len - name.len);
        }
    }
    return hr_str_of(NULL, 0);
}

static void read_cookie(struct gw_call *call)
{
    struct gw_session *session = &call->session;
    for (size_t i = 0; i < call->request->header_count; i++) {
        const struct gw_header *header = &call->request->headers[i];
        if (!hr_str_eq_nocase(header->name, HR_STR("Cookie"))) {
            continue;
        }
        struct hr_str value = find_cookie(header->value);
        if (value.ptr && may_be_token(value)) {
            session->cookie = value;
            session->source = GW_SESSION_COOKIE_GIVEN;
            set_token(session, value);
            return;
        }
    }
}

enum hr_err gw_session_read(struct gw_call *call)
{
    struct hr_str value;
    const struct hr_str name = HR_STR(GW_SESSION_HEADER);
    read_cookie(call);
    if (!gw_request_header(call->request, name)) {
        return HR_OK;
    }
    enum hr_err err = gw_request_header_joined(call->request, name, &call->response->arena, &value);
    if (err) {
        return err;
    }
    value = hr_str_trim(value);
    if (!may_be_token(value)) {
        return gw_call_refuse(call, 400,
                              HR_STR("Header Hedgerow-Session must be a token that an answer had, "
                                     "or empty."));
    }
    call->session.source = GW_SESSION_HEADER_GIVEN;
    set_token(&call->session, value);
    return HR_OK;
}

enum hr_err gw_session_put(const struct gw_call *call, bool is_read, struct hr_str body,
                           struct hr_buf *out)
{
    const struct gw_session *session = &call->session;
    struct hr_str start = body.len > 0 ? hr_str_of(body.ptr, body.len - 1) : HR_STR("{");
    if (is_read && session->source == GW_SESSION_NOT_GIVEN) {
        return hr_buf_append(out, body);
    }
    enum hr_err err = hr_buf_append(out, start);
    return err ? err
               : hr_buf_printf(out, "%s\"$session\":\"%.*s\"}", start.len > 1 ? "," : "",
                               HR_STR_ARG(token_of(session)));
}

void gw_session_take(struct gw_call *call, yyjson_val *root)
{
    struct hr_str token = gw_json_str(yyjson_obj_get(root, "session"));
    if (token.len > 0 && may_be_token(token)) {
        set_token(&call->session, token);
        call->session.told = true;
    }
}

bool gw_session_forget(struct gw_call *call)
{
    bool had = call->session.source == GW_SESSION_COOKIE_GIVEN && call->session.token_len > 0;
    if (had) {
        set_token(&call->session, hr_str_of(NULL, 0));
    }
    return had;
}

/* Nobody but the client may keep what has a token in it. */
static void make_private(struct gw_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        struct gw_header *header = &response->headers[i];
        if (hr_str_eq_nocase(header->name, HR_STR("Cache-Control"))) {
            header->value = HR_STR("private, no-cache");
            return;
        }
    }
    gw_response_keep(response, HR_STR("Cache-Control"), HR_STR("private, no-cache"));
}

/* Who brought the token in a header, to read, has its own place for it. */
static bool wants_cookie(const struct gw_call *call)
{
    bool is_read = call->route.method == GW_METHOD_GET || call->route.method == GW_METHOD_HEAD;
    return (!is_read || call->session.cookie.ptr) &&
           !hr_str_eq(token_of(&call->session), call->session.cookie);
}

enum hr_err gw_session_finish(struct gw_call *call)
{
    struct hr_str token = token_of(&call->session);
    if (!call->session.told) {
        return HR_OK;
    }
    make_private(call->response);
    enum hr_err err = gw_response_copy(call->response, HR_STR(GW_SESSION_HEADER), token);
    if (!err && wants_cookie(call)) {
        struct hr_buf value = {0};
        err = hr_buf_printf(&value, GW_SESSION_COOKIE "=%.*s" COOKIE_REST, HR_STR_ARG(token));
        err = gw_response_take(call->response, HR_STR("Set-Cookie"), &value, err);
    }
    return err;
}
