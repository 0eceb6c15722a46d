/* Texts and properties of enum hr_err, from the one list in err.h. Stateless, any thread. */
#include "base/err.h"

struct err_row {
    const char *name;
    const char *text;
    int http;
    bool retryable;
};

static const struct err_row rows[HR_ERR_COUNT] = {
#define HR_ERR_ROW(code, text, http, retryable) [code] = {#code, text, http, retryable},
    HR_ERR_LIST(HR_ERR_ROW)
#undef HR_ERR_ROW
};

static const struct err_row *row(enum hr_err err)
{
    return (unsigned)err < HR_ERR_COUNT ? &rows[err] : &rows[HR_INTERNAL];
}

const char *hr_err_text(enum hr_err err)
{
    return row(err)->text;
}

const char *hr_err_name(enum hr_err err)
{
    return row(err)->name;
}

int hr_err_http(enum hr_err err)
{
    return row(err)->http;
}

bool hr_err_retryable(enum hr_err err)
{
    return row(err)->retryable;
}
